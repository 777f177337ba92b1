//! Request ids: taken from `X-Request-Id` or generated, logged, and returned in the response.

use std::{fmt, sync::Arc};

use axum::{
    extract::{Request, State},
    http::{
        HeaderMap, HeaderName, HeaderValue,
        header::{CONNECTION, UPGRADE},
    },
    middleware::Next,
    response::Response,
};

use crate::shutdown::Shutdown;

/// The header by which a client or a proxy names a request.
pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The header that names the trace of a request (W3C Trace Context).
pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Maximum length of an id from a header.
const MAX_LENGTH: usize = 64;

/// The identity of a request, or of one operation on a socket, in logs and traces.
#[derive(Clone, Debug)]
pub(crate) struct RequestId {
    id: Arc<str>,
    /// The number of the operation on its socket.
    operation: Option<u32>,
    /// The value of `traceparent`.
    pub(crate) trace_parent: Option<Arc<str>>,
}

impl RequestId {
    fn from_headers(headers: &HeaderMap) -> Self {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let id = text(X_REQUEST_ID).filter(|id| is_valid(id));
        let generated = || format!("{:032x}", fastrand::u128(..)).into();
        Self {
            id: id.map_or_else(generated, Arc::from),
            operation: None,
            trace_parent: text(TRACEPARENT).map(Arc::from),
        }
    }

    /// Returns the id of operation `number` on the socket that this request opened. It has no trace
    /// parent, because operations are not part of the handshake's trace.
    pub(crate) fn operation(&self, number: u32) -> Self {
        Self {
            id: Arc::clone(&self.id),
            operation: Some(number),
            trace_parent: None,
        }
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.operation {
            Some(number) => write!(f, "{}/{number}", self.id),
            None => f.write_str(&self.id),
        }
    }
}

/// Returns true if `text` is short and needs no quoting in logs.
fn is_valid(text: &str) -> bool {
    let is_allowed = |c: u8| c.is_ascii_alphanumeric() || b"._-".contains(&c);
    (1..=MAX_LENGTH).contains(&text.len()) && text.bytes().all(is_allowed)
}

/// Middleware that assigns an id to each request and returns it in the response. During a shutdown
/// it also tells the client to close the connection.
pub(crate) async fn assign(
    State(shutdown): State<Shutdown>,
    mut request: Request,
    next: Next,
) -> Response {
    let request_id = RequestId::from_headers(request.headers());
    let id = HeaderValue::from_str(&request_id.id);
    request.extensions_mut().insert(request_id);
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    if let Ok(id) = id {
        headers.insert(X_REQUEST_ID, id);
    }
    if shutdown.has_begun() && !headers.contains_key(UPGRADE) {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_id_is_short_and_needs_no_quoting_in_logs() {
        for good in ["a", "0-9_.Z", &"x".repeat(MAX_LENGTH)] {
            assert!(is_valid(good), "{good}");
        }
        for bad in [
            "",
            " ",
            "a b",
            "a\nb",
            "é",
            "a\"",
            &"x".repeat(MAX_LENGTH + 1),
        ] {
            assert!(!is_valid(bad), "{bad}");
        }
    }

    #[test]
    fn request_without_an_id_gets_a_unique_one() {
        let (one, other) = (
            RequestId::from_headers(&HeaderMap::new()),
            RequestId::from_headers(&HeaderMap::new()),
        );
        assert_ne!(one.to_string(), other.to_string());
        assert!(is_valid(&one.to_string()));
        assert_eq!(one.operation(7).to_string(), format!("{one}/7"));
    }
}
