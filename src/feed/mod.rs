//! What goes on at a post, as one ordered stream for each subscriber, made of the store's log and
//! the room's live changes: nothing lost, nothing twice, in order.
//!
//! Subscribers who ask the same of one room are an [`SubscriberGroup`]. One task listens to the room for
//! all of them, has each event rendered once, and hands the bytes to everybody's [`Sink`]. Each
//! has a `subscriber` that knows what they were given last. Whoever cannot take more, or comes from an
//! earlier place, is brought there by `catch_up`, and then takes part again.

mod batch;
mod catch_up;
mod event;
mod fanout;
mod join;
mod reconcile;
mod sink;
mod subscriber;
mod subscriber_group;

pub use self::{
    event::Event,
    join::{ChangeFilter, Feed, Joined, SubscribeOptions},
    reconcile::reconcile,
    sink::{Closed, Payload, Render, RenderError, Sink},
    subscriber_group::{SubscriberGroup, Subscription},
};
