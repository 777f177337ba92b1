//! Rooms: who is here, and who gets what. It knows neither store nor GraphQL nor sockets.
//!
//! What decides is pure and takes the time as an argument: `presence` (members and viewers),
//! `typing`, `resequencer` (order), `conflate` (bursts), `delta` (what other nodes are to be told).
//! `room` puts them behind one lock with the channels that are listened on, `hub` holds the rooms,
//! `timers` wakes them, `membership` is what a subscription owns, and `listener` is how one hears
//! what goes on in a room.

mod conflate;
mod delta;
pub(crate) mod hub;
mod listener;
mod membership;
pub(crate) mod presence;
pub(crate) mod resequencer;
pub(crate) mod room;
pub(crate) mod timers;
mod typing;
pub(crate) mod viewer_id;

pub use self::{
    hub::{Census, Hub},
    listener::{Changes, Listener, Next, TypingEvent, Values, differences},
    membership::Membership,
    room::{Published, RoomId},
    typing::Typists,
    viewer_id::Visitor,
};
