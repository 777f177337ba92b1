//! Responses of one JSON document: results and errors.

use std::time::Duration;

use async_graphql::ServerError;
use axum::{
    body::Bytes,
    http::{
        HeaderName, HeaderValue, StatusCode,
        header::{self, ALLOW, CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE},
    },
    response::{IntoResponse, Response},
};

use super::{authenticate::AuthRejection, negotiation::JsonType};
use crate::{
    error::Error,
    graphql::{ErrorCode, Outcome, Payload, request_error, server_error},
    transport::operation_log::code_of_errors,
};

/// The value of `Retry-After` during a shutdown, in seconds.
pub(crate) const SHUTDOWN_RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

/// Returns the response for `outcome`. A refused request (GraphQL over HTTP, section 6.4) has a status
/// other than 200 only in `application/graphql-response+json`.
pub(crate) fn document(json: JsonType, outcome: Outcome) -> Response {
    let is_refused = matches!(outcome, Outcome::Refused(_));
    let status = match (json, &outcome) {
        (JsonType::GraphQlResponse, Outcome::Refused(errors)) => status_of(errors),
        _ => StatusCode::OK,
    };
    let mut response = json_response(json, status, to_json(outcome));
    if is_refused {
        // A cached refusal of a hash would outlive the registration of its document.
        let no_store = HeaderValue::from_static("no-store");
        response.headers_mut().insert(CACHE_CONTROL, no_store);
    }
    if [
        StatusCode::SERVICE_UNAVAILABLE,
        StatusCode::TOO_MANY_REQUESTS,
    ]
    .contains(&status)
    {
        let again = HeaderValue::from_static("1");
        response.headers_mut().insert(header::RETRY_AFTER, again);
    }
    response
}

fn status_of(refusal: &[ServerError]) -> StatusCode {
    let code = code_of_errors(refusal);
    if code == ErrorCode::ServiceUnavailable.as_str() {
        StatusCode::SERVICE_UNAVAILABLE
    } else if code == ErrorCode::RateLimited.as_str() {
        StatusCode::TOO_MANY_REQUESTS
    } else {
        StatusCode::BAD_REQUEST
    }
}

/// Serializes `outcome`.
pub(crate) fn to_json(outcome: Outcome) -> Payload {
    match outcome {
        Outcome::Executed(executed) => executed.payload,
        Outcome::Refused(errors) => errors_to_json(&errors),
    }
}

/// Returns the error response for a request that violates the protocol.
pub(crate) fn invalid(json: JsonType, status: StatusCode, message: impl Into<String>) -> Response {
    let error = ServerError::new(message, None);
    let error = request_error(ErrorCode::ValidationFailed, error);
    errors_only(json, status, &[error])
}

/// Returns the error response for a list of requests.
pub(crate) fn batch(json: JsonType) -> Response {
    let message = "Batches are not supported: send one operation in each request.";
    let error = ServerError::new(message, None);
    let error = request_error(ErrorCode::BatchNotSupported, error);
    errors_only(json, StatusCode::BAD_REQUEST, &[error])
}

/// Returns the error response for a mutation by GET.
pub(crate) fn method_not_allowed(json: JsonType) -> Response {
    let message = "GET is for queries and subscriptions: send a mutation by POST.";
    let mut response = invalid(json, StatusCode::METHOD_NOT_ALLOWED, message);
    let allow = HeaderValue::from_static("POST");
    response.headers_mut().insert(ALLOW, allow);
    response
}

/// Returns the response for a stream or a WebSocket during a shutdown. It is plain text, because
/// clients retry after a failure of the network, but not after a GraphQL error.
pub(crate) fn restarting() -> Response {
    let headers = [(header::RETRY_AFTER, SHUTDOWN_RETRY_AFTER)];
    let why = "The server restarts: try again.";
    (StatusCode::SERVICE_UNAVAILABLE, headers, why).into_response()
}

/// Returns the error that ends a subscription during a shutdown.
pub(crate) fn restart_error() -> ServerError {
    ServerError::new("The server restarts: subscribe again.", None)
}

/// Returns the error response for a rejected caller.
pub(crate) fn auth_rejected(json: JsonType, rejection: AuthRejection) -> Response {
    match rejection {
        AuthRejection::Token(error) => {
            let mut visible = server_error(Error::Unauthenticated);
            visible.message = error.to_string();
            let mut response = errors_only(json, StatusCode::UNAUTHORIZED, &[visible]);
            let challenge = HeaderValue::from_static("Bearer error=\"invalid_token\"");
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
            response
        }
        AuthRejection::Banned => errors_only(json, StatusCode::FORBIDDEN, &[banned_error()]),
        AuthRejection::ClientId => {
            let error =
                Error::bad_input("X-Client-Id", "X-Client-Id is 1 to 64 of A-Z a-z 0-9 . _ -");
            errors_only(json, StatusCode::BAD_REQUEST, &[server_error(error)])
        }
    }
}

/// Returns the error response for a request from a page whose origin is not allowed.
pub(crate) fn cross_site() -> Response {
    let why = "This server is not called by pages of other sites, but those of ALLOWED_ORIGINS.";
    let error = server_error(Error::Forbidden(why));
    errors_only(JsonType::Json, StatusCode::FORBIDDEN, &[error])
}

/// Retry hint for an address at its limit of sockets and streams.
const LIMIT_RETRY_AFTER: Duration = Duration::from_secs(5);

/// Returns the response for a stream beyond its address's limit.
pub(crate) fn too_many_streams(json: JsonType) -> Response {
    let error = server_error(Error::RateLimited {
        retry_after: LIMIT_RETRY_AFTER,
    });
    let response = errors_only(json, StatusCode::TOO_MANY_REQUESTS, &[error]);
    (retry_after(), response).into_response()
}

/// Returns the response for a WebSocket beyond its address's limit.
pub(crate) fn too_many_sockets() -> Response {
    let why = "There are too many sockets and streams from this address.";
    (StatusCode::TOO_MANY_REQUESTS, retry_after(), why).into_response()
}

fn retry_after() -> [(HeaderName, HeaderValue); 1] {
    [(header::RETRY_AFTER, LIMIT_RETRY_AFTER.as_secs().into())]
}

/// Returns the error for a banned user. It is not `UNAUTHENTICATED`, because another token would
/// not help.
pub(crate) fn banned_error() -> ServerError {
    server_error(Error::Forbidden("You are banned here."))
}

fn errors_only(json: JsonType, status: StatusCode, errors: &[ServerError]) -> Response {
    json_response(json, status, errors_to_json(errors))
}

fn json_response(json: JsonType, status: StatusCode, text: Payload) -> Response {
    (status, [(CONTENT_TYPE, json.header())], bytes_of(text)).into_response()
}

/// Returns a payload as bytes, without copying it.
pub(crate) fn bytes_of(payload: Payload) -> Bytes {
    Bytes::from_owner(Shared(payload))
}

/// A payload as bytes.
struct Shared(Payload);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// Serializes a response without `data`.
fn errors_to_json(errors: &[ServerError]) -> Payload {
    serde_json::json!({ "errors": errors }).to_string().into()
}
