//! The pages that people open: the demo at `/` and GraphiQL. They are part of the binary.

use std::sync::Arc;

use axum::{
    Router,
    extract::Path,
    http::{
        HeaderName, StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS},
    },
    response::{IntoResponse, Response},
    routing::get,
};
use rust_embed::RustEmbed;

use super::Transport;

#[derive(RustEmbed)]
#[folder = "assets/"]
struct Assets;

pub(super) fn router() -> Router<Arc<Transport>> {
    Router::new()
        .route("/", get(async || asset("demo/index.html")))
        .route(
            "/demo/{*path}",
            get(async |Path(path): Path<String>| asset(&format!("demo/{path}"))),
        )
        .route("/graphiql", get(async || asset("graphiql.html")))
}

fn asset(path: &str) -> Response {
    let Some(file) = Assets::get(path) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let media_type = match path.rsplit_once('.').map(|(_, ending)| ending) {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    };
    let headers: [(HeaderName, &str); 3] = [
        (CONTENT_TYPE, media_type),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // The files of one version belong together: a browser asks before it uses an old one.
        (CACHE_CONTROL, "no-cache"),
    ];
    (headers, file.data).into_response()
}
