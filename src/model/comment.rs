//! Comments and their ids.

use std::fmt;

use uuid::Uuid;

use super::{change::Seq, post::PostId, timestamp::Timestamp, user::User};

/// Maximum length of a comment's body, in characters after cleaning.
pub const MAX_BODY_CHARS: usize = 10_000;

/// A comment's id: a version 7 UUID. Its order is not the feed's order, which is [`Seq`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CommentId(pub Uuid);

impl CommentId {
    /// Creates a unique id.
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }

    /// Returns `None` if `text` is not a UUID.
    pub fn parse(text: &str) -> Option<Self> {
        Uuid::try_parse(text).ok().map(Self)
    }
}

impl Default for CommentId {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for CommentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.hyphenated())
    }
}

/// A comment's complete state at one position of the feed, author included, so that rendering it needs
/// no query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    /// The id, unique among the comments of all posts.
    pub id: CommentId,
    /// The post that the comment belongs to.
    pub post_id: PostId,
    /// The comment that this one replies to, in the same post.
    pub parent_id: Option<CommentId>,
    /// The user who wrote it.
    pub author: User,
    /// The text as it was written; empty once deleted.
    pub body: String,
    /// Time at which it was written.
    pub created_at: Timestamp,
    /// Time at which it was first published, or else written. It grows along the feed.
    pub published_at: Timestamp,
    /// Time of the latest edit.
    pub edited_at: Option<Timestamp>,
    /// True if only the tombstone is left.
    pub is_deleted: bool,
    /// Position of its addition.
    pub added_seq: Seq,
    /// Position of its latest change, which may be its addition.
    pub changed_seq: Seq,
    /// Position of the change with which it last became listed; `None` if it is in no list.
    pub entered_seq: Option<Seq>,
    /// Number of its ancestors; 0 for a top-level comment.
    pub depth: i64,
    /// Number of direct replies that are listed.
    pub reply_count: i64,
}

impl Comment {
    /// Returns true if the comment is in the lists of its post.
    pub fn is_listed(&self) -> bool {
        self.entered_seq.is_some()
    }

    /// Returns about how many bytes of memory it takes.
    pub fn bytes(&self) -> usize {
        let texts = self.author.bytes() + self.body.len();
        size_of::<Self>() + self.post_id.as_str().len() + texts
    }
}
