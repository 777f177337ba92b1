//! How requests come in and answers go out: protocols only. It knows the schema's executor, and
//! neither the rooms nor the store.

mod cross_site;
mod http;
mod identify;
mod listener;
mod media_type;
mod multipart;
mod pages;
mod places;
mod proxies;
mod request;
mod response;
mod security;
mod sse;
mod stream;
mod ws;

use std::sync::Arc;

use axum::{
    Router,
    extract::{Request, State},
    middleware::{from_fn_with_state, map_response},
    response::Response,
    routing::get,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower_http::catch_panic::CatchPanicLayer;

pub use self::listener::{Entrance, serve};
use crate::{
    auth::Authenticator,
    config::{HttpConfig, WsConfig},
    graphql::{Executor, PersistedQueries},
};

/// What the transports work with.
#[derive(Debug)]
pub struct Transport {
    /// Executes what comes in.
    pub executor: Executor,
    /// Tells who sends it.
    pub authenticator: Arc<Authenticator>,
    /// The documents that clients may name by their hash.
    pub persisted: PersistedQueries,
    /// Who is let in.
    pub entrance: Entrance,
    /// Limits of requests.
    pub http: HttpConfig,
    /// Limits of sockets.
    pub ws: WsConfig,
    /// Every socket's task, and every stream's.
    pub tasks: TaskTracker,
    /// Cancelled where the server goes down: sockets and streams then end.
    pub going_down: CancellationToken,
}

/// Every path of the server.
pub fn router(transport: Transport) -> Router {
    let origins = &transport.http.allowed_origins;
    let graphql = Router::new()
        .route("/graphql", get(get_graphql).post(http::post))
        .layer(from_fn_with_state(
            Arc::from(&origins[..]),
            cross_site::refuse,
        ))
        .layer(cross_site::cors(origins))
        .layer(map_response(security::of_api));
    graphql
        .merge(pages::router())
        .layer(CatchPanicLayer::new())
        .with_state(Arc::new(transport))
}

/// `GET /graphql` is a WebSocket where the request asks for one, and else GraphQL over HTTP.
async fn get_graphql(State(transport): State<Arc<Transport>>, request: Request) -> Response {
    if ws::is_asked_for(request.headers()) {
        ws::accept(transport, request)
    } else {
        http::get(&transport, request.into_parts().0).await
    }
}
