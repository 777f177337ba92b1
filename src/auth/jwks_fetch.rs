//! Fetching the host site's public keys, from a file or over HTTP.

use std::{
    io::Read,
    path::{Path, PathBuf},
    time::Duration,
};

use hyper::{
    Method,
    body::Bytes,
    header::{ACCEPT, CACHE_CONTROL, HeaderMap, HeaderValue},
};

use super::error::JwksError;
use crate::{
    config::JwksSource,
    outgoing::{Bounds, Endpoint, Reach},
};

/// Timeout of a fetch, from connecting to the last byte.
pub(super) const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum size of a key set, as text.
const MAX_BYTES: usize = 256 * 1024;
/// Minimum of a response's `max-age`.
const MIN_AGE: Duration = Duration::from_secs(60);
/// Maximum of a response's `max-age`.
const MAX_AGE: Duration = Duration::from_secs(24 * 3600);

/// A source of keys.
pub(super) enum Fetcher {
    File(PathBuf),
    Url(Box<Endpoint>),
}

/// The text of a key set.
pub(super) struct Response {
    pub(super) text: Vec<u8>,
    /// `max-age` of the response, between a minute and a day.
    pub(super) max_age: Option<Duration>,
}

impl Fetcher {
    pub(super) fn new(source: &JwksSource) -> Result<Self, JwksError> {
        Ok(match source {
            JwksSource::File(path) => Self::File(path.clone()),
            JwksSource::Url(url) => {
                let bounds = Bounds {
                    time: FETCH_TIMEOUT,
                    bytes: MAX_BYTES,
                    // Fetches are minutes apart.
                    idle_connections: 0,
                };
                let endpoint = Endpoint::new(url.clone(), Reach::All, bounds);
                Self::Url(Box::new(endpoint.map_err(JwksError::Roots)?))
            }
        })
    }

    /// Reads the keys if they are in a file; returns `None` if they are at a URL.
    pub(super) fn read_file(&self) -> Option<Result<Response, JwksError>> {
        match self {
            Self::File(path) => Some(read(path)),
            Self::Url(_) => None,
        }
    }

    /// Fetches the keys. Takes at most [`FETCH_TIMEOUT`].
    pub(super) async fn fetch(&self) -> Result<Response, JwksError> {
        match self {
            Self::File(path) => read(path),
            Self::Url(endpoint) => get(endpoint).await,
        }
    }
}

async fn get(endpoint: &Endpoint) -> Result<Response, JwksError> {
    let accepted = HeaderValue::from_static("application/jwk-set+json, application/json");
    let headers = HeaderMap::from_iter([(ACCEPT, accepted)]);
    let response = endpoint.send(Method::GET, headers, Bytes::new()).await?;
    Ok(Response {
        max_age: max_age(response.headers()),
        text: response.into_body().into(),
    })
}

/// Reads a file. Blocks, but not for long: it is small and local.
fn read(path: &Path) -> Result<Response, JwksError> {
    let mut text = Vec::new();
    let limit = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX) + 1;
    std::fs::File::open(path)?
        .take(limit)
        .read_to_end(&mut text)?;
    if text.len() > MAX_BYTES {
        return Err(JwksError::TooLarge(MAX_BYTES));
    }
    Ok(Response {
        text,
        max_age: None,
    })
}

/// Returns the response's `max-age` (RFC 9111, section 5.2.2.1), at least a minute and at most a day.
fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let values = headers.get_all(CACHE_CONTROL).iter();
    let mut directives = values.flat_map(|value| value.to_str().unwrap_or_default().split(','));
    let seconds = directives.find_map(|directive| {
        let (name, seconds) = directive.trim().split_once('=')?;
        let is_max_age = name.eq_ignore_ascii_case("max-age");
        is_max_age.then(|| seconds.trim_matches('"').parse().ok())?
    })?;
    Some(Duration::from_secs(seconds).clamp(MIN_AGE, MAX_AGE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn max_age_is_parsed_and_clamped() {
        let parsed = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(CACHE_CONTROL, text.parse().expect("a value"));
            max_age(&headers).map(|age| age.as_secs())
        };
        assert_eq!(parsed("public, max-age=3600"), Some(3600));
        assert_eq!(parsed("Max-Age=\"600\", must-revalidate"), Some(600));
        assert_eq!(parsed("max-age=0"), Some(60));
        assert_eq!(parsed("max-age=999999999"), Some(24 * 3600));
        for absent in [
            "no-cache",
            "max-age",
            "max-age=-1",
            "max-age=soon",
            "s-maxage=5",
        ] {
            assert_eq!(parsed(absent), None, "{absent}");
        }
        assert_eq!(max_age(&HeaderMap::new()), None);
    }
}
