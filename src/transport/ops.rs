//! What those who run the server ask it: whether the process lives, and whether readers may be sent.

use axum::{
    Json, Router,
    extract::State,
    http::{
        HeaderValue, StatusCode,
        header::{CACHE_CONTROL, RETRY_AFTER},
    },
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Map, json};

use super::response::RETRY;
use crate::{drain::Drain, health::Health};

/// What the answers are made of. Cloning it gives the same.
#[derive(Clone, Debug)]
pub struct Operations {
    /// What the server needs.
    pub health: Health,
    /// Whether the server is about to go down.
    pub drain: Drain,
}

/// `/healthz` and `/readyz`.
pub fn router(operations: Operations) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .with_state(operations)
}

/// The process lives: it has answered. Whoever restarts it where it does not should ask nothing
/// more of it.
async fn healthz() -> Response {
    ([no_store()], Json(json!({"status": "ok"}))).into_response()
}

/// Whether readers may be sent here: every part answers, and the server is not about to go down.
async fn readyz(State(operations): State<Operations>) -> Response {
    let is_draining = operations.drain.has_begun();
    // One who goes down says so at once, whatever the parts say.
    let report = (!is_draining).then(|| operations.health.report());
    let report = match report {
        Some(asking) => Some(asking.await),
        None => None,
    };
    let is_ready = report.as_ref().is_some_and(|report| report.is_good());
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

fn no_store() -> (axum::http::HeaderName, HeaderValue) {
    (CACHE_CONTROL, HeaderValue::from_static("no-store"))
}
