//! The accept loop: admits connections, serves HTTP/1 on them, and shuts them down gracefully.
//!
//! A connection beyond a limit is refused and closed before anything is read from it: with 503 at
//! the total limit, with 429 at its address's limit.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    http::{
        HeaderValue, Request, StatusCode, Version,
        header::{CONNECTION, HOST},
        request::Parts,
    },
    response::{IntoResponse, Response},
    serve::Listener,
};
use futures_util::future::Either;
use hyper::{
    body::Incoming,
    server::conn::http1,
    service::{Service, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Semaphore,
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    admission::{Admission, Peer},
    limiter::LimitReached,
    lingering::LingeringStream,
    request_body,
};

/// Maximum size of a request's head, URL included, and of one read of a body.
const BUFFER_BYTES: usize = 64 * 1024;
/// Maximum number of refusals written at the same time. Connections beyond it are closed without a
/// response.
const REFUSAL_LIMIT: usize = 64;
/// Time limit of one refusal, reading of unread bytes included.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(1);

/// Serves until `stop`. Then it accepts no more connections, and open ones end once their requests
/// in flight were answered. Dropping the future ends all connections at once.
pub(crate) async fn serve(
    mut listener: impl Listener<Io = TcpStream, Addr = SocketAddr>,
    router: Router,
    admission: Admission,
    idle_timeout: Duration,
    stop: CancellationToken,
) {
    let connections = TaskTracker::new();
    let cut_off = CancellationToken::new();
    let _cut_off = cut_off.clone().drop_guard();
    let app = TowerToHyperService::new(router);
    let refusals = Arc::new(Semaphore::new(REFUSAL_LIMIT));
    loop {
        let (tcp, address) = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match admission.admit_connection(address.ip()) {
            Ok(peer) => {
                let connection =
                    serve_connection(tcp, app.clone(), peer, idle_timeout, stop.clone());
                connections.spawn(cut_off.clone().run_until_cancelled_owned(connection));
            }
            Err(limit) => {
                tracing::debug!(peer = %address, ?limit, "connection refused");
                if let Ok(permit) = Arc::clone(&refusals).try_acquire_owned() {
                    let refusal = async move {
                        let _ = timeout(REFUSAL_TIMEOUT, refuse(tcp, limit)).await;
                        drop(permit);
                    };
                    connections.spawn(cut_off.clone().run_until_cancelled_owned(refusal));
                }
            }
        }
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

/// Serves one connection. After an upgrade, its WebSocket runs in a task of its own.
async fn serve_connection(
    tcp: TcpStream,
    app: TowerToHyperService<Router>,
    peer: Peer,
    idle_timeout: Duration,
    stop: CancellationToken,
) {
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer.clone());
        answer(&app, request)
    });
    let mut connection = std::pin::pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            // The timer starts when a request could begin, so it also closes idle connections.
            .header_read_timeout(idle_timeout)
            .max_buf_size(BUFFER_BYTES)
            .serve_connection(TokioIo::new(LingeringStream::new(tcp)), service)
            .with_upgrades()
    );
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection broke");
    }
}

/// Answers a request by `app`. If its body was not read to the end, the connection is closed after
/// the response, and the response says so.
fn answer(
    app: &TowerToHyperService<Router>,
    request: Request<Incoming>,
) -> impl Future<Output = Result<Response, Infallible>> + use<> {
    let (head, body) = request.into_parts();
    let (body, end) = request_body::observe(body);
    let answer = if has_one_host(&head) {
        Either::Left(app.call(Request::from_parts(head, body)))
    } else {
        let refusal = (StatusCode::BAD_REQUEST, "A request has one Host.");
        Either::Right(std::future::ready(Ok(refusal.into_response())))
    };
    async move {
        let mut response = answer.await?;
        if !end.is_reached() {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(CONNECTION, close);
        }
        Ok(response)
    }
}

/// Returns true if a request names its host once (RFC 9112, section 3.2). HTTP/1.0 need not name one.
fn has_one_host(head: &Parts) -> bool {
    match head.headers.get_all(HOST).iter().count() {
        0 => head.version < Version::HTTP_11,
        hosts => hosts == 1,
    }
}

/// Writes a refusal, then reads until the client closes. Closing a socket with unread bytes resets
/// the connection, and the client might lose the response.
async fn refuse(mut tcp: TcpStream, limit: LimitReached) {
    let status = match limit {
        LimitReached::Total => "503 Service Unavailable",
        LimitReached::PerAddress => "429 Too Many Requests",
    };
    let response = format!(
        "HTTP/1.1 {status}\r\nRetry-After: 5\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    );
    if tcp.write_all(response.as_bytes()).await.is_err() || tcp.shutdown().await.is_err() {
        return;
    }
    let mut unread = [0; 1024];
    while matches!(tcp.read(&mut unread).await, Ok(1..)) {}
}
