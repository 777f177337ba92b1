//! The backplane of a node that is the only one: whoever might have to be told is in this process,
//! and was told by the room.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::sync::mpsc;

use super::{Backplane, Connection, Reach, Subject};

#[derive(Debug)]
struct Alone {
    /// Kept, so that what comes in does not end: it is silent.
    _incoming: mpsc::Sender<super::Incoming>,
}

/// A connection to nobody.
pub fn alone() -> Connection {
    let (_incoming, incoming) = mpsc::channel(1);
    Connection {
        backplane: Arc::new(Alone { _incoming }),
        incoming,
        reach: Reach::Nobody,
    }
}

impl Backplane for Alone {
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
