//! Answers that are one JSON document: what was executed, and what was refused.

use async_graphql::ServerError;
use axum::{
    http::{
        HeaderValue, StatusCode,
        header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE},
    },
    response::{IntoResponse, Response},
};

use super::{identify::Unidentified, media_type::Json};
use crate::{
    error::Error,
    graphql::{Outcome, RequestCode, request_error, server_error},
};

/// What became of an operation. One that was refused as a whole (GraphQL over HTTP, section 6.4) is
/// told so by the status only in the newer media type.
pub(super) fn whole(json: Json, outcome: Outcome) -> Response {
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
pub(super) fn text_of(outcome: Outcome) -> String {
    match outcome {
        Outcome::Rendered(payload) => payload.to_string(),
        Outcome::Executed(response) => serde_json::to_string(&response)
            .unwrap_or_else(|error| errors_text(&[server_error(Error::Internal(Box::new(error)))])),
        Outcome::Refused(errors) => errors_text(&errors),
    }
}

/// A request of which nothing was executed, for a reason of the protocol's.
pub(super) fn invalid(json: Json, status: StatusCode, message: impl Into<String>) -> Response {
    let error = ServerError::new(message, None);
    let error = request_error(RequestCode::ValidationFailed, error);
    errors_only(json, status, &[error])
}

/// A mutation that was asked for by GET.
pub(super) fn method_not_allowed(json: Json) -> Response {
    let message = "GET is for queries and subscriptions: send a mutation by POST.";
    let mut response = invalid(json, StatusCode::METHOD_NOT_ALLOWED, message);
    let allow = HeaderValue::from_static("POST");
    response.headers_mut().insert(ALLOW, allow);
    response
}

/// A request whose sender is not known.
pub(super) fn unidentified(json: Json, why: Unidentified) -> Response {
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

/// What a banned user is told. The token is good, so another would not help: no 401.
pub(super) fn banned() -> ServerError {
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
