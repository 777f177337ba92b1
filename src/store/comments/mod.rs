//! Comments.
//!
//! Every write takes the post's next seq in the transaction that makes the change. It thereby locks the
//! post's row until the commit, so the order of commits is the order of the feed.

mod change;
mod create;
mod idempotency;
mod read;
mod seq;

pub use self::{
    change::{DeleteComment, Deletion, EditComment},
    create::{Creation, NewComment},
    idempotency::IdempotencyKey,
};
