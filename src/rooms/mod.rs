//! Rooms: who is here, and who gets what. It knows neither store nor GraphQL nor sockets.
//!
//! What decides is pure and takes the time as an argument: `presence` (members and viewers),
//! `typing`, `sequencer` (order), `conflate` (bursts). `room` puts them behind one lock with
//! the channels that are listened on, `hub` holds the rooms, `timers` wakes them, `membership` is
//! what a subscription owns, and `listen` is how one hears what goes on in a room.

mod conflate;
mod hub;
mod listen;
mod membership;
mod presence;
mod room;
mod sequencer;
mod timers;
mod typing;

pub use self::{
    hub::{Census, Hub},
    listen::{Changes, Listener, Next, TypingEvent, Values, differences},
    membership::Membership,
    presence::Visitor,
    room::{Published, RoomId},
    typing::Typists,
};
