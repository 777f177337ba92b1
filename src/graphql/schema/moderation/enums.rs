//! The enums of moderation.

use async_graphql::Enum;

use crate::model;

/// The status of a comment. Readers see published comments only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "model::CommentStatus")]
pub(in crate::graphql::schema) enum CommentStatus {
    /// Readers see it.
    Published,
    /// It waits for a moderator.
    Pending,
    /// A moderator rejected it.
    Rejected,
}

/// The comments of a post that wait for a moderator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "model::ModerationMode")]
pub(in crate::graphql::schema) enum ModerationMode {
    /// Comments are published at once.
    None,
    /// Comments of users without a published comment wait, but for those of authors and moderators.
    NewAuthors,
    /// All comments wait, but for those of authors and moderators.
    All,
}

/// The reason why a comment is not published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "model::HoldReason")]
pub(in crate::graphql::schema) enum HoldReason {
    /// The moderation mode.
    ModerationMode,
    /// More links than HOLD_LINKS.
    Links,
    /// A word of BLOCKED_WORDS.
    BlockedWord,
    /// The verdict of the check at CHECK_URL, or its failure.
    Check,
    /// Its reports reached REPORTS_TO_HOLD.
    Reports,
    /// The decision of a moderator.
    Moderator,
}

/// The reason of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "model::ReportReason")]
pub(in crate::graphql::schema) enum ReportReason {
    /// Unwanted advertising.
    Spam,
    /// An attack on a person.
    Abuse,
    /// Unrelated to the post.
    OffTopic,
    /// Any other reason.
    Other,
}
