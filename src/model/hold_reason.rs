//! The reason why readers do not see a comment.

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
