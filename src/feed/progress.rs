//! A subscriber's progress in its topic.

use crate::rooms::{Published, Typists};

/// The point up to which a subscriber was served.
#[derive(Clone, Debug)]
pub(super) struct Progress {
    /// A seq of the feed, or the version of a published value. Everything up to it was sent to
    /// the subscriber or filtered out.
    pub(super) position: i64,
    pub(super) state: LastState,
}

/// The state that a subscriber knows.
#[derive(Clone, Debug)]
pub(super) enum LastState {
    /// All changes up to the position.
    Changes,
    /// The number of viewers; `None` if none was sent yet.
    Viewers(Option<usize>),
    /// The users who type.
    Typists(Typists),
}

impl Progress {
    /// Returns the progress of a subscriber that was sent nothing. Any version of a value is newer.
    pub(super) fn none(state: LastState) -> Self {
        Self {
            position: -1,
            state,
        }
    }

    /// Returns the progress after the change at `seq`.
    pub(super) fn changes(seq: i64) -> Self {
        Self {
            position: seq,
            state: LastState::Changes,
        }
    }

    /// Returns the progress after `count` was sent.
    pub(super) fn viewers(count: Published<usize>) -> Self {
        Self {
            position: count.version,
            state: LastState::Viewers(Some(count.value)),
        }
    }

    /// Returns the progress after all differences to `typists` were sent.
    pub(super) fn typists(typists: Published<Typists>) -> Self {
        Self {
            position: typists.version,
            state: LastState::Typists(typists.value),
        }
    }
}
