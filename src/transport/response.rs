//! Answers that are one JSON document: what was executed, and what was refused.

use async_graphql::{Response as GraphQlResponse, ServerError};
use async_graphql_axum::GraphQLResponse;
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
    graphql::{RequestCode, request_error, server_error},
};

/// What an operation was executed to.
pub(super) fn executed(json: Json, response: GraphQlResponse) -> Response {
    let mut response = GraphQLResponse::from(response).into_response();
    response.headers_mut().insert(CONTENT_TYPE, json.header());
    response
}

/// A well-formed request that was refused as a whole (GraphQL over HTTP, section 6.4): only the newer
/// media type tells so by the status.
pub(super) fn refused(json: Json, errors: &[ServerError]) -> Response {
    let status = match json {
        Json::GraphQlResponse => StatusCode::BAD_REQUEST,
        Json::Json => StatusCode::OK,
    };
    let mut response = errors_only(json, status, errors);
    // A cache that kept the answer to a GET would go on refusing a hash that is known by now.
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
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
        Unidentified::ClientId => {
            let error =
                Error::bad_input("X-Client-Id", "X-Client-Id is 1 to 64 of A-Z a-z 0-9 . _ -");
            errors_only(json, StatusCode::BAD_REQUEST, &[server_error(error)])
        }
    }
}

/// A response without `data`.
fn errors_only(json: Json, status: StatusCode, errors: &[ServerError]) -> Response {
    let body = serde_json::json!({ "errors": errors }).to_string();
    (status, [(CONTENT_TYPE, json.header())], body).into_response()
}
