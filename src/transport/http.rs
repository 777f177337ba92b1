//! GraphQL over HTTP: POST of JSON, and GET for queries.
//!
//! Statuses and media types as the GraphQL over HTTP specification has them (sections 4 to 6). What
//! makes a browser send a request without asking first (a form's media types) is refused, so no page
//! of another site can have a user's browser write here.

use std::sync::Arc;

use async_graphql::{Response as GraphQlResponse, ServerError};
use async_graphql_axum::GraphQLResponse;
use axum::{
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::{
        HeaderMap, HeaderValue, StatusCode, Uri,
        header::{ACCEPT, ALLOW, CONTENT_TYPE, WWW_AUTHENTICATE},
    },
    response::{IntoResponse, Response},
};

use super::{
    Transport,
    identify::{self, Unidentified},
};
use crate::{
    error::Error,
    graphql::{
        Operation, OperationKind, Outcome, Params, Payload, RequestCode, request_error,
        server_error,
    },
};

/// The media type that an answer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MediaType {
    /// `application/graphql-response+json`: the status tells what became of the request.
    GraphQlResponse,
    /// `application/json`: 200 for every well-formed request.
    Json,
}

impl MediaType {
    /// What the client takes; `None` where that is neither. Of two that it takes alike, the one
    /// that it names first.
    fn accepted(headers: &HeaderMap) -> Option<Self> {
        if !headers.contains_key(ACCEPT) {
            return Some(Self::Json);
        }
        let mut best: Option<(f32, Self)> = None;
        let lines = headers.get_all(ACCEPT).iter();
        let ranges = lines.flat_map(|line| line.to_str().unwrap_or_default().split(','));
        for range in ranges {
            let mut parts = range.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default().to_ascii_lowercase();
            let media_type = match name.as_str() {
                "application/graphql-response+json" => Self::GraphQlResponse,
                "application/json" | "application/*" | "*/*" | "" => Self::Json,
                _ => continue,
            };
            let quality = parts
                .find_map(|part| part.strip_prefix("q="))
                .and_then(|quality| quality.parse().ok())
                .unwrap_or(1.0);
            if quality > best.map_or(0.0, |(known, _)| known) {
                best = Some((quality, media_type));
            }
        }
        best.map(|(_, media_type)| media_type)
    }

    fn header(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::GraphQlResponse => "application/graphql-response+json; charset=utf-8",
            Self::Json => "application/json; charset=utf-8",
        })
    }

    /// The status of a request that was refused after it was understood.
    fn refusal(self) -> StatusCode {
        match self {
            Self::GraphQlResponse => StatusCode::BAD_REQUEST,
            Self::Json => StatusCode::OK,
        }
    }
}

/// `POST /graphql`.
pub(super) async fn post(
    State(transport): State<Arc<Transport>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let Some(media_type) = MediaType::accepted(&headers) else {
        return not_acceptable();
    };
    if !is_json(&headers) {
        return refuse(
            media_type,
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            invalid("Send the request as JSON, with Content-Type: application/json."),
        );
    }
    let body = match body {
        Ok(body) => body,
        Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            let limit = transport.http.http_body_limit;
            return refuse(
                media_type,
                StatusCode::PAYLOAD_TOO_LARGE,
                invalid(format!("The body has more than {limit} bytes.")),
            );
        }
        Err(rejection) => {
            return refuse(
                media_type,
                rejection.status(),
                invalid(rejection.body_text()),
            );
        }
    };
    let params = match serde_json::from_slice::<serde_json::Value>(&body) {
        Ok(serde_json::Value::Array(_)) => {
            return refuse(
                media_type,
                StatusCode::BAD_REQUEST,
                invalid("Batches are not taken: send one operation a request."),
            );
        }
        Ok(value) => serde_json::from_value::<Params>(value),
        Err(error) => Err(error),
    };
    match params {
        Ok(params) => run(&transport, &headers, media_type, Method::Post, params).await,
        Err(error) => refuse(
            media_type,
            StatusCode::BAD_REQUEST,
            invalid(format!("The body is not a GraphQL request: {error}")),
        ),
    }
}

