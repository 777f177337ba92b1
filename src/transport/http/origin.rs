//! Cross-origin access: only pages of allowed origins may call the API.
//!
//! A browser names the origin of a request in `Origin`. If it sends none (an image, a link, a
//! simple GET), it sends `Sec-Fetch-Site`. A request from another site's page is rejected before it
//! is processed, be it a query, a stream or a WebSocket, which has no preflight. The log names its
//! origin, because the browser tells the page nothing.
//!
//! A request without both headers is allowed: its client is not a browser, or one from before 2023.
//! Such a browser cannot read the response to a GET, and sends a preflight before it posts JSON.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    extract::{Request, State},
    http::{
        HeaderMap, HeaderName, HeaderValue, Method,
        header::{HOST, ORIGIN},
    },
    middleware::Next,
    response::Response,
};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

use super::{request_id::X_REQUEST_ID, response};
use crate::telemetry::LogLimit;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Time for which a browser may cache the result of a preflight.
const PREFLIGHT_AGE: Duration = Duration::from_secs(24 * 3600);

/// Maximum length of an origin in bytes: a scheme, a host name and a port. A longer one is not logged.
const MAX_ORIGIN_BYTES: usize = 300;

/// Returns the CORS layer for `origins`, with the methods that the API needs and any headers.
/// Credentials are not allowed, because tokens travel in a header.
pub(crate) fn cors(origins: &[String]) -> CorsLayer {
    let origins = origins
        .iter()
        .filter_map(|origin| origin.parse::<HeaderValue>().ok());
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods([Method::GET, Method::POST])
        // Whatever the page's tools send: Apollo's, Sentry's and OpenTelemetry's headers among them. The
        // origins are listed, so this gives no other page anything.
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers([X_REQUEST_ID])
        .max_age(PREFLIGHT_AGE)
}

/// The origins whose pages may call the API, and the limit for logging others.
pub(crate) struct Origins {
    allowed: Vec<String>,
    refused: LogLimit<String>,
}

impl Origins {
    /// Creates the state with the origins of `ALLOWED_ORIGINS`.
    pub(crate) fn new(allowed: Vec<String>) -> Self {
        Self {
            allowed,
            refused: LogLimit::new(Instant::now()),
        }
    }

    /// Logs the first refusal of an origin in an hour.
    fn log_refused(&self, headers: &HeaderMap) {
        let origin = headers.get(ORIGIN).and_then(|origin| origin.to_str().ok());
        if let Some(origin) = origin
            && self.is_to_be_logged(origin, Instant::now())
        {
            tracing::warn!(
                origin,
                "refused a page, because ALLOWED_ORIGINS does not list its origin"
            );
        }
    }

    /// Returns true for the first refusal of an origin in an hour.
    fn is_to_be_logged(&self, origin: &str, now: Instant) -> bool {
        origin.len() <= MAX_ORIGIN_BYTES && self.refused.is_first(origin.to_owned(), now)
    }
}

/// Middleware that rejects requests from pages of origins that are not allowed. Their preflights get an
/// answer without permission.
pub(crate) async fn reject_cross_site(
    State(origins): State<Arc<Origins>>,
    request: Request,
    next: Next,
) -> Response {
    let may_call = may_call(request.headers(), &origins.allowed);
    if !may_call {
        origins.log_refused(request.headers());
    }
    if may_call || request.method() == Method::OPTIONS {
        next.run(request).await
    } else {
        response::cross_site()
    }
}

fn may_call(headers: &HeaderMap, origins: &[String]) -> bool {
    let text = |name: HeaderName| Some(headers.get(name)?.to_str().unwrap_or_default());
    let site = text(SEC_FETCH_SITE);
    match text(ORIGIN) {
        // A proxy may replace the host that the browser knows.
        Some(origin) => {
            origins.iter().any(|allowed| allowed == origin)
                || text(HOST).is_some_and(|host| has_host(origin, host))
                || site == Some("same-origin")
        }
        None => matches!(site, None | Some("same-origin" | "none")),
    }
}

/// Returns true if `host` is the host of `origin`. The scheme is ignored, because a proxy may
/// terminate TLS.
fn has_host(origin: &str, host: &str) -> bool {
    let (origin, usual_port) = match origin.split_once("://") {
        Some(("https", origin)) => (origin, ":443"),
        Some(("http", origin)) => (origin, ":80"),
        _ => return false,
    };
    let host = host.strip_suffix(usual_port).unwrap_or(host);
    !host.is_empty() && origin.eq_ignore_ascii_case(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn may_call(headers: &[(&'static str, &'static str)]) -> bool {
        let header = |&(name, value): &(&'static str, &'static str)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        };
        let headers = headers.iter().map(header).collect();
        super::may_call(&headers, &["https://blog.example.org".to_owned()])
    }

    #[test]
    fn refused_origin_is_logged_once_and_a_long_one_never() {
        let (origins, now) = (Origins::new(Vec::new()), Instant::now());
        let longest = "x".repeat(MAX_ORIGIN_BYTES);
        for origin in ["https://a.example", &longest] {
            assert!(origins.is_to_be_logged(origin, now));
            assert!(!origins.is_to_be_logged(origin, now));
        }
        assert!(!origins.is_to_be_logged(&(longest + "x"), now));
    }

    #[test]
    fn origin_must_be_listed_or_the_servers_own() {
        for (origin, host, expected) in [
            ("https://blog.example.org", "comments.example.org", true),
            (
                "https://blog.example.org:444",
                "comments.example.org",
                false,
            ),
            ("http://blog.example.org", "comments.example.org", false),
            ("https://evil.example", "comments.example.org", false),
            ("https://comments.example.org", "comments.example.org", true),
            (
                "https://Comments.example.org",
                "comments.example.org:443",
                true,
            ),
            ("http://127.0.0.1:8000", "127.0.0.1:8000", true),
            ("http://127.0.0.1:8001", "127.0.0.1:8000", false),
            (
                "https://comments.example.org.evil.example",
                "comments.example.org",
                false,
            ),
            ("null", "null", false),
            ("", "", false),
            ("https://", "", false),
        ] {
            let headers = [("origin", origin), ("host", host)];
            assert_eq!(may_call(&headers), expected, "{origin} {host}");
        }
    }

    #[test]
    fn missing_origin_falls_back_to_sec_fetch_site() {
        let host = ("host", "comments.example.org");
        for (site, expected) in [
            ("same-origin", true),
            ("none", true),
            ("same-site", false),
            ("cross-site", false),
            ("anything else", false),
        ] {
            assert_eq!(
                may_call(&[host, ("sec-fetch-site", site)]),
                expected,
                "{site}"
            );
        }
        assert!(may_call(&[host]), "not a browser");
    }

    #[test]
    fn listed_cross_site_and_own_page_on_another_host_may_call() {
        let site = ("sec-fetch-site", "cross-site");
        assert!(may_call(&[("origin", "https://blog.example.org"), site]));
        assert!(!may_call(&[("origin", "https://evil.example"), site]));
        let site = ("sec-fetch-site", "same-origin");
        let origin = ("origin", "https://comments.example.org");
        assert!(may_call(&[origin, ("host", "127.0.0.1:8000"), site]));
    }
}
