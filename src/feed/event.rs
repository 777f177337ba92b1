//! What subscriptions tell of.

use std::sync::Arc;

use crate::{
    model::{Change, PostId},
    rooms::TypingEvent,
};

/// What a subscription tells of, before anything is selected of it.
#[derive(Clone, Debug)]
pub enum Event {
    /// A change; where only additions are subscribed to, one of those.
    Change(Arc<Change>),
    /// How many viewers there are.
    Viewers(usize),
    /// Somebody started or stopped typing at a post.
    Typing(PostId, TypingEvent),
}

impl Event {
    /// Whether the two are rendered alike. A change is known by the snapshot that it shares: one
    /// that was read from the store may have another state of its comment than the one that came
    /// live.
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Change(one), Self::Change(other)) => {
                (one.kind, one.seq) == (other.kind, other.seq)
                    && Arc::ptr_eq(&one.comment, &other.comment)
            }
            (Self::Viewers(one), Self::Viewers(other)) => one == other,
            (Self::Typing(post, one), Self::Typing(other_post, other)) => {
                (post, one) == (other_post, other)
            }
            _ => false,
        }
    }
}
