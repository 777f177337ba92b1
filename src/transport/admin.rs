//! What those who run the server ask it: whether the process lives, whether readers may be sent, and
//! how much is going on.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{RawQuery, State},
    http::{
        HeaderName, HeaderValue, StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER},
    },
    middleware::map_response,
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Map, json};
use tower_http::catch_panic::CatchPanicLayer;

use super::http::{headers as http_headers, response::RETRY};
use crate::{shutdown::Shutdown, telemetry::Health};

/// What the answers are made of. Cloning it gives the same.
#[derive(Clone)]
pub struct Operations {
    /// What the server needs.
    pub health: Health,
    /// Whether the server is about to go down.
    pub drain: Shutdown,
    /// The metrics, in Prometheus's text format.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
}

/// Who is told the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricsFor {
    /// Whoever asks here.
    Everybody,
    /// Nobody who asks here.
    Nobody,
}

/// `/healthz` and `/readyz`, and `/metrics` for those whom it is for.
pub fn router(operations: Operations, metrics: MetricsFor) -> Router {
    let mut router = Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz));
    if metrics == MetricsFor::Everybody {
        router = router.route("/metrics", get(self::metrics));
    }
    router
        .layer(map_response(http_headers::of_api))
        .layer(CatchPanicLayer::new())
        .with_state(operations)
}

/// All that is counted and measured.
async fn metrics(State(operations): State<Operations>) -> Response {
    let media_type = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    let headers = [no_store(), (CONTENT_TYPE, media_type)];
    (headers, (operations.metrics)()).into_response()
}

/// The process lives: it has answered. Whoever restarts it where it does not should ask nothing
/// more of it.
async fn healthz() -> Response {
    ([no_store()], Json(json!({"status": "ok"}))).into_response()
}

/// Whether readers may be sent here: every part answers, and the server is not about to go down.
/// `?exclude=backplane` leaves a part out: a load balancer that would send nobody anywhere when all
/// nodes have lost the others does better to send them, for each node serves its readers.
async fn readyz(State(operations): State<Operations>, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let excluded: Vec<_> = form_urlencoded::parse(query.as_bytes())
        .filter(|(key, _)| key == "exclude")
        .map(|(_, part)| part)
        .collect();
    let is_draining = operations.drain.has_begun();
    // One who goes down says so at once, whatever the parts say.
    let report = (!is_draining).then(|| operations.health.report());
    let report = match report {
        Some(asking) => Some(asking.await),
        None => None,
    };
    let is_ready = report
        .as_ref()
        .is_some_and(|report| report.is_good_without(&excluded));
    let checks: Map<_, _> = report
        .iter()
        .flat_map(|report| report.0.iter())
        .map(|(name, state)| ((*name).to_owned(), json!(state)))
        .collect();
    let status = match (is_ready, is_draining) {
        (true, _) => "ready",
        (false, true) => "draining",
        (false, false) => "not_ready",
    };
    let body = Json(json!({"status": status, "checks": checks}));
    if is_ready {
        ([no_store()], body).into_response()
    } else {
        let headers = [no_store(), (RETRY_AFTER, RETRY)];
        (StatusCode::SERVICE_UNAVAILABLE, headers, body).into_response()
    }
}

fn no_store() -> (HeaderName, HeaderValue) {
    (CACHE_CONTROL, HeaderValue::from_static("no-store"))
}
