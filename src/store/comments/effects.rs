//! The effects of a write that others are to hear of.

use crate::model::{Change, Post, PostId};

/// The effects of a committed write, to be published.
#[derive(Clone, Debug, Default)]
pub struct Effects {
    /// The change that readers see, if they see one.
    pub change: Option<Change>,
    /// The post whose details changed, if one did.
    pub details: Option<ChangedDetails>,
    /// The post whose reactions changed, if those of one did.
    pub reactions: Option<ChangedReactions>,
    /// True if the lists that wait for moderators may have changed.
    pub queue: bool,
}

impl Effects {
    /// Returns the effects of a change of the post's details.
    pub(in crate::store) fn of_details(post: &Post) -> Self {
        let details = ChangedDetails {
            post: post.id.clone(),
            version: post.detail_version,
        };
        Self {
            details: Some(details),
            ..Self::default()
        }
    }
}

/// A post whose title, URL, state, moderation or pin changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedDetails {
    /// The post.
    pub post: PostId,
    /// The post's version after the change.
    pub version: i64,
}

/// A post with a comment whose reactions changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedReactions {
    /// The post.
    pub post: PostId,
    /// The post's version after the change.
    pub version: i64,
}
