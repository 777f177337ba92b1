//! How requests come in and answers go out: protocols only. It knows the schema's executor, and
//! neither the rooms nor the store.

mod http;
mod identify;
mod media_type;
mod multipart;
mod pages;
mod request;
mod response;
mod sse;
mod stream;
mod ws;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    http::{
        HeaderValue, Method,
        header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE},
    },
    response::Response,
    routing::get,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower_http::{
    catch_panic::CatchPanicLayer,
    cors::{AllowOrigin, CorsLayer},
};

use crate::{
    auth::{Authenticator, Bans},
    config::{HttpConfig, WsConfig},
    graphql::{Executor, PersistedQueries},
};

/// How long a browser may remember what a page of another origin may do.
const PREFLIGHT_AGE: Duration = Duration::from_secs(24 * 3600);

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
    pub persisted: PersistedQueries,
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
    let body_limit = DefaultBodyLimit::max(transport.http.http_body_limit);
    let graphql = Router::new()
        .route("/graphql", get(get_graphql).post(http::post))
        .layer(body_limit)
        .layer(cross_origin(&transport.http.allowed_origins));
    graphql
        .merge(pages::router())
        .layer(CatchPanicLayer::new())
        .with_state(Arc::new(transport))
}

/// What pages of other origins may do (the Fetch standard's CORS protocol): what the API needs, and
/// only those of the list. No credentials but the token are known here, so none are allowed.
fn cross_origin(origins: &[String]) -> CorsLayer {
    let origins = origins
        .iter()
        .filter_map(|origin| origin.parse::<HeaderValue>().ok());
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([ACCEPT, AUTHORIZATION, CONTENT_TYPE, identify::X_CLIENT_ID])
        .max_age(PREFLIGHT_AGE)
}

/// `GET /graphql` is a WebSocket where the request asks for one, and else GraphQL over HTTP.
async fn get_graphql(State(transport): State<Arc<Transport>>, request: Request) -> Response {
    if ws::is_asked_for(request.headers()) {
        ws::accept(transport, request)
    } else {
        http::get(&transport, request.headers(), request.uri()).await
    }
}
