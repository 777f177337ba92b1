//! What can go wrong, as types. The GraphQL layer gives each its code (`graphql/error.rs`).

use std::time::Duration;

/// Why an operation of the domain was not done. Nothing was changed where one of these is returned,
/// but for [`Error::OutcomeUnknown`].
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operation needs a token and the request had none.
    #[error("This needs a token: sign in first.")]
    Unauthenticated,
    /// The user is known and may not do this; the text says why.
    #[error("{0}")]
    Forbidden(&'static str),
    /// What the operation names does not exist.
    #[error("There is no such {0}.")]
    NotFound(Kind),
    /// An argument breaks a rule of the contract.
    #[error("{message}")]
    BadUserInput {
        /// The argument or input field at fault.
        field: &'static str,
        /// The rule that it breaks, as a sentence.
        message: String,
    },
    /// The present state does not allow this; the text says what stands against it.
    #[error("{0}")]
    Conflict(&'static str),
    /// Too much in too short a time.
    #[error("Too many requests of this kind: try again later.")]
    RateLimited {
        /// When the same request would be let through, if nothing else is asked meanwhile.
        retry_after: Duration,
    },
    /// What was asked for is larger than one answer may be; the text says what the limit is.
    #[error("{0}")]
    TooLarge(&'static str),
    /// The database cannot be reached, or has no room. Its text may name hosts: log it, never send
    /// it.
    #[error("The database cannot be reached: try again shortly.")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The database was lost while it was told to keep what was done: it may have kept it, or not.
    #[error(
        "The database was lost while this was being saved, and it may be saved or not: look before \
         you send it again."
    )]
    OutcomeUnknown(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A fault of the server's. Its text may hold SQL and paths: log it, never send it.
    #[error("internal error")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// What was looked for in vain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A post.
    Post,
    /// A comment.
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
    /// An argument breaks a rule.
    pub fn bad_input(field: &'static str, message: impl Into<String>) -> Self {
        Self::BadUserInput {
            field,
            message: message.into(),
        }
    }
}
