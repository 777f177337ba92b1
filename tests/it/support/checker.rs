//! A site's own check of comments, which records the requests that it gets.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, header::LOCATION},
    response::{IntoResponse, Response},
    routing::post,
};
use tokio::{net::TcpListener, task::JoinHandle};

use super::Behaviour;

/// A request that was received.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

struct Site {
    behaviour: Mutex<Behaviour>,
    received: Mutex<Vec<Received>>,
}

/// A check on a real socket. Dropping it takes it off the network.
pub(crate) struct Checker {
    address: SocketAddr,
    site: Arc<Site>,
    serving: JoinHandle<()>,
}

impl Checker {
    /// Starts a check that behaves this way.
    pub(crate) async fn start(behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let site = Arc::new(Site {
            behaviour: Mutex::new(behaviour),
            received: Mutex::default(),
        });
        let router = Router::new()
            .route("/check", post(answer))
            .with_state(Arc::clone(&site));
        Self {
            address,
            site,
            serving: tokio::spawn(async move {
                axum::serve(listener, router).await.expect("served");
            }),
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/check", self.address)
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn behave(&self, behaviour: Behaviour) {
        *self.site.behaviour.lock().expect("no panic") = behaviour;
    }

    /// Returns the requests so far.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.site.received.lock().expect("no panic").clone()
    }
}

impl Drop for Checker {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer(State(site): State<Arc<Site>>, headers: HeaderMap, body: Bytes) -> Response {
    let received = Received { headers, body };
    site.received.lock().expect("no panic").push(received);
    let behaviour = site.behaviour.lock().expect("no panic").clone();
    match behaviour {
        Behaviour::Json(json) => json.to_string().into_response(),
        Behaviour::Text(text) => text.into_response(),
        Behaviour::Status(status, json) => (status, json.to_string()).into_response(),
        Behaviour::Redirect(to) => {
            (StatusCode::TEMPORARY_REDIRECT, [(LOCATION, to)]).into_response()
        }
        Behaviour::Never => std::future::pending().await,
    }
}
