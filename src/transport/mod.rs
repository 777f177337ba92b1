//! How requests come in and answers go out: protocols only. It knows the schema's executor, and
//! neither the rooms nor the store.

mod http;
mod identify;
mod pages;
mod ws;

use std::sync::Arc;

use axum::{Router, extract::DefaultBodyLimit, routing::get};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower_http::catch_panic::CatchPanicLayer;

use crate::{
    auth::Authenticator,
    config::{HttpConfig, WsConfig},
    graphql::Executor,
};

/// What the transports work with.
#[derive(Debug)]
pub struct Transport {
    /// Executes what comes in.
    pub executor: Executor,
    /// Tells who sends it.
    pub authenticator: Arc<Authenticator>,
    /// Limits of requests.
    pub http: HttpConfig,
    /// Limits of sockets.
    pub ws: WsConfig,
    /// Every socket's task.
    pub tasks: TaskTracker,
    /// Cancelled where the server goes down: sockets then close.
    pub going_down: CancellationToken,
}

/// Every path of the server.
pub fn router(transport: Transport) -> Router {
    let body_limit = DefaultBodyLimit::max(transport.http.http_body_limit);
    Router::new()
        .route(
            "/graphql",
            get(get_graphql).post(http::post).layer(body_limit),
        )
        .merge(pages::router())
        .layer(CatchPanicLayer::new())
        .with_state(Arc::new(transport))
}

/// `GET /graphql` is a WebSocket where the request asks for one, and else a query.
async fn get_graphql(
    state: axum::extract::State<Arc<Transport>>,
    upgrade: Result<
        axum::extract::ws::WebSocketUpgrade,
        axum::extract::ws::rejection::WebSocketUpgradeRejection,
    >,
    headers: axum::http::HeaderMap,
    uri: axum::http::Uri,
) -> axum::response::Response {
    use axum::response::IntoResponse as _;
    match upgrade {
        Ok(upgrade) => ws::accept(state.0, upgrade),
        Err(refused) if headers.contains_key(axum::http::header::UPGRADE) => {
            refused.into_response()
        }
        Err(_) => http::get(&state, &headers, &uri).await,
    }
}
