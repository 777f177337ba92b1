//! A GraphQL request, out of an HTTP request: a body of JSON, or the parameters of a URL.

use axum::{
    body::{Body, Bytes, HttpBody},
    http::{HeaderMap, StatusCode},
};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::{Map, Value};
use tokio::time::timeout;

use super::negotiation;
use crate::{config::HttpConfig, graphql::Params};

/// Why an HTTP request is no GraphQL request: the status, and a sentence.
#[derive(Debug)]
pub(super) struct Malformed {
    pub(super) status: StatusCode,
    pub(super) message: String,
}

fn malformed(status: StatusCode, message: impl Into<String>) -> Malformed {
    Malformed {
        status,
        message: message.into(),
    }
}

/// Out of a POST (GraphQL over HTTP, section 5). A body is read only if it may be one.
pub(super) async fn posted(
    headers: &HeaderMap,
    body: Body,
    config: &HttpConfig,
) -> Result<Params, Malformed> {
    if !negotiation::is_json(headers) {
        return Err(malformed(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "Send the request as JSON in UTF-8, with Content-Type: application/json.",
        ));
    }
    let body = read(body, config).await?;
    // Derived code would take the values of a list for the fields of a request.
    if body.trim_ascii_start().starts_with(b"[") {
        return Err(malformed(
            StatusCode::BAD_REQUEST,
            "Batches are not taken: send one operation a request.",
        ));
    }
    serde_json::from_slice(&body).map_err(|error| {
        malformed(
            StatusCode::BAD_REQUEST,
            format!("The body is not a GraphQL request: {error}"),
        )
    })
}

/// The whole body. One that says that it is too long is refused before any of it is read.
async fn read(body: Body, config: &HttpConfig) -> Result<Bytes, Malformed> {
    let limit = config.http_body_limit;
    let too_large = || {
        let message = format!("The body has more than {limit} bytes.");
        malformed(StatusCode::PAYLOAD_TOO_LARGE, message)
    };
    if body.size_hint().lower() > u64::try_from(limit).unwrap_or(u64::MAX) {
        return Err(too_large());
    }
    let whole = Limited::new(body, limit).collect();
    match timeout(config.http_read_timeout, whole).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(malformed(
            StatusCode::BAD_REQUEST,
            "The body could not be read.",
        )),
        Err(_elapsed) => Err(malformed(
            StatusCode::REQUEST_TIMEOUT,
            "The body took too long to come.",
        )),
    }
}

/// Out of the query of a GET's URL (GraphQL over HTTP, section 6.2): `variables` and `extensions`
/// are JSON. A parameter that is empty is not there.
pub(super) fn got(query: &str) -> Result<Params, Malformed> {
    let bad = |message: String| malformed(StatusCode::BAD_REQUEST, message);
    let mut fields = Map::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let field = match name.as_ref() {
            _ if value.is_empty() => continue,
            "query" | "operationName" => Value::String(value.into_owned()),
            "variables" | "extensions" => serde_json::from_str(&value)
                .map_err(|error| bad(format!("The parameter `{name}` is not JSON: {error}")))?,
            _ => continue,
        };
        fields.insert(name.into_owned(), field);
    }
    serde_json::from_value(Value::Object(fields))
        .map_err(|error| bad(format!("The URL is not a GraphQL request: {error}")))
}
