//! Reading the host site's public keys, from a file or over HTTP.

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

use super::keys::Malformed;
use crate::config::JwksSource;

/// The largest set that is read.
const MAX_BYTES: usize = 256 * 1024;
/// How long reading may take from connecting to the last byte.
pub(super) const TIMEOUT: Duration = Duration::from_secs(5);
/// What an answer's `max-age` is held to.
const SHORTEST: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// Why the public keys could not be read.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The file could not be read.
    #[error("{0}")]
    File(#[from] io::Error),
    /// The system's own root certificates could not be read.
    #[error("the system's root certificates: {0}")]
    Roots(io::Error),
    /// Nobody answered, or what answered did not speak HTTP.
    #[error("there is no answer: {0}")]
    Unreachable(String),
    /// The answer was not a good one. A redirect is none: the setting says where the keys are.
    #[error("the answer's status is {0}")]
    Status(StatusCode),
    /// It took too long.
    #[error("there was no answer within {} seconds", TIMEOUT.as_secs())]
    Slow,
    /// The set is larger than any that has a use.
    #[error("it has more than {MAX_BYTES} bytes")]
    TooLarge,
    /// What was read is no set of keys.
    #[error("{0}")]
    Malformed(String),
}

impl From<Malformed> for KeysError {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed.to_string())
    }
}

type HttpClient = Client<HttpsConnector<HttpConnector>, Empty<Bytes>>;

/// Where the keys are.
pub(super) enum Source {
    File(PathBuf),
    Url(Url, Box<HttpClient>),
}

/// What a source answers.
pub(super) struct Answer {
    /// The keys, still to be parsed.
    pub(super) text: Vec<u8>,
    /// How long it says that this is good for.
    pub(super) max_age: Option<Duration>,
}

impl Source {
    pub(super) fn new(source: &JwksSource) -> Result<Self, KeysError> {
        Ok(match source {
            JwksSource::File(path) => Self::File(path.clone()),
            JwksSource::Url(url) => {
                let mut http = HttpConnector::new();
                http.enforce_http(false);
                let builder = HttpsConnectorBuilder::new();
                let builder = match url.scheme() {
                    // It is this machine: there is nobody on the way, and no need of roots.
                    "http" => builder.with_tls_config(without_roots().map_err(KeysError::Roots)?),
                    _ => builder
                        .with_provider_and_native_roots(ring::default_provider())
                        .map_err(KeysError::Roots)?,
                };
                let connector = builder.https_or_http().enable_http1().wrap_connector(http);
                let client = Client::builder(TokioExecutor::new())
                    // Readings are minutes apart.
                    .pool_max_idle_per_host(0)
                    .build(connector);
                Self::Url(url.clone(), Box::new(client))
            }
        })
    }

    /// What can be read without waiting for anybody.
    pub(super) fn at_once(&self) -> Option<Result<Answer, KeysError>> {
        match self {
            Self::File(path) => Some(file(path)),
            Self::Url(..) => None,
        }
    }

    /// Reads all of it, and gives up in time.
    pub(super) async fn read(&self) -> Result<Answer, KeysError> {
        match self {
            Self::File(path) => file(path),
            Self::Url(url, client) => {
                let answer = timeout(TIMEOUT, fetch(url, client)).await;
                answer.unwrap_or(Err(KeysError::Slow))
            }
        }
    }
}

async fn fetch(url: &Url, client: &HttpClient) -> Result<Answer, KeysError> {
    let request = Request::get(url.as_str())
        .header(ACCEPT, "application/jwk-set+json, application/json")
        .header(USER_AGENT, concat!("causerie/", env!("CARGO_PKG_VERSION")))
        .body(Empty::new())
        .map_err(|error| KeysError::Unreachable(error.to_string()))?;
    let response = client.request(request).await;
    let response = response.map_err(|error| KeysError::Unreachable(causes(&error)))?;
    if response.status() != StatusCode::OK {
        return Err(KeysError::Status(response.status()));
    }
    let max_age = max_age(response.headers());
    let body = Limited::new(response.into_body(), MAX_BYTES)
        .collect()
        .await;
    let body = body.map_err(|error| match error.is::<LengthLimitError>() {
        true => KeysError::TooLarge,
        false => KeysError::Unreachable(causes(&*error)),
    })?;
    Ok(Answer {
        text: body.to_bytes().into(),
        max_age,
    })
}

fn without_roots() -> io::Result<ClientConfig> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions();
    let builder = builder.map_err(io::Error::other)?;
    let none = RootCertStore::empty();
    Ok(builder.with_root_certificates(none).with_no_client_auth())
}

/// A small file of this machine: reading it holds up nobody.
fn file(path: &Path) -> Result<Answer, KeysError> {
    let mut text = Vec::new();
    let most = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX) + 1;
    std::fs::File::open(path)?
        .take(most)
        .read_to_end(&mut text)?;
    if text.len() > MAX_BYTES {
        return Err(KeysError::TooLarge);
    }
    Ok(Answer {
        text,
        max_age: None,
    })
}

/// How long an answer says that it is good for (RFC 9111, section 5.2.2.1), within reason.
fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let values = headers.get_all(CACHE_CONTROL).iter();
    let mut directives = values.flat_map(|value| value.to_str().unwrap_or_default().split(','));
    let seconds = directives.find_map(|directive| {
        let (name, seconds) = directive.trim().split_once('=')?;
        let is_max_age = name.eq_ignore_ascii_case("max-age");
        is_max_age.then(|| seconds.trim_matches('"').parse().ok())?
    })?;
    Some(Duration::from_secs(seconds).clamp(SHORTEST, LONGEST))
}

/// What a library says of an error, and what it says of its causes.
fn causes(error: &dyn std::error::Error) -> String {
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
    fn an_answer_says_how_long_it_is_good_for_and_is_held_to_reason() {
        let said = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(CACHE_CONTROL, text.parse().expect("a value"));
            max_age(&headers).map(|age| age.as_secs())
        };
        assert_eq!(said("public, max-age=3600"), Some(3600));
        assert_eq!(said("Max-Age=\"600\", must-revalidate"), Some(600));
        assert_eq!(said("max-age=0"), Some(60));
        assert_eq!(said("max-age=999999999"), Some(24 * 3600));
        for nothing in [
            "no-cache",
            "max-age",
            "max-age=-1",
            "max-age=soon",
            "s-maxage=5",
        ] {
            assert_eq!(said(nothing), None, "{nothing}");
        }
        assert_eq!(max_age(&HeaderMap::new()), None);
    }
}
