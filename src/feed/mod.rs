//! A post's feed as one ordered stream, made of the store's log and the room's live changes:
//! nothing lost, nothing twice, in order.

mod follow;
mod reconcile;

pub use self::{
    follow::{Feed, View},
    reconcile::reconcile,
};
