//! The id under which a request is in the logs: its sender's own, or one of the server's making. It
//! is in the answer's `X-Request-Id`.

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
/// The header by which a tracing client says what a request is part of (W3C Trace Context).
pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The longest id that is taken from a request.
const MAX_ID: usize = 64;

/// A request, as far as logs and traces tell of it.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    id: Arc<str>,
    /// Which of a socket's operations it is.
    number: Option<u32>,
    /// What it is part of.
    pub(crate) parent: Option<Arc<str>>,
}

impl Asked {
    fn of(headers: &HeaderMap) -> Self {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let id = text(X_REQUEST_ID).filter(|id| is_id(id));
        let own = || format!("{:032x}", fastrand::u128(..)).into();
        Self {
            id: id.map_or_else(own, Arc::from),
            number: None,
            parent: text(TRACEPARENT).map(Arc::from),
        }
    }

    /// One of the operations of the socket that this request has opened. What opened the socket is
    /// not what they are part of.
    pub(crate) fn operation(&self, number: u32) -> Self {
        Self {
            id: Arc::clone(&self.id),
            number: Some(number),
            parent: None,
        }
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.number {
            Some(number) => write!(f, "{}/{number}", self.id),
            None => f.write_str(&self.id),
        }
    }
}

/// What may stand in a log as it is.
fn is_id(text: &str) -> bool {
    let is_of_id = |c: u8| c.is_ascii_alphanumeric() || b"._-".contains(&c);
    (1..=MAX_ID).contains(&text.len()) && text.bytes().all(is_of_id)
}

/// Names each request, and tells its client. One who asks while the server goes down is told not to
/// keep the connection.
pub(crate) async fn name(
    State(drain): State<Shutdown>,
    mut request: Request,
    next: Next,
) -> Response {
    let asked = Asked::of(request.headers());
    let id = HeaderValue::from_str(&asked.id);
    request.extensions_mut().insert(asked);
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    if let Ok(id) = id {
        headers.insert(X_REQUEST_ID, id);
    }
    if drain.has_begun() && !headers.contains_key(UPGRADE) {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_id_is_short_and_needs_no_quoting_in_logs() {
        for good in ["a", "0-9_.Z", &"x".repeat(MAX_ID)] {
            assert!(is_id(good), "{good}");
        }
        for bad in ["", " ", "a b", "a\nb", "é", "a\"", &"x".repeat(MAX_ID + 1)] {
            assert!(!is_id(bad), "{bad}");
        }
    }

    #[test]
    fn request_without_an_id_gets_a_unique_one() {
        let (one, other) = (Asked::of(&HeaderMap::new()), Asked::of(&HeaderMap::new()));
        assert_ne!(one.to_string(), other.to_string());
        assert!(is_id(&one.to_string()));
        assert_eq!(one.operation(7).to_string(), format!("{one}/7"));
    }
}
