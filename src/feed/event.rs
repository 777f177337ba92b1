//! The events of subscriptions.

use std::sync::Arc;

use crate::{
    model::{Change, PostId},
    rooms::TypingEvent,
};

/// An event of a subscription, before a selection set is applied to it.
#[derive(Clone, Debug)]
pub enum Event {
    /// A change of the post's feed.
    Change(Arc<Change>),
    /// The number of viewers.
    Viewers(usize),
    /// A user started or stopped typing at a post.
    Typing(PostId, TypingEvent),
}

impl Event {
    /// Returns true if both events have the same rendering.
    ///
    /// Changes are compared by the identity of their snapshots. A change that was read from the
    /// store may carry a later state of its comment than the live change of the same seq.
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
