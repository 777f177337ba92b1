//! What goes on at a post, as one ordered stream for each subscriber, made of the store's log and
//! the room's live changes: nothing lost, nothing twice, in order.
//!
//! Subscribers who ask the same of one room are an [`Audience`]. One task listens to the room for
//! all of them, has each event rendered once, and hands the bytes to everybody's [`Outlet`]. Each
//! has a `seat` that knows what they were given last. Whoever cannot take more, or comes from an
//! earlier place, is brought there by `catch_up`, and then takes part again.

mod audience;
mod batch;
mod catch_up;
mod drive;
mod event;
mod join;
mod outlet;
mod reconcile;
mod seat;

pub use self::{
    audience::{Audience, Subscription},
    event::Event,
    join::{Feed, Joined, View, Wish},
    outlet::{Closed, Outlet, Payload, Render, Unrendered},
    reconcile::reconcile,
};
