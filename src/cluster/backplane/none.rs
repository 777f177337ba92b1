//! The backplane of a standalone node, which carries nothing.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::sync::mpsc;

use super::{Backplane, Connection, Incoming, Subject, Topology};

#[derive(Debug)]
struct NoBackplane {
    /// Keeps the receiver open, so it stays silent instead of ending.
    _sender: mpsc::Sender<Incoming>,
}

/// Creates a connection without other nodes.
pub fn none() -> Connection {
    let (sender, incoming) = mpsc::channel(1);
    Connection {
        backplane: Arc::new(NoBackplane { _sender: sender }),
        incoming,
        topology: Topology::Standalone,
    }
}

impl Backplane for NoBackplane {
    fn publish(&self, _subject: &Subject, _message: Bytes) {}

    fn subscribe(&self, _subject: &Subject) {}

    fn unsubscribe(&self, _subject: &Subject) {}

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    fn dropped(&self) -> u64 {
        0
    }
}
