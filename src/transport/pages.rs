//! The pages for people: the demo at `/` and GraphiQL. They are embedded in the binary.
//!
//! Each page has the strictest Content-Security-Policy (CSP level 3) under which it works.

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

use super::{Transport, http::headers::page_headers};

#[derive(RustEmbed)]
#[folder = "assets/"]
struct Assets;

/// The demo's policy: its own files and API, and avatars from any HTTPS origin.
const DEMO_POLICY: &str = "default-src 'none'; base-uri 'none'; connect-src 'self'; form-action 'none'; \
    frame-ancestors 'none'; img-src 'self' http: https:; require-trusted-types-for 'script'; \
    script-src 'self'; style-src 'self'; trusted-types 'none'";

/// GraphiQL's policy: as the demo's, with four files from a CDN. The page pins each by hash.
const GRAPHIQL_POLICY: &str = "default-src 'none'; base-uri 'none'; connect-src 'self'; \
    font-src data:; form-action 'none'; frame-ancestors 'none'; img-src 'self' data:; \
    script-src 'self' https://cdn.jsdelivr.net/npm/react@18.3.1/umd/react.production.min.js \
    https://cdn.jsdelivr.net/npm/react-dom@18.3.1/umd/react-dom.production.min.js \
    https://cdn.jsdelivr.net/npm/graphiql@4.1.2/graphiql.min.js; \
    style-src 'self' https://cdn.jsdelivr.net/npm/graphiql@4.1.2/graphiql.min.css";

pub(super) fn router() -> Router<Arc<Transport>> {
    Router::new()
        .route("/", get(async || asset("demo/index.html", DEMO_POLICY)))
        .route(
            "/demo/{*path}",
            get(async |Path(path): Path<String>| asset(&format!("demo/{path}"), DEMO_POLICY)),
        )
        .route(
            "/graphiql",
            get(async || asset("graphiql/index.html", GRAPHIQL_POLICY)),
        )
        .route(
            "/graphiql/{*path}",
            get(async |Path(path): Path<String>| {
                asset(&format!("graphiql/{path}"), GRAPHIQL_POLICY)
            }),
        )
}

fn asset(path: &str, policy: &'static str) -> Response {
    let Some(file) = Assets::get(path) else {
        return page_headers(StatusCode::NOT_FOUND.into_response(), policy);
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
        // Browsers revalidate before use, because files of different versions do not work together.
        (CACHE_CONTROL, "no-cache"),
    ];
    page_headers((headers, file.data).into_response(), policy)
}
