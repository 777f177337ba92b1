//! The software and page that a request comes from, by its headers.

use std::sync::Arc;

use axum::http::{
    HeaderMap, HeaderName,
    header::{REFERER, USER_AGENT},
};

use crate::graphql::RequestSource;

/// Maximum number of bytes that are kept of a header. A socket keeps them for its life.
const MAX_BYTES: usize = 512;

/// Returns the source that a request's headers name. Long values are cut.
pub(in crate::transport) fn source(headers: &HeaderMap) -> RequestSource {
    RequestSource {
        user_agent: text(headers, USER_AGENT),
        referrer: text(headers, REFERER),
    }
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<Arc<str>> {
    let value = headers.get(name)?.as_bytes();
    let value = String::from_utf8_lossy(value.get(..MAX_BYTES).unwrap_or(value));
    let value = &value[..value.floor_char_boundary(MAX_BYTES)];
    (!value.is_empty()).then(|| value.into())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn user_agent(value: &[u8]) -> Option<String> {
        let value = HeaderValue::from_bytes(value).unwrap();
        let source = source(&HeaderMap::from_iter([(USER_AGENT, value)]));
        assert_eq!(source.referrer, None);
        source.user_agent.map(|text| text.to_string())
    }

    #[test]
    fn header_is_kept_up_to_its_bound() {
        assert_eq!(user_agent(b"Mozilla/5.0").as_deref(), Some("Mozilla/5.0"));
        assert_eq!(user_agent(b""), None);
        let long = "x".repeat(MAX_BYTES);
        let longer = format!("{long}y");
        assert_eq!(user_agent(longer.as_bytes()), Some(long));
        for hostile in ["é".repeat(MAX_BYTES).as_bytes(), &[0xff; 2 * MAX_BYTES]] {
            let kept = user_agent(hostile).unwrap();
            assert!((MAX_BYTES - 3..=MAX_BYTES).contains(&kept.len()), "{kept}");
        }
    }

    #[test]
    fn both_headers_are_read() {
        let named = |text| Some(Arc::from(text));
        let headers = HeaderMap::from_iter([
            (USER_AGENT, HeaderValue::from_static("a")),
            (REFERER, HeaderValue::from_static("https://b.example/")),
        ]);
        let source = source(&headers);
        assert_eq!(source.user_agent, named("a"));
        assert_eq!(source.referrer, named("https://b.example/"));
    }
}
