//! graphql-transport-ws on a bare TCP connection.
//!
//! [`handshake`] takes the connection over from HTTP. [`protocol`] decides, [`socket`] does: it
//! reads frames, runs operations and keeps the clock. [`connection`] is the half of a socket to
//! which everybody writes who has something for its client, and [`sink`] is how a subscription's
//! events come there.

mod close;
mod connection;
mod frame;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod handshake;
mod message;
mod outbox;
mod protocol;
mod reader;
mod sink;
mod socket;

pub(super) use self::handshake::{accept, is_asked_for};