/// `GET /graphql`, for queries.
pub(super) async fn get(transport: &Transport, headers: &HeaderMap, uri: &Uri) -> Response {
    let Some(media_type) = MediaType::accepted(headers) else {
        return not_acceptable();
    };
    match params_of(uri.query().unwrap_or_default()) {
        Ok(params) => run(transport, headers, media_type, Method::Get, params).await,
        Err(message) => refuse(media_type, StatusCode::BAD_REQUEST, invalid(message)),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Method {
    Get,
    Post,
}

async fn run(
    transport: &Transport,
    headers: &HeaderMap,
    media_type: MediaType,
    method: Method,
    params: Params,
) -> Response {
    let caller = match identify::caller(headers, &transport.authenticator) {
        Ok(caller) => caller,
        Err(unidentified) => return unidentified_response(media_type, unidentified),
    };
    if let Some(payload) = transport.executor.known(&params) {
        return known(media_type, payload);
    }
    let operation = match Operation::parse(params) {
        Ok(operation) => operation,
        Err(error) => return refuse(media_type, media_type.refusal(), error),
    };
    match (operation.kind(), method) {
        (OperationKind::Mutation, Method::Get) => {
            let error = invalid("GET is for queries: send a mutation by POST.");
            let mut response = refuse(media_type, StatusCode::METHOD_NOT_ALLOWED, error);
            response
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static("POST"));
            response
        }
        (OperationKind::Subscription, _) => refuse(
            media_type,
            media_type.refusal(),
            invalid("Subscribe over WebSocket (graphql-transport-ws) at this same path."),
        ),
        (OperationKind::Query | OperationKind::Mutation, _) => {
            match transport.executor.execute(operation, caller).await {
                Outcome::Executed(response) => executed(media_type, response),
                Outcome::Event(payload) => known(media_type, payload),
                Outcome::Refused(errors) => refusal(media_type, media_type.refusal(), &errors),
            }
        }
    }
}

/// A response that is JSON already: others are given the same bytes.
fn known(media_type: MediaType, payload: Payload) -> Response {
    let body = Bytes::from_owner(Arc::<[u8]>::from(payload));
    ([(CONTENT_TYPE, media_type.header())], body).into_response()
}

fn executed(media_type: MediaType, response: GraphQlResponse) -> Response {
    let mut response = GraphQLResponse::from(response).into_response();
    response
        .headers_mut()
        .insert(CONTENT_TYPE, media_type.header());
    response
}

fn refuse(media_type: MediaType, status: StatusCode, error: ServerError) -> Response {
    refusal(media_type, status, &[error])
}

/// A response without `data`: nothing was executed.
fn refusal(media_type: MediaType, status: StatusCode, errors: &[ServerError]) -> Response {
    let body = serde_json::json!({ "errors": errors }).to_string();
    (status, [(CONTENT_TYPE, media_type.header())], body).into_response()
}

fn unidentified_response(media_type: MediaType, why: Unidentified) -> Response {
    match why {
        Unidentified::Token(error) => {
            let mut shown = server_error(Error::Unauthenticated);
            shown.message = error.to_string();
            let mut response = refuse(media_type, StatusCode::UNAUTHORIZED, shown);
            response.headers_mut().insert(
                WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer error=\"invalid_token\""),
            );
            response
        }
        Unidentified::ClientId => {
            let error =
                Error::bad_input("X-Client-Id", "X-Client-Id is 1 to 64 of A-Z a-z 0-9 . _ -");
            refuse(media_type, StatusCode::BAD_REQUEST, server_error(error))
        }
    }
}

fn not_acceptable() -> Response {
    let error = invalid("Answers are application/graphql-response+json or application/json.");
    refuse(MediaType::Json, StatusCode::NOT_ACCEPTABLE, error)
}

fn invalid(message: impl Into<String>) -> ServerError {
    request_error(
        RequestCode::ValidationFailed,
        ServerError::new(message, None),
    )
}

fn is_json(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|name| name.trim().eq_ignore_ascii_case("application/json"))
}

/// The parameters of a GET (GraphQL over HTTP, section 6.2): `variables` and `extensions` are JSON.
fn params_of(query: &str) -> Result<Params, String> {
    let mut params = Params {
        query: String::new(),
        operation_name: None,
        variables: None,
        extensions: None,
    };
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match name.as_ref() {
            "query" => params.query = value.into_owned(),
            "operationName" if !value.is_empty() => {
                params.operation_name = Some(value.into_owned());
            }
            "variables" => params.variables = object("variables", &value)?,
            "extensions" => params.extensions = object("extensions", &value)?,
            _ => {}
        }
    }
    if params.query.is_empty() {
        return Err("The parameter \"query\" is missing.".to_owned());
    }
    Ok(params)
}

fn object(
    name: &str,
    value: &str,
) -> Result<Option<serde_json::Map<String, serde_json::Value>>, String> {
    if value.is_empty() {
        return Ok(None);
    }
    serde_json::from_str(value)
        .map_err(|_| format!("The parameter \"{name}\" is not a JSON object."))
}
