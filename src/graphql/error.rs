//! Errors as GraphQL shows them: each with a code that clients may rely on.
//!
//! This is the one place where the domain's errors become GraphQL's. [`Failure`] has no `Display`,
//! so that `?` cannot take the library's own way, which would send the text of any error (SQL
//! included) to the client.

use async_graphql::{ErrorExtensionValues, ServerError};
use uuid::Uuid;

use crate::error::Error;

/// When one who could not be served for want of the database may try again.
const RETRY_AFTER_MS: u64 = 1000;

/// What a resolver returns where it fails.
#[derive(Clone, Debug)]
pub struct Failure(async_graphql::Error);

/// What resolvers return.
pub type Result<T> = std::result::Result<T, Failure>;

/// The codes of errors that no resolver raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestCode {
    /// The document is not GraphQL.
    ParseFailed,
    /// The document, its operation's name or its variables do not fit the schema.
    ValidationFailed,
    /// The operation would cost too much.
    TooExpensive,
    /// No document is known by the hash that stands for it.
    PersistedQueryNotFound,
    /// The operation took too long to be waited for.
    TimedOut,
    /// The server goes down, and the operation ends with it; another will be there.
    Restarting,
}

impl RequestCode {
    /// As clients are told it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ParseFailed => "GRAPHQL_PARSE_FAILED",
            Self::ValidationFailed => "GRAPHQL_VALIDATION_FAILED",
            Self::TooExpensive => "QUERY_TOO_EXPENSIVE",
            Self::PersistedQueryNotFound => "PERSISTED_QUERY_NOT_FOUND",
            Self::TimedOut => "OPERATION_TIMEOUT",
            Self::Restarting => "SERVICE_RESTART",
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let mut shown = async_graphql::Error::new(error.to_string());
        let mut extensions = ErrorExtensionValues::default();
        let code = match error {
            Error::Unauthenticated => "UNAUTHENTICATED",
            Error::Forbidden(_) => "FORBIDDEN",
            Error::NotFound(_) => "NOT_FOUND",
            Error::BadUserInput { field, .. } => {
                extensions.set("field", field);
                "BAD_USER_INPUT"
            }
            Error::Conflict(_) => "CONFLICT",
            Error::RateLimited { retry_after } => {
                let millis = u64::try_from(retry_after.as_millis()).unwrap_or(u64::MAX);
                extensions.set("retryAfterMs", millis.saturating_add(1));
                "RATE_LIMITED"
            }
            Error::TooLarge(_) => RequestCode::TooExpensive.as_str(),
            Error::Unavailable(cause) => {
                tracing::warn!(?cause, "the database cannot be reached");
                extensions.set("retryAfterMs", RETRY_AFTER_MS);
                "SERVICE_UNAVAILABLE"
            }
            Error::OutcomeUnknown(cause) => {
                tracing::error!(?cause, "the database was lost during a commit");
                "OUTCOME_UNKNOWN"
            }
            Error::Internal(cause) => {
                let id = Uuid::new_v4().simple().to_string();
                tracing::error!(error_id = %id, cause = ?cause, "an operation failed");
                shown.message = "Something went wrong on the server.".to_owned();
                extensions.set("id", id);
                "INTERNAL_SERVER_ERROR"
            }
        };
        extensions.set("code", code);
        shown.extensions = Some(extensions);
        Self(shown)
    }
}

impl From<Failure> for async_graphql::Error {
    fn from(failure: Failure) -> Self {
        failure.0
    }
}

/// An error of the domain, outside of any resolver.
pub fn server_error(error: Error) -> ServerError {
    let async_graphql::Error {
        message,
        extensions,
        ..
    } = Failure::from(error).0;
    let mut shown = ServerError::new(message, None);
    shown.extensions = extensions;
    shown
}

/// An error of the request itself.
pub fn request_error(code: RequestCode, mut error: ServerError) -> ServerError {
    set_code(&mut error, code.as_str());
    error
}

/// Gives a code to an error that the library raised: one with a path was raised by an argument's
/// value, one without by validation.
pub(super) fn complete(error: &mut ServerError) {
    let has_code = error
        .extensions
        .as_ref()
        .is_some_and(|extensions| extensions.get("code").is_some());
    if has_code {
        return;
    }
    if error.path.is_empty() {
        set_code(error, RequestCode::ValidationFailed.as_str());
    } else {
        set_code(error, "BAD_USER_INPUT");
    }
}

fn set_code(error: &mut ServerError, code: &str) {
    error
        .extensions
        .get_or_insert_with(ErrorExtensionValues::default)
        .set("code", code);
}
