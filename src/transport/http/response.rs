//! Answers that are one JSON document: what was executed, and what was refused.

use std::time::Duration;

use async_graphql::ServerError;
use axum::{
    http::{
        HeaderName, HeaderValue, StatusCode,
        header::{self, ALLOW, CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE},
    },
    response::{IntoResponse, Response},
};

use super::{authenticate::Unidentified, negotiation::Json};
use crate::{
    error::Error,
    graphql::{Outcome, RequestCode, request_error, server_error},
};

/// When a client that finds the server going down may look for another, in seconds.
pub(crate) const RETRY: HeaderValue = HeaderValue::from_static("1");

/// What became of an operation. One that was refused as a whole (GraphQL over HTTP, section 6.4) is
/// told so by the status only in the newer media type.
pub(crate) fn whole(json: Json, outcome: Outcome) -> Response {
    let is_refused = matches!(outcome, Outcome::Refused(_));
    let status = match json {
        Json::GraphQlResponse if is_refused => StatusCode::BAD_REQUEST,
        Json::GraphQlResponse | Json::Json => StatusCode::OK,
    };
    let mut response = document(json, status, text_of(outcome));
    if is_refused {
        // A cache that kept the answer to a GET would refuse a hash that is known by now.
        let no_store = HeaderValue::from_static("no-store");
        response.headers_mut().insert(CACHE_CONTROL, no_store);
    }
    response
}

/// What became of an operation, as JSON.
pub(crate) fn text_of(outcome: Outcome) -> String {
    match outcome {
        Outcome::Rendered(payload) => payload.to_string(),
        Outcome::Executed(response) => serde_json::to_string(&response)
            .unwrap_or_else(|error| errors_text(&[server_error(Error::Internal(Box::new(error)))])),
        Outcome::Refused(errors) => errors_text(&errors),
    }
}

/// A request of which nothing was executed, for a reason of the protocol's.
pub(crate) fn invalid(json: Json, status: StatusCode, message: impl Into<String>) -> Response {
    let error = ServerError::new(message, None);
    let error = request_error(RequestCode::ValidationFailed, error);
    errors_only(json, status, &[error])
}

/// A mutation that was asked for by GET.
pub(crate) fn method_not_allowed(json: Json) -> Response {
    let message = "GET is for queries and subscriptions: send a mutation by POST.";
    let mut response = invalid(json, StatusCode::METHOD_NOT_ALLOWED, message);
    let allow = HeaderValue::from_static("POST");
    response.headers_mut().insert(ALLOW, allow);
    response
}

/// A subscription that would be sent away at once, for the server goes down.
pub(crate) fn restarting(json: Json) -> Response {
    let errors = [request_error(RequestCode::Restarting, restart())];
    let mut response = errors_only(json, StatusCode::SERVICE_UNAVAILABLE, &errors);
    response.headers_mut().insert(header::RETRY_AFTER, RETRY);
    response
}

/// What a client is told whose subscription ends with the server.
pub(crate) fn restart() -> ServerError {
    ServerError::new("The server restarts: subscribe again.", None)
}

/// A request whose sender is not known.
pub(crate) fn unidentified(json: Json, why: Unidentified) -> Response {
    match why {
        Unidentified::Token(error) => {
            let mut shown = server_error(Error::Unauthenticated);
            shown.message = error.to_string();
            let mut response = errors_only(json, StatusCode::UNAUTHORIZED, &[shown]);
            let challenge = HeaderValue::from_static("Bearer error=\"invalid_token\"");
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
            response
        }
        Unidentified::Banned => errors_only(json, StatusCode::FORBIDDEN, &[banned()]),
        Unidentified::ClientId => {
            let error =
                Error::bad_input("X-Client-Id", "X-Client-Id is 1 to 64 of A-Z a-z 0-9 . _ -");
            errors_only(json, StatusCode::BAD_REQUEST, &[server_error(error)])
        }
    }
}

/// A request that the page of another site has had a browser send.
pub(crate) fn cross_site() -> Response {
    let why = "This server is not called by pages of other sites, but those of ALLOWED_ORIGINS.";
    let error = server_error(Error::Forbidden(why));
    errors_only(Json::Json, StatusCode::FORBIDDEN, &[error])
}

/// When one who has too many streams or sockets may try again, if one of them ends meanwhile.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// A stream from an address that has as many sockets and streams as it may have.
pub(crate) fn too_many_streams(json: Json) -> Response {
    let error = server_error(Error::RateLimited {
        retry_after: RETRY_AFTER,
    });
    let answer = errors_only(json, StatusCode::TOO_MANY_REQUESTS, &[error]);
    (retry_after(), answer).into_response()
}

/// A socket from an address that has as many sockets and streams as it may have.
pub(crate) fn too_many_sockets() -> Response {
    let why = "There are too many sockets and streams from this address.";
    (StatusCode::TOO_MANY_REQUESTS, retry_after(), why).into_response()
}

fn retry_after() -> [(HeaderName, HeaderValue); 1] {
    [(header::RETRY_AFTER, RETRY_AFTER.as_secs().into())]
}

/// What a banned user is told. The token is good, so another would not help: no 401.
pub(crate) fn banned() -> ServerError {
    server_error(Error::Forbidden("You are banned here."))
}

fn errors_only(json: Json, status: StatusCode, errors: &[ServerError]) -> Response {
    document(json, status, errors_text(errors))
}

fn document(json: Json, status: StatusCode, text: String) -> Response {
    (status, [(CONTENT_TYPE, json.header())], text).into_response()
}

/// A response without `data`: nothing was executed.
fn errors_text(errors: &[ServerError]) -> String {
    serde_json::json!({ "errors": errors }).to_string()
}
