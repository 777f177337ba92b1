//! How requests come in and answers go out: protocols only. It knows the schema's executor, and
//! neither the rooms nor the store.

mod admin;
mod connections;
mod http;
mod operation_log;
mod pages;
mod ws;

use std::sync::Arc;

use axum::{
    Extension, Router,
    extract::{Request, State},
    middleware::{from_fn_with_state, map_response},
    response::Response,
    routing::get,
};
use tokio_util::task::TaskTracker;
use tower_http::catch_panic::CatchPanicLayer;

use self::http::{headers, origin, request_id, request_id::Asked};
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use self::ws::fuzzing;
pub use self::{
    admin::{MetricsFor, Operations, router as operations},
    connections::{Entrance, KERNEL_MARGIN, serve, tuned},
};
use crate::{
    auth::Authenticator,
    config::{HttpConfig, WsConfig},
    graphql::{Executor, Requests},
    metrics::TransportMetrics,
    moderation::Bans,
    shutdown::Shutdown,
};

/// What the transports work with.
#[derive(Debug)]
pub struct Transport {
    /// Executes what comes in.
    pub executor: Executor,
    /// Tells who sends it.
    pub authenticator: Arc<Authenticator>,
    /// Tells who is not let in.
    pub bans: Arc<Bans>,
    /// The documents that clients may name by their hash.
    pub requests: Requests,
    /// Who is let in.
    pub entrance: Entrance,
    /// Limits of requests.
    pub http: HttpConfig,
    /// Limits of sockets.
    pub ws: WsConfig,
    /// Every socket's task, and every stream's.
    pub tasks: TaskTracker,
    /// Gives every socket and every stream of a subscription the moment in which it ends, where the
    /// server goes down.
    pub drain: Shutdown,
    /// What all of it is counted by.
    pub metrics: Arc<TransportMetrics>,
}

/// Every path of the server but those of its operations.
pub fn router(transport: Transport) -> Router {
    let origins = &transport.http.allowed_origins;
    let graphql = Router::new()
        .route("/graphql", get(get_graphql).post(http::post))
        .layer(from_fn_with_state(Arc::from(&origins[..]), origin::refuse))
        .layer(origin::cors(origins))
        .layer(map_response(headers::of_api))
        .layer(from_fn_with_state(
            transport.drain.clone(),
            request_id::name,
        ));
    graphql
        .merge(pages::router())
        .with_state(Arc::new(transport))
        .layer(CatchPanicLayer::new())
}

/// `GET /graphql` is a WebSocket where the request asks for one, and else GraphQL over HTTP.
async fn get_graphql(
    State(transport): State<Arc<Transport>>,
    Extension(asked): Extension<Asked>,
    request: Request,
) -> Response {
    if ws::is_asked_for(request.headers()) {
        ws::accept(transport, asked, request)
    } else {
        http::get(&transport, &asked, request.into_parts().0).await
    }
}
