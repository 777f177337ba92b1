//! Endpoints for operators: liveness, readiness and metrics.

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
use futures_util::future::BoxFuture;
use serde_json::{Map, json};
use tower_http::catch_panic::CatchPanicLayer;

use super::http::{headers::api_headers, response::SHUTDOWN_RETRY_AFTER};
use crate::{shutdown::Shutdown, telemetry::Health};

/// The state of the endpoints. Clones share it.
#[derive(Clone)]
pub(crate) struct AdminState {
    /// The health of the server's dependencies.
    pub health: Health,
    /// The shutdown of the server. Once it has begun, `/readyz` fails.
    pub shutdown: Shutdown,
    /// Renders the metrics in Prometheus's text format.
    pub metrics: Arc<dyn Fn() -> BoxFuture<'static, String> + Send + Sync>,
}

/// The presence of `/metrics` on a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MetricsRoute {
    /// Served.
    Enabled,
    /// Not found.
    Disabled,
}

/// Returns the router of `/healthz` and `/readyz`, and of `/metrics` if `metrics` is enabled.
pub(crate) fn admin_router(state: AdminState, metrics: MetricsRoute) -> Router {
    let mut router = Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz));
    if metrics == MetricsRoute::Enabled {
        router = router.route("/metrics", get(self::metrics));
    }
    router
        .layer(map_response(api_headers))
        .layer(CatchPanicLayer::new())
        .with_state(state)
}

async fn metrics(State(state): State<AdminState>) -> Response {
    let media_type = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    let headers = [no_store(), (CONTENT_TYPE, media_type)];
    (headers, (state.metrics)().await).into_response()
}

/// Returns 200 while the process is alive. It checks no dependency, because a restart mends none.
async fn healthz() -> Response {
    ([no_store()], Json(json!({"status": "ok"}))).into_response()
}

/// Returns 200 if all dependencies are healthy and no shutdown has begun, else 503.
///
/// `?exclude=backplane` ignores a dependency. A load balancer should use it, because all nodes lose
/// the backplane together and each still serves its readers.
async fn readyz(State(state): State<AdminState>, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let excluded: Vec<_> = form_urlencoded::parse(query.as_bytes())
        .filter(|(key, _)| key == "exclude")
        .map(|(_, part)| part)
        .collect();
    let is_draining = state.shutdown.has_begun();
    // A node that shuts down answers at once, without waiting for health checks.
    let report = (!is_draining).then(|| state.health.report());
    let report = match report {
        Some(report) => Some(report.await),
        None => None,
    };
    let is_ready = report
        .as_ref()
        .is_some_and(|report| report.is_good_without(&excluded));
    let checks: Map<_, _> = report
        .iter()
        .flat_map(|report| report.0.iter())
        .map(|(name, health)| ((*name).to_owned(), json!(health)))
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
        let headers = [no_store(), (RETRY_AFTER, SHUTDOWN_RETRY_AFTER)];
        (StatusCode::SERVICE_UNAVAILABLE, headers, body).into_response()
    }
}

fn no_store() -> (HeaderName, HeaderValue) {
    (CACHE_CONTROL, HeaderValue::from_static("no-store"))
}
