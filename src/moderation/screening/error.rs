//! Errors of the settings that screening goes by.

use std::io;

/// Settings from which no [`Screening`](super::Screening) can be made.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The blocked words cannot be read.
    #[error("BLOCKED_WORDS (--blocked-words): {0}")]
    BlockedWords(#[from] ListError),
    /// A check is set, and no secret to sign its requests with.
    #[error("CHECK_URL (--check-url): its requests need CHECK_SECRET (--check-secret)")]
    NoSecret,
    /// A secret is set, and no check.
    #[error("CHECK_SECRET (--check-secret): there is no CHECK_URL (--check-url)")]
    NoUrl,
    /// The system's root certificates cannot be read.
    #[error("CHECK_URL (--check-url): the system's root certificates: {0}")]
    Roots(io::Error),
}

/// The reason why a list of words cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// The file cannot be read.
    #[error("{0}")]
    File(#[from] io::Error),
    /// The file is not UTF-8.
    #[error("not UTF-8")]
    NotUtf8,
    /// The list has more than this number of bytes.
    #[error("larger than {0} bytes")]
    TooLarge(usize),
    /// The file has more than this number of lines.
    #[error("more than {0} lines")]
    TooManyLines(usize),
}
