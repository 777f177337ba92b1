//! Rooms on one node: membership, presence, typing, and ordered delivery of changes.
//!
//! The deciding parts are pure and take the time as an argument: `presence` with the `viewers` that it
//! counts, `grace`, `typing`, `resequencer` (order), `conflate` (bursts) and `delta` (changes to report to
//! other nodes). `state` combines them. `room` puts the state behind one lock, together with the channels
//! that listeners read. `hub` holds all rooms and `timers` wakes them. A subscription owns a `membership`
//! and reads a `listener`.
//!
//! Rooms import neither the store, nor GraphQL, nor transports. They reach other nodes through the
//! trait `Peers` only.

mod announcements;
mod conflate;
mod delta;
mod ending;
mod eviction;
mod grace;
mod hub;
mod listener;
mod membership;
mod metrics;
mod node_id;
mod participant;
mod peers;
mod presence;
mod reconcile_requests;
mod resequencer;
mod room;
mod state;
#[cfg(test)]
pub(crate) mod testing;
mod timers;
mod typing;
mod viewer_id;
mod viewers;
mod watch;

pub(crate) use self::{
    delta::{Delta, Version},
    grace::GRACE,
    peers::Peers,
    presence::ApplyResult,
    room::Room,
    timers::now,
    typing::NodeTypist,
    viewer_id::{RoomKey, ViewerId},
};
pub use self::{
    ending::RoomEnd,
    grace::SentAway,
    hub::{Hub, RoomStats},
    listener::{Changes, Listener, Values},
    membership::Membership,
    node_id::NodeId,
    participant::Participant,
    room::{FeedEvent, Published, RoomId},
    typing::{TypingEvent, Typists, differences},
    watch::Watch,
};
