//! Parsing of GraphQL requests from a JSON body or a URL's query.

use std::time::Duration;

use axum::{
    body::{Body, HttpBody},
    http::{HeaderMap, StatusCode, header::CONTENT_ENCODING},
};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::{Map, Value};
use tokio::time::timeout;

use super::negotiation;
use crate::{
    config::HttpConfig,
    error::Error,
    graphql::Params,
    json::Json,
    memory::{Account, Reservation},
};

/// The rejection of an HTTP request before its operation is known.
#[derive(Debug)]
pub(super) enum Rejection {
    /// It is not a GraphQL request.
    Invalid { status: StatusCode, message: String },
    /// It is a list of requests.
    Batch,
    /// The memory for it could not be reserved.
    NoMemory(Error),
}

/// A request that was received.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) params: Params,
    /// The memory of its parameters, until they are an operation. A URL has none.
    pub(super) memory: Option<Reservation>,
}

fn bad_request(status: StatusCode, message: impl Into<String>) -> Rejection {
    Rejection::Invalid {
        status,
        message: message.into(),
    }
}

/// Parses a POST request (GraphQL over HTTP, section 5). The body is read only if its media type is
/// JSON. Its memory is reserved from `account`.
pub(super) async fn from_post(
    headers: &HeaderMap,
    body: Body,
    config: &HttpConfig,
    account: &Account,
) -> Result<Received, Rejection> {
    if !negotiation::is_json(headers) {
        return Err(bad_request(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "Send the request as JSON in UTF-8, with Content-Type: application/json.",
        ));
    }
    let encoding = headers.get(CONTENT_ENCODING);
    if encoding.is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(bad_request(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "Send the body as it is, without Content-Encoding.",
        ));
    }
    let (limit, time_limit) = (config.http_body_limit, config.http_read_timeout);
    let (body, memory) = read(body, limit, time_limit, account).await?;
    // Derived code would accept a list of the fields' values.
    if body.trim_ascii_start().starts_with(b"[") {
        return Err(Rejection::Batch);
    }
    let params = serde_json::from_slice(&body).map_err(|error| {
        bad_request(
            StatusCode::BAD_REQUEST,
            format!("The body is not a GraphQL request: {error}"),
        )
    })?;
    Ok(Received {
        params,
        memory: Some(memory),
    })
}

/// Reads the whole body, bounded in bytes and time. A body whose declared length is too large is
/// rejected unread.
pub(super) async fn read(
    body: Body,
    limit: usize,
    time_limit: Duration,
    account: &Account,
) -> Result<(Vec<u8>, Reservation), Rejection> {
    let too_large = || {
        let message = format!("The body has more than {limit} bytes.");
        bad_request(StatusCode::PAYLOAD_TOO_LARGE, message)
    };
    if body.size_hint().lower() > u64::try_from(limit).unwrap_or(u64::MAX) {
        return Err(too_large());
    }
    let collected = collect(Limited::new(body, limit), account);
    match timeout(time_limit, collected).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(error)) => Err(match error.downcast::<Error>() {
            Ok(no_memory) => Rejection::NoMemory(*no_memory),
            Err(error) if error.is::<LengthLimitError>() => too_large(),
            Err(_) => bad_request(StatusCode::BAD_REQUEST, "The body could not be read."),
        }),
        Err(_elapsed) => Err(bad_request(
            StatusCode::REQUEST_TIMEOUT,
            "The body took too long to come.",
        )),
    }
}

/// Copies a body into one buffer, and reserves its memory before. Each chunk of it is a part of a larger
/// buffer, which the chunk keeps alive.
async fn collect(
    mut body: Limited<Body>,
    account: &Account,
) -> Result<(Vec<u8>, Reservation), Box<dyn std::error::Error + Send + Sync>> {
    let (mut bytes, mut memory) = (Vec::new(), account.empty());
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            // The buffer doubles when it grows.
            memory.grow(data.len() * 2)?;
            bytes.extend_from_slice(&data);
        }
    }
    Ok((bytes, memory))
}

/// Parses a GET request's query (GraphQL over HTTP, section 6.2). `variables` and `extensions` are
/// JSON; empty parameters are ignored.
pub(super) fn from_query(query: &str) -> Result<Received, Rejection> {
    let invalid = |message: String| bad_request(StatusCode::BAD_REQUEST, message);
    let mut fields = Map::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let field = match name.as_ref() {
            _ if value.is_empty() => continue,
            "query" | "operationName" => Value::String(value.into_owned()),
            "variables" | "extensions" => serde_json::from_str(&value)
                .map(|Json(value)| value)
                .map_err(|error| invalid(format!("The parameter `{name}` is not JSON: {error}")))?,
            _ => continue,
        };
        fields.insert(name.into_owned(), field);
    }
    let params = serde_json::from_value(Value::Object(fields))
        .map_err(|error| invalid(format!("The URL is not a GraphQL request: {error}")))?;
    Ok(Received {
        params,
        memory: None,
    })
}
