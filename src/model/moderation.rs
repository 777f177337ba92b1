//! Comments as moderators see them.

use uuid::Uuid;

use super::{CommentId, PostId, Timestamp, User, UserId};

/// Maximum length of a report's note, in characters after cleaning.
pub const MAX_NOTE_CHARS: usize = 500;

/// The status of a comment. Readers see published comments only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CommentStatus {
    /// Readers see it.
    Published,
    /// It waits for a moderator.
    Pending,
    /// A moderator rejected it.
    Rejected,
}

/// The reason why a comment was held or rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HoldReason {
    /// The moderation mode of its post.
    ModerationMode,
    /// Too many links.
    Links,
    /// A blocked word.
    BlockedWord,
    /// The verdict of the site's own check, or its failure.
    Check,
    /// Reports of readers.
    Reports,
    /// The decision of a moderator.
    Moderator,
}

/// The comments that wait for a moderator before they are published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ModerationMode {
    /// No comment.
    None,
    /// Comments of users without a published comment.
    NewAuthors,
    /// All comments.
    All,
}

/// A moderator's decision on a comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The moderator.
    pub by: UserId,
    /// Time of the decision.
    pub at: Timestamp,
}

/// A comment as its author and moderators see it, whatever its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModeratedComment {
    /// The id.
    pub id: CommentId,
    /// The post that the comment belongs to.
    pub post_id: PostId,
    /// The comment that this one replies to, in the same post.
    pub parent_id: Option<CommentId>,
    /// The user who wrote it.
    pub author: User,
    /// The text as it was written.
    pub body: String,
    /// Time at which it was written.
    pub created_at: Timestamp,
    /// Time of the latest edit.
    pub edited_at: Option<Timestamp>,
    /// The status.
    pub status: CommentStatus,
    /// The reason why it was last held or rejected. `None` if it never was.
    pub reason: Option<HoldReason>,
    /// The latest decision of a moderator. `None` if an automatic one followed it.
    pub decision: Option<Decision>,
    /// True if readers saw it at some time.
    pub was_published: bool,
}

impl ModeratedComment {
    /// Returns about how many bytes of memory it takes.
    pub fn bytes(&self) -> usize {
        let texts = self.author.bytes() + self.body.len() + self.post_id.as_str().len();
        let decision = self.decision.as_ref();
        size_of::<Self>() + texts + decision.map_or(0, |decision| decision.by.as_str().len())
    }
}

/// The reason of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReportReason {
    /// Unwanted advertising.
    Spam,
    /// An attack on a person.
    Abuse,
    /// Unrelated to the post.
    OffTopic,
    /// Any other reason.
    Other,
}

/// A reader's report of a comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The id.
    pub id: Uuid,
    /// The reported comment.
    pub comment_id: CommentId,
    /// The user who reported it.
    pub reporter: User,
    /// The reason.
    pub reason: ReportReason,
    /// A note for moderators.
    pub note: Option<String>,
    /// Time of the report.
    pub at: Timestamp,
}

impl Report {
    /// Returns about how many bytes of memory it takes.
    pub fn bytes(&self) -> usize {
        let note = self.note.as_ref().map_or(0, String::len);
        size_of::<Self>() + self.reporter.bytes() + note
    }
}

/// The lengths of the lists that wait for moderators.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueStatus {
    /// Number of pending comments.
    pub pending: u64,
    /// Number of published comments with unresolved reports.
    pub reported: u64,
}
