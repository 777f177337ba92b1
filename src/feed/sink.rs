//! The interface to a subscriber's transport.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::error::Error;

/// An event in the form in which clients receive it. All subscribers share the bytes.
pub type Payload = Arc<str>;

/// The error of a sink that takes no more payloads, because its subscriber is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed;

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

    /// Ends the subscription with an error, after the payloads that were taken.
    fn fail(&self, error: Error);
}
