//! The transports: HTTP, server-sent events, multipart and WebSocket. They turn bytes into
//! operations and results into bytes.
//!
//! Transports call the executor of [`graphql`](crate::graphql) and touch neither rooms nor the
//! store.

mod admin;
mod connections;
mod http;
mod metrics;
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

use self::http::{
    headers::api_headers,
    origin::{self, Origins, cors},
    request_id::{self, RequestId},
};
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing {
    //! Entry points for fuzzing of all transports.

    pub use super::{
        http::fuzzing::body,
        ws::fuzzing::{frames, protocol},
    };
}
pub(crate) use self::{
    admin::{AdminState, MetricsRoute, admin_router},
    connections::{Admission, KERNEL_MARGIN, serve, tuned},
    metrics::TransportMetrics,
};
use crate::{
    auth::Authenticator,
    config::{HttpConfig, WsConfig},
    graphql::{Executor, Requests},
    limits::OperationLimits,
    memory::MemoryBudget,
    moderation::Bans,
    shutdown::Shutdown,
};

/// The services and settings of the transports.
#[derive(Debug)]
pub(crate) struct Transport {
    /// Executes operations.
    pub executor: Executor,
    /// Verifies tokens.
    pub authenticator: Arc<Authenticator>,
    /// Bans in effect on this node.
    pub bans: Arc<Bans>,
    /// Prepares requests, persisted ones included.
    pub requests: Requests,
    /// Connection limits and client addresses.
    pub admission: Admission,
    /// Rates of operations on sockets.
    pub operation_limits: OperationLimits,
    /// The memory that requests take until they are answered.
    pub memory: MemoryBudget,
    /// Settings of HTTP requests.
    pub http: HttpConfig,
    /// Settings of WebSockets.
    pub ws: WsConfig,
    /// Tracks the tasks of sockets and streams.
    pub tasks: TaskTracker,
    /// Gives each socket and each subscription stream its deadline when the server shuts down.
    pub shutdown: Shutdown,
    /// Metrics of the transports.
    pub metrics: Arc<TransportMetrics>,
}

/// Returns the router of all paths, except those of [`admin_router`].
pub(crate) fn router(transport: Transport) -> Router {
    let origins = &transport.http.allowed_origins;
    let endpoint = get(get_graphql).post(http::post);
    let graphql = Router::new()
        .route("/graphql", endpoint.clone())
        .route("/graphql/", endpoint)
        .layer(cors(origins))
        .layer(from_fn_with_state(
            Arc::new(Origins::new(origins.clone())),
            origin::reject_cross_site,
        ))
        .layer(map_response(api_headers))
        .layer(from_fn_with_state(
            transport.shutdown.clone(),
            request_id::assign,
        ));
    graphql
        .merge(pages::router())
        .with_state(Arc::new(transport))
        .layer(CatchPanicLayer::new())
}

/// Handles `GET /graphql`: a WebSocket handshake if the request asks for one, else GraphQL over
/// HTTP.
async fn get_graphql(
    State(transport): State<Arc<Transport>>,
    Extension(request_id): Extension<RequestId>,
    request: Request,
) -> Response {
    if ws::is_upgrade(request.headers()) {
        ws::accept(transport, request_id, request)
    } else {
        http::get(&transport, &request_id, request.into_parts().0).await
    }
}
