//! A GraphQL request, out of an HTTP request: a body of JSON, or the parameters of a URL.

use axum::{
    body::Bytes,
    extract::rejection::BytesRejection,
    http::{HeaderMap, StatusCode},
};
use serde_json::{Map, Value};

use super::media_type;
use crate::graphql::Params;

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

/// Out of a POST (GraphQL over HTTP, section 5). `limit` is the largest body that is taken.
pub(super) fn posted(
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
    limit: usize,
) -> Result<Params, Malformed> {
    if !media_type::is_json(headers) {
        return Err(malformed(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "Send the request as JSON in UTF-8, with Content-Type: application/json.",
        ));
    }
    let body = body.map_err(|rejection| match rejection.status() {
        status @ StatusCode::PAYLOAD_TOO_LARGE => {
            malformed(status, format!("The body has more than {limit} bytes."))
        }
        status => malformed(status, rejection.body_text()),
    })?;
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
