//! Errors of the domain. The GraphQL layer maps each to its code (`graphql/error.rs`).

use std::time::Duration;

/// An error of an operation. It means that nothing was changed, except for
/// [`Error::OutcomeUnknown`].
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operation needs a token, and the request has none.
    #[error("This needs a token: sign in first.")]
    Unauthenticated,
    /// The user is not allowed to do this. The text gives the reason.
    #[error("{0}")]
    Forbidden(&'static str),
    /// The object that the operation names does not exist.
    #[error("There is no such {0}.")]
    NotFound(Kind),
    /// An argument breaks a rule of the contract.
    #[error("{message}")]
    BadUserInput {
        /// The argument or input field at fault.
        field: &'static str,
        /// The rule, as a sentence.
        message: String,
    },
    /// The position to start after is of another epoch, or the feed has not come to it.
    #[error("The cursor has expired: query again, and start after the new cursor.")]
    CursorExpired,
    /// The current state does not allow this. The text gives the reason.
    #[error("{0}")]
    Conflict(&'static str),
    /// A rate limit was reached.
    #[error("Too many requests of this kind: try again later.")]
    RateLimited {
        /// Time until the same request would be allowed, if nothing else uses the budget.
        retry_after: Duration,
    },
    /// The result would exceed the maximum size of a response. The text names the limit.
    #[error("{0}")]
    TooLarge(&'static str),
    /// The process has too little memory left for this.
    #[error("The server has too much to do: try again shortly.")]
    Overloaded,
    /// The database is unreachable or out of space. The source may name hosts: log it, never send it.
    #[error("The database cannot be reached: try again shortly.")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The database was lost during a commit, which may have succeeded or not.
    #[error(
        "The database was lost while this was saved, so it may be saved or not: check before you \
         send it again."
    )]
    OutcomeUnknown(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A fault of the server. The source may contain SQL and paths: log it, never send it.
    #[error("internal error")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The kind of an object that does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Displayed as `post`.
    Post,
    /// Displayed as `comment`.
    Comment,
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Post => "post",
            Self::Comment => "comment",
        })
    }
}

impl Error {
    /// The refusal of what the caller's role does not include.
    pub const ROLE: Self = Self::Forbidden("Your role does not allow this.");

    /// Returns false if a change may have been committed.
    pub fn has_changed_nothing(&self) -> bool {
        !matches!(self, Self::OutcomeUnknown(_))
    }

    /// Creates [`Error::BadUserInput`] for the argument or input field `field`.
    pub fn bad_input(field: &'static str, message: impl Into<String>) -> Self {
        Self::BadUserInput {
            field,
            message: message.into(),
        }
    }
}
