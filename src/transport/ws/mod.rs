//! graphql-transport-ws on a bare TCP connection.
//!
//! [`handshake`] takes the connection over from HTTP. [`protocol`] is the protocol's state machine
//! without I/O, and [`keepalive`] its pings. [`session`] is the event loop that performs its actions,
//! [`operations`] runs what was started. [`writer`] is the write half, shared with the [`sink`]s of the
//! subscriptions.

mod authentication;
mod close;
mod frame;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod handshake;
mod keepalive;
mod message;
mod operations;
mod protocol;
mod reader;
mod send_queue;
mod session;
mod sink;
mod writer;

pub(super) use self::{
    close::CLOSE_CODES,
    handshake::{accept, is_upgrade},
};
