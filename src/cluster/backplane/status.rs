//! Tells the node how its connection stands. Of what happens while the node is busy only what holds
//! in the end is told: so the client, which drops what it cannot report, is never kept waiting.

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc};

use super::Incoming;

/// Between the connection and the node.
#[derive(Debug, Default)]
pub(crate) struct Herald {
    news: Mutex<News>,
    wake: Notify,
}

/// What the node was not told yet.
#[derive(Debug, Default)]
struct News {
    /// There is a connection again, or no more.
    is_connected: Option<bool>,
    /// Messages were dropped.
    has_missed: bool,
}

impl Herald {
    /// There is a connection, the first or again, or no more.
    pub(crate) fn connected(&self, is_connected: bool) {
        self.news.lock().is_connected = Some(is_connected);
        self.wake.notify_one();
    }

    /// Messages were dropped.
    pub(crate) fn missed(&self) {
        self.news.lock().has_missed = true;
        self.wake.notify_one();
    }

    /// Tells the node, for as long as it listens. That there is a connection it is told once `heard`
    /// has come back, if there still is one then.
    pub(crate) async fn run(
        &self,
        node: mpsc::Sender<Incoming>,
        heard: impl Fn() -> BoxFuture<'static, ()>,
    ) {
        loop {
            let news = std::mem::take(&mut *self.news.lock());
            let told = match news {
                // Whoever hears this knows that messages were lost, or will hear so.
                News {
                    is_connected: Some(true),
                    ..
                } => {
                    heard().await;
                    if self.news.lock().is_connected.is_some() {
                        continue;
                    }
                    Incoming::Connected
                }
                News {
                    is_connected: Some(false),
                    ..
                } => Incoming::Disconnected,
                News {
                    has_missed: true, ..
                } => Incoming::Missed,
                News { .. } => {
                    self.wake.notified().await;
                    continue;
                }
            };
            if node.send(told).await.is_err() {
                return;
            }
        }
    }
}
