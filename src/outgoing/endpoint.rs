//! A server at one configured URL.

use std::{fmt, io, sync::Arc, time::Duration};

use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::{
    Method, Request, Response,
    body::Bytes,
    header::{HeaderMap, HeaderValue, USER_AGENT},
};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use tokio::time::timeout;
use url::{Host, Url};

use super::{Reach, RequestError, resolver::Resolver};

/// Time after which an idle connection is closed. Usual servers close theirs after 5 s or more, and a
/// request must not meet that.
const IDLE_TIMEOUT: Duration = Duration::from_secs(4);
const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("causerie/", env!("CARGO_PKG_VERSION")));

/// The bounds of an endpoint.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Timeout of a request, from connecting to the last byte of the response.
    pub time: Duration,
    /// Maximum size of a response's body.
    pub bytes: usize,
    /// Maximum number of idle connections that are kept for the next requests.
    pub idle_connections: usize,
}

/// A server at one URL, with the HTTP client that sends requests to it.
pub struct Endpoint {
    url: Url,
    reach: Reach,
    bounds: Bounds,
    client: Client<HttpsConnector<HttpConnector<Resolver>>, Full<Bytes>>,
}

impl Endpoint {
    /// Creates a client for an http or https URL.
    ///
    /// # Errors
    ///
    /// Fails if the URL is https and the system's root certificates cannot be read.
    pub fn new(url: Url, reach: Reach, bounds: Bounds) -> io::Result<Self> {
        let mut http = HttpConnector::new_with_resolver(Resolver::new(reach));
        http.enforce_http(false);
        let builder = HttpsConnectorBuilder::new();
        let builder = match url.scheme() {
            // There is no certificate to verify.
            "http" => builder.with_tls_config(tls_without_roots()?),
            _ => builder.with_provider_and_native_roots(ring::default_provider())?,
        };
        let connector = builder.https_or_http().enable_http1().wrap_connector(http);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(bounds.idle_connections)
            .build(connector);
        Ok(Self {
            url,
            reach,
            bounds,
            client,
        })
    }

    /// Sends a request and returns the whole response, whose status is 2xx. Cancel safe.
    pub async fn send(
        &self,
        method: Method,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response<Bytes>, RequestError> {
        let Bounds { time, .. } = self.bounds;
        timeout(time, self.exchange(method, headers, body))
            .await
            .unwrap_or(Err(RequestError::Timeout(time)))
    }

    async fn exchange(
        &self,
        method: Method,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response<Bytes>, RequestError> {
        // The resolver never sees an address.
        match self.url.host() {
            Some(Host::Ipv4(address)) => self.reach.admit(address.into())?,
            Some(Host::Ipv6(address)) => self.reach.admit(address.into())?,
            Some(Host::Domain(_)) | None => {}
        }
        let request = Request::builder().method(method).uri(self.url.as_str());
        let request = request.body(Full::new(body));
        let mut request = request.map_err(|error| RequestError::unreachable(&error))?;
        *request.headers_mut() = headers;
        request.headers_mut().insert(USER_AGENT, AGENT);
        let response = self.client.request(request).await;
        let response = response.map_err(|error| RequestError::unreachable(&error))?;
        if !response.status().is_success() {
            return Err(RequestError::Status(response.status()));
        }
        let (head, body) = response.into_parts();
        let body = Limited::new(body, self.bounds.bytes).collect().await;
        let body = body.map_err(|error| match error.is::<LengthLimitError>() {
            true => RequestError::TooLarge(self.bounds.bytes),
            false => RequestError::unreachable(&*error),
        })?;
        Ok(Response::from_parts(head, body.to_bytes()))
    }
}

impl fmt::Debug for Endpoint {
    /// Hides the URL, which may hold a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Endpoint");
        shown.field("reach", &self.reach).finish_non_exhaustive()
    }
}

fn tls_without_roots() -> io::Result<ClientConfig> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions();
    let builder = builder.map_err(io::Error::other)?;
    Ok(builder
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth())
}
