//! The topics of subscriptions, and the options that a subscriber has.

use crate::model::Seq;

/// The changes of a feed that a subscription follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeFilter {
    /// Additions only.
    Additions,
    /// Additions, edits and deletions.
    All,
}

/// The topic of a subscription, with the options of one subscriber.
#[derive(Clone, Copy, Debug)]
pub enum SubscribeOptions {
    /// The changes of the post's feed.
    Changes {
        /// The changes to follow.
        filter: ChangeFilter,
        /// The position to start after. `None` starts at the feed's end.
        after: Option<Seq>,
        /// Includes changes that the subscriber's own client made.
        include_own: bool,
    },
    /// The number of viewers: the current value, then each new one.
    Viewers,
    /// The users who type, without the subscriber itself.
    Typing,
}

/// The topic of a subscriber group, without the options of its subscribers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Topic {
    Changes(ChangeFilter),
    Viewers,
    Typing,
}
