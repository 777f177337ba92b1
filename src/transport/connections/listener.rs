//! Taking connections and serving HTTP on them: how many there may be, how long a client may take to
//! ask, and how they end when the server goes down.
//!
//! A connection that finds no place is told so and closed, before anything is read of it: 503 where
//! all places are taken, 429 where its address has as many as it may have.

use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::{
    Router,
    http::{Request, request::Parts},
    response::Response,
    serve::Listener,
};
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
    limiter::{Full, Place, Places},
    trusted_proxies::Proxies,
};
use crate::{
    config::{ClientsConfig, Switch},
    model::ClientAddress,
};

/// The largest head of a request, its URL included, and what is read of a body at a time.
const BUFFER_BYTES: usize = 64 * 1024;
/// How many connections are being told at the same time that there is no place; more are closed
/// without a word.
const REFUSALS: usize = 64;
/// How long such a connection is listened to, so that it hears the answer before it is closed.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(1);

/// Who is let in, and who they are.
#[derive(Clone, Debug)]
pub struct Entrance {
    places: Places,
    proxies: Proxies,
}

/// A connection, as its requests know it.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    peer: IpAddr,
    /// Taken until nothing is left of the connection.
    place: Arc<Place>,
}

/// What a socket or a stream holds for as long as it lives.
#[derive(Debug)]
pub(crate) struct Seat {
    _connection: Option<Arc<Place>>,
    _address: Option<Place>,
}

impl Entrance {
    /// Of these settings. Where limits are off, an address may have all connections.
    pub fn new(config: &ClientsConfig, limits: Switch) -> Self {
        let by_address = (limits == Switch::On).then_some(config.connections_per_address);
        let trusted = config.trusted_proxies.clone();
        Self {
            places: Places::new(config.connection_limit, by_address),
            proxies: Proxies::new(trusted, config.proxy_header),
        }
    }

    /// The client that sends a request.
    pub(crate) fn client(&self, request: &Parts) -> Option<ClientAddress> {
        let origin = request.extensions.get::<Origin>()?;
        Some(self.proxies.client(origin.peer, &request.headers))
    }

    /// A seat for what lives longer than a request. The connection of a proxy is many clients':
    /// there each of them is counted.
    pub(crate) fn seat(&self, request: &Parts) -> Result<Seat, Full> {
        let origin = request.extensions.get::<Origin>();
        let behind = origin.filter(|origin| self.proxies.are_trusted(origin.peer));
        let address = match behind {
            Some(Origin { peer, .. }) => {
                let client = self.proxies.client(*peer, &request.headers);
                Some(self.places.shared(client)?)
            }
            None => None,
        };
        Ok(Seat {
            _connection: origin.map(|origin| Arc::clone(&origin.place)),
            _address: address,
        })
    }

    fn enter(&self, peer: IpAddr) -> Result<Origin, Full> {
        let is_proxy = self.proxies.are_trusted(peer);
        let address = (!is_proxy).then(|| ClientAddress::from(peer));
        let place = self.places.connection(address)?;
        Ok(Origin {
            peer,
            place: Arc::new(place),
        })
    }
}

/// Serves until `stop`; then no connection is taken any more, and those that are open end with the
/// answers that are under way. Where this is dropped, they end at once.
pub async fn serve(
    mut listener: impl Listener<Io = TcpStream, Addr = SocketAddr>,
    router: Router,
    entrance: Entrance,
    read_timeout: Duration,
    stop: CancellationToken,
) {
    let connections = TaskTracker::new();
    let cut_off = CancellationToken::new();
    let _cut_off = cut_off.clone().drop_guard();
    let app = TowerToHyperService::new(router);
    let refusals = Arc::new(Semaphore::new(REFUSALS));
    loop {
        let (tcp, peer) = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match entrance.enter(peer.ip()) {
            Ok(origin) => {
                let connection = connection(tcp, app.clone(), origin, read_timeout, stop.clone());
                connections.spawn(cut_off.clone().run_until_cancelled_owned(connection));
            }
            Err(full) => {
                tracing::debug!(%peer, ?full, "a connection was refused");
                if let Ok(permit) = Arc::clone(&refusals).try_acquire_owned() {
                    let refusal = async move {
                        let _ = timeout(REFUSAL_TIMEOUT, refuse(tcp, full)).await;
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

/// Serves one connection. What becomes of it as a WebSocket is a task of its own.
async fn connection(
    tcp: TcpStream,
    app: TowerToHyperService<Router>,
    origin: Origin,
    read_timeout: Duration,
    stop: CancellationToken,
) {
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(origin.clone());
        answer(&app, request)
    });
    let mut connection = std::pin::pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            // It runs from when a request could begin: so it also ends a connection that asks
            // nothing more.
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
        tracing::debug!(%error, "a connection broke");
    }
}

fn answer(
    app: &TowerToHyperService<Router>,
    request: Request<Incoming>,
) -> impl Future<Output = Result<Response, Infallible>> + use<> {
    app.call(request)
}

/// Tells a client that there is no place. A connection that is closed with something unread is
/// reset, and the answer may be lost with it: so what comes is read, for a while.
async fn refuse(mut tcp: TcpStream, full: Full) {
    let status = match full {
        Full::InAll => "503 Service Unavailable",
        Full::ByAddress => "429 Too Many Requests",
    };
    let answer = format!(
        "HTTP/1.1 {status}\r\nRetry-After: 5\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    );
    if tcp.write_all(answer.as_bytes()).await.is_err() || tcp.shutdown().await.is_err() {
        return;
    }
    let mut unread = [0; 1024];
    while matches!(tcp.read(&mut unread).await, Ok(1..)) {}
}
