//! Rooms: who is here, and who gets what. It knows neither store nor GraphQL nor sockets.
//!
//! What decides is pure and takes the time as an argument: `presence` (members and viewers),
//! `typing`, `sequencer` (order), `conflate` (bursts). `room` puts them behind one lock with
//! the channels that are listened on, `hub` holds the rooms, `timers` wakes them, `membership` is
//! what a subscription owns, and `listen` is how one hears what goes on in a room.
//!
//! Where there are many nodes, `cluster` speaks with the others, in the words of `wire`, over a
//! [`backplane`]. Pure are `announcer` (what they are to be told of a room), `peers` (who they are)
//! and `survey` (asking them about a room that is not here); what waits to be told is in `outgoing`.

mod announcer;
pub mod backplane;
mod cluster;
mod conflate;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod hub;
mod listen;
mod membership;
mod outgoing;
mod peers;
mod presence;
mod room;
mod sequencer;
mod survey;
mod timers;
mod typing;
mod viewer;
mod wire;

pub use self::{
    cluster::{Cluster, ClusterObserver, Link},
    hub::{Census, Hub},
    listen::{Changes, Listener, Next, TypingEvent, Values, differences},
    membership::Membership,
    peers::NodeId,
    room::{Published, RoomId},
    typing::Typists,
    viewer::Visitor,
};
