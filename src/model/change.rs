//! The changes of a feed, and their positions in it.

use std::sync::Arc;

use super::{client::ClientId, comment::Comment};

/// A change's position in its post's feed. The first change is 1; 0 is the position before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Seq(pub i64);

impl Seq {
    /// Returns the next position.
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// An epoch of a database's feeds. Positions of different epochs have nothing in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epoch(pub u32);

impl Epoch {
    /// The epoch of a new database.
    pub const FIRST: Self = Self(1);
}

/// The kind of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// The comment is new.
    Added,
    /// The comment's body changed.
    Edited,
    /// The comment was deleted. Its tombstone is listed if it has replies.
    Deleted,
    /// The comment was published again.
    Restored,
}

/// A change of a post's feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The kind of the change.
    pub kind: ChangeKind,
    /// The change's position in the feed.
    pub seq: Seq,
    /// The client that made the change, if it named itself. It is not sent its own change.
    pub origin: Option<ClientId>,
    /// The comment after the change.
    pub comment: Arc<Comment>,
}
