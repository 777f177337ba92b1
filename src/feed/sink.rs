//! The interface to a subscriber's transport.

use futures_util::{FutureExt, future::BoxFuture};
use tokio::sync::OwnedSemaphorePermit;

use super::Payload;
use crate::error::Error;

/// The error of a sink that takes no more payloads, because its subscriber is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed;

/// A subscriber's turn to catch up. It ends when this is dropped.
#[derive(Debug, Default)]
pub struct Turn {
    _permit: Option<OwnedSemaphorePermit>,
}

impl Turn {
    /// Creates a turn that keeps the next one from beginning.
    pub fn new(permit: OwnedSemaphorePermit) -> Self {
        Self {
            _permit: Some(permit),
        }
    }
}

/// The destination of one subscriber's payloads.
///
/// A sink is bounded. Payloads that do not fit are not lost: the subscriber is caught up as soon as
/// the sink has capacity.
pub trait Sink: Send + Sync {
    /// Takes payloads in order until the sink is full, and returns the number taken. Never waits.
    /// The caller offers from one task at a time.
    fn offer(&self, payloads: &[Payload]) -> Result<usize, Closed>;

    /// Waits until the sink has capacity or is closed.
    fn ready(&self) -> BoxFuture<'_, ()>;

    /// Waits for the subscriber's turn to read a page of what it missed. The sinks of one connection
    /// take turns, so that a client that reads nothing makes the server hold one page.
    fn turn(&self) -> BoxFuture<'_, Turn> {
        std::future::ready(Turn::default()).boxed()
    }

    /// Ends the subscription with an error, after the payloads that were taken.
    fn fail(&self, error: Error);
}
