//! Connection status on its way from the NATS client to the node.
//!
//! Only the latest status is kept while the node is busy. So the client, which drops events that it
//! cannot report, never waits.

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc};

use super::Incoming;

/// The latest status that the node was not sent yet.
#[derive(Debug, Default)]
pub(super) struct ConnectionStatus {
    unsent: Mutex<Unsent>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct Unsent {
    /// The connection was established (true) or lost.
    is_connected: Option<bool>,
    /// Messages were lost.
    has_missed: bool,
}

impl ConnectionStatus {
    /// Records that the connection was established or lost.
    pub(super) fn set_connected(&self, is_connected: bool) {
        self.unsent.lock().is_connected = Some(is_connected);
        self.wake.notify_one();
    }

    /// Records that messages were lost.
    pub(super) fn set_missed(&self) {
        self.unsent.lock().has_missed = true;
        self.wake.notify_one();
    }

    /// Sends each status to the node until the receiver is dropped.
    ///
    /// Before `Connected` is sent, `confirm` is awaited. If the status has changed by then, it is
    /// sent instead.
    pub(super) async fn run(
        &self,
        node: mpsc::Sender<Incoming>,
        confirm: impl Fn() -> BoxFuture<'static, ()>,
    ) {
        loop {
            let unsent = std::mem::take(&mut *self.unsent.lock());
            let incoming = match unsent {
                // `Connected` implies that messages were lost.
                Unsent {
                    is_connected: Some(true),
                    ..
                } => {
                    confirm().await;
                    if self.unsent.lock().is_connected.is_some() {
                        continue;
                    }
                    Incoming::Connected
                }
                Unsent {
                    is_connected: Some(false),
                    ..
                } => Incoming::Disconnected,
                Unsent {
                    has_missed: true, ..
                } => Incoming::Missed,
                Unsent { .. } => {
                    self.wake.notified().await;
                    continue;
                }
            };
            if node.send(incoming).await.is_err() {
                return;
            }
        }
    }
}
