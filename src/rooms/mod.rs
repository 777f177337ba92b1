//! Rooms: who is here, and who gets what. It knows neither store nor GraphQL nor sockets.
//!
//! What decides is pure and takes the time as an argument: `presence` (members and viewers),
//! `typing`, `sequencer` (order), `conflate` (bursts). `room` puts them behind one lock with
//! the channels that members listen on, `hub` holds the rooms, `timers` wakes them, and
//! `membership` is what a subscription's stream owns.

mod conflate;
mod hub;
mod membership;
mod presence;
mod room;
mod sequencer;
mod timers;
mod typing;

pub use self::{
    hub::{Census, Hub},
    membership::{Changes, Membership, Next, TypingEvent},
    presence::Visitor,
};
