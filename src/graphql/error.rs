//! Errors as clients see them, each with a code that they may rely on.
//!
//! This is the only place where the domain's errors become GraphQL's. [`Failure`] has no `Display`
//! and no `From<Error>`. So `?` cannot send the text of any error, SQL included, to a client, and
//! every failure knows the path of its field.

use std::sync::Arc;

use async_graphql::{Context, ErrorExtensionValues, PathSegment, ServerError};
use uuid::Uuid;

use super::error_code::ErrorCode;
use crate::error::Error;

/// Maximum length of a message in bytes that repeats what the client sent.
const MAX_MESSAGE: usize = 500;
/// Retry hint sent with `SERVICE_UNAVAILABLE`.
const RETRY_AFTER_MS: u64 = 1000;

/// The error of a resolver.
#[derive(Clone, Debug)]
pub struct Failure(async_graphql::Error);

/// The result of a resolver. A resolver of a nullable field returns `Option<Result<T>>`: the error in
/// a `Result<Option<T>>` nulls the parent as well.
pub(super) type Result<T> = std::result::Result<T, Failure>;

/// The path of a field that failed. The library overwrites an error's path with that of each list
/// around the field (docs/upstream.md).
struct FieldPath(Vec<PathSegment>);

/// Makes failures of errors.
pub(super) trait At<T> {
    /// Attaches the path of the field that `context` is about to an error.
    fn at(self, context: &Context<'_>) -> Result<T>;
}

impl<T, E: Into<Error>> At<T> for std::result::Result<T, E> {
    fn at(self, context: &Context<'_>) -> Result<T> {
        self.map_err(|error| {
            let mut shown = shown(error.into());
            shown.source = Some(Arc::new(FieldPath(path(context))));
            Failure(shown)
        })
    }
}

fn path(context: &Context<'_>) -> Vec<PathSegment> {
    context.set_error_path(ServerError::new("", None)).path
}

/// Converts an error to what a client may see of it. The cause of an internal error is logged once,
/// under an id that the client is given.
fn shown(error: Error) -> async_graphql::Error {
    let mut shown = async_graphql::Error::new(error.to_string());
    let mut extensions = ErrorExtensionValues::default();
    let code = match error {
        Error::Unauthenticated => ErrorCode::Unauthenticated,
        Error::Forbidden(_) => ErrorCode::Forbidden,
        Error::NotFound(_) => ErrorCode::NotFound,
        Error::BadUserInput { field, .. } => {
            extensions.set("field", field);
            ErrorCode::BadUserInput
        }
        Error::CursorExpired => ErrorCode::CursorExpired,
        Error::Conflict(_) => ErrorCode::Conflict,
        Error::RateLimited { retry_after } => {
            let millis = u64::try_from(retry_after.as_millis()).unwrap_or(u64::MAX);
            extensions.set("retryAfterMs", millis.saturating_add(1));
            ErrorCode::RateLimited
        }
        Error::TooLarge(_) => ErrorCode::QueryTooExpensive,
        Error::Overloaded => {
            extensions.set("retryAfterMs", RETRY_AFTER_MS);
            ErrorCode::ServiceUnavailable
        }
        Error::Unavailable(cause) => {
            tracing::warn!(?cause, "the database cannot be reached");
            extensions.set("retryAfterMs", RETRY_AFTER_MS);
            ErrorCode::ServiceUnavailable
        }
        Error::OutcomeUnknown(cause) => {
            tracing::error!(?cause, "the database was lost during a commit");
            ErrorCode::OutcomeUnknown
        }
        Error::Internal(cause) => {
            let id = Uuid::new_v4().simple().to_string();
            tracing::error!(error_id = %id, cause = ?cause, "an operation failed");
            shown.message = "Something went wrong on the server.".to_owned();
            extensions.set("id", id);
            ErrorCode::InternalServerError
        }
    };
    extensions.set("code", code.as_str());
    shown.extensions = Some(extensions);
    shown
}

impl From<Failure> for async_graphql::Error {
    fn from(failure: Failure) -> Self {
        failure.0
    }
}

/// Converts an error that no resolver returned.
pub fn server_error(error: Error) -> ServerError {
    let async_graphql::Error {
        message,
        extensions,
        ..
    } = shown(error);
    let mut shown = ServerError::new(message, None);
    shown.extensions = extensions;
    shown
}

/// Returns the code of the first error, or `None` without errors. Every error has a code.
pub fn code_of(errors: &[ServerError]) -> Option<&str> {
    let extensions = errors.first()?.extensions.as_ref();
    match extensions.and_then(|extensions| extensions.get("code")) {
        Some(async_graphql::Value::String(code)) => Some(code),
        _ => Some(""),
    }
}

/// Gives a request error its code, and shortens a message that repeats what the client sent.
pub fn request_error(code: ErrorCode, mut error: ServerError) -> ServerError {
    shorten(&mut error.message);
    set_code(&mut error, code);
    error
}

/// Completes an error of an execution: restores the path of its field, and adds a code to an error
/// that the library raised. The library raises errors with a path for values of arguments; any other is
/// a fault of the server, because every request is valid.
pub(super) fn complete(error: &mut ServerError) {
    let path = error.source.as_ref();
    if let Some(FieldPath(path)) = path.and_then(|source| source.downcast_ref()) {
        error.path.clone_from(path);
    }
    let has_code = error
        .extensions
        .as_ref()
        .is_some_and(|extensions| extensions.get("code").is_some());
    if has_code {
        return;
    }
    if error.path.is_empty() {
        let cause = std::mem::take(&mut error.message);
        *error = server_error(Error::Internal(cause.into()));
    } else {
        set_code(error, ErrorCode::BadUserInput);
    }
}

/// Shortens a message that repeats what the client sent.
fn shorten(message: &mut String) {
    if message.len() > MAX_MESSAGE {
        message.truncate(message.floor_char_boundary(MAX_MESSAGE));
        message.push('…');
        message.shrink_to_fit();
    }
}

fn set_code(error: &mut ServerError, code: ErrorCode) {
    error
        .extensions
        .get_or_insert_with(ErrorExtensionValues::default)
        .set("code", code.as_str());
}
