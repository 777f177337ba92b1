//! Fetching the host site's public keys, from a file or over HTTP.
//!
//! The HTTP client is assembled from hyper, because reqwest with TLS takes its cryptography from a
//! default of the whole process.

use std::{
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::{
    Request, StatusCode,
    body::Bytes,
    header::{ACCEPT, CACHE_CONTROL, HeaderMap, USER_AGENT},
};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use tokio::time::timeout;
use url::Url;

use super::error::JwksError;
use crate::config::JwksSource;

/// Timeout of a fetch, from connecting to the last byte.
pub(super) const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum size of a key set, as text.
const MAX_BYTES: usize = 256 * 1024;
/// Minimum of a response's `max-age`.
const MIN_AGE: Duration = Duration::from_secs(60);
/// Maximum of a response's `max-age`.
const MAX_AGE: Duration = Duration::from_secs(24 * 3600);

type HttpClient = Client<HttpsConnector<HttpConnector>, Empty<Bytes>>;

/// A source of keys, with its client.
pub(super) enum Fetcher {
    File(PathBuf),
    Url(Url, Box<HttpClient>),
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
            JwksSource::Url(url) => Self::Url(url.clone(), Box::new(client(url)?)),
        })
    }

    /// Reads the keys if they are in a file; returns `None` if they are at a URL.
    pub(super) fn read_file(&self) -> Option<Result<Response, JwksError>> {
        match self {
            Self::File(path) => Some(read(path)),
            Self::Url(..) => None,
        }
    }

    /// Fetches the keys. Takes at most [`FETCH_TIMEOUT`].
    pub(super) async fn fetch(&self) -> Result<Response, JwksError> {
        match self {
            Self::File(path) => read(path),
            Self::Url(url, client) => timeout(FETCH_TIMEOUT, get(url, client))
                .await
                .unwrap_or(Err(JwksError::Timeout(FETCH_TIMEOUT))),
        }
    }
}

fn client(url: &Url) -> Result<HttpClient, JwksError> {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    let builder = HttpsConnectorBuilder::new();
    let builder = match url.scheme() {
        // The server is on this machine: there is no certificate to verify.
        "http" => builder.with_tls_config(tls_without_roots().map_err(JwksError::Roots)?),
        _ => builder
            .with_provider_and_native_roots(ring::default_provider())
            .map_err(JwksError::Roots)?,
    };
    let connector = builder.https_or_http().enable_http1().wrap_connector(http);
    Ok(Client::builder(TokioExecutor::new())
        // Fetches are minutes apart, so connections are not reused.
        .pool_max_idle_per_host(0)
        .build(connector))
}

fn tls_without_roots() -> io::Result<ClientConfig> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions();
    let builder = builder.map_err(io::Error::other)?;
    Ok(builder
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth())
}

async fn get(url: &Url, client: &HttpClient) -> Result<Response, JwksError> {
    let request = Request::get(url.as_str())
        .header(ACCEPT, "application/jwk-set+json, application/json")
        .header(USER_AGENT, concat!("causerie/", env!("CARGO_PKG_VERSION")))
        .body(Empty::new())
        .map_err(|error| JwksError::Unreachable(error.to_string()))?;
    let response = client.request(request).await;
    let response = response.map_err(|error| JwksError::Unreachable(with_causes(&error)))?;
    if response.status() != StatusCode::OK {
        return Err(JwksError::Status(response.status()));
    }
    let max_age = max_age(response.headers());
    let body = Limited::new(response.into_body(), MAX_BYTES)
        .collect()
        .await;
    let body = body.map_err(|error| match error.is::<LengthLimitError>() {
        true => JwksError::TooLarge(MAX_BYTES),
        false => JwksError::Unreachable(with_causes(&*error)),
    })?;
    Ok(Response {
        text: body.to_bytes().into(),
        max_age,
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

/// Returns the text of an error and of its causes.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
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
