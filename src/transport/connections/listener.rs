//! The accept loop: admits connections, serves HTTP/1 on them, and shuts them down gracefully.
//!
//! A connection beyond a limit is refused and closed before anything is read from it: with 503 at
//! the total limit, with 429 at its address's limit.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, http::Request, response::Response, serve::Listener};
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
    read_timeout: Duration,
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
                    serve_connection(tcp, app.clone(), peer, read_timeout, stop.clone());
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
    read_timeout: Duration,
    stop: CancellationToken,
) {
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer.clone());
        call(&app, request)
    });
    let mut connection = std::pin::pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            // The timer starts when a request could begin, so it also closes idle connections.
            .header_read_timeout(read_timeout)
            .max_buf_size(BUFFER_BYTES)
            .serve_connection(TokioIo::new(tcp), service)
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

/// Calls `app`. A separate function, because its future must not borrow `app`.
fn call(
    app: &TowerToHyperService<Router>,
    request: Request<Incoming>,
) -> impl Future<Output = Result<Response, Infallible>> + use<> {
    app.call(request)
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
