//! The pages that people open: the demo at `/` and GraphiQL. They are part of the binary.
//!
//! Each has the strictest Content-Security-Policy (CSP level 3) that it works under.

use std::sync::Arc;

use axum::{
    Router,
    extract::Path,
    http::{
        HeaderName, StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
    routing::get,
};
use rust_embed::RustEmbed;

use super::{Transport, http::headers as http_headers};

#[derive(RustEmbed)]
#[folder = "assets/"]
struct Assets;

/// What the demo does: its own files, its own API, and pictures of its readers from anywhere.
const DEMO: &str = "default-src 'none'; base-uri 'none'; connect-src 'self'; form-action 'none'; \
    frame-ancestors 'none'; img-src 'self' https:; require-trusted-types-for 'script'; \
    script-src 'self'; style-src 'self'; trusted-types 'none'";

/// What GraphiQL does: its four files from the CDN besides, each of which the page holds to a hash.
const GRAPHIQL: &str = "default-src 'none'; base-uri 'none'; connect-src 'self'; \
    font-src data:; form-action 'none'; frame-ancestors 'none'; img-src 'self' data:; \
    script-src 'self' https://cdn.jsdelivr.net/npm/react@18.3.1/umd/react.production.min.js \
    https://cdn.jsdelivr.net/npm/react-dom@18.3.1/umd/react-dom.production.min.js \
    https://cdn.jsdelivr.net/npm/graphiql@4.1.2/graphiql.min.js; \
    style-src 'self' https://cdn.jsdelivr.net/npm/graphiql@4.1.2/graphiql.min.css";

pub(super) fn router() -> Router<Arc<Transport>> {
    Router::new()
        .route("/", get(async || asset("demo/index.html", DEMO)))
        .route(
            "/demo/{*path}",
            get(async |Path(path): Path<String>| asset(&format!("demo/{path}"), DEMO)),
        )
        .route(
            "/graphiql",
            get(async || asset("graphiql/index.html", GRAPHIQL)),
        )
        .route(
            "/graphiql/{*path}",
            get(async |Path(path): Path<String>| asset(&format!("graphiql/{path}"), GRAPHIQL)),
        )
}

fn asset(path: &str, policy: &'static str) -> Response {
    let Some(file) = Assets::get(path) else {
        return http_headers::of_page(StatusCode::NOT_FOUND.into_response(), policy);
    };
    let media_type = match path.rsplit_once('.').map(|(_, ending)| ending) {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    };
    let headers: [(HeaderName, &str); 2] = [
        (CONTENT_TYPE, media_type),
        // The files of one version belong together: a browser asks before it uses an old one.
        (CACHE_CONTROL, "no-cache"),
    ];
    http_headers::of_page((headers, file.data).into_response(), policy)
}
