//! What an group needs of others: where its subscribers' payloads go, and who renders them.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::Event;
use crate::{error::Error, rooms::RoomId};

/// An event as its subscribers are given it. The bytes are shared by all of them.
pub type Payload = Arc<str>;

/// Nothing is taken any more: the subscriber is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed;

/// Where the payloads of one subscriber go.
///
/// It is bounded. What does not fit is not lost: the subscriber is caught up once there is room.
pub trait Sink: Send + Sync {
    /// Takes payloads in order, as many as there is room for, and says how many that were. Never
    /// waits. The caller offers from one task at a time.
    fn offer(&self, payloads: &[Payload]) -> Result<usize, Closed>;

    /// Waits until there is room, or until nothing is taken any more.
    fn ready(&self) -> BoxFuture<'_, ()>;

    /// Ends the subscription, behind what was taken.
    fn fail(&self, error: Error);
}

/// Why an event could not be rendered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RenderError {
    /// It would be larger than a payload may be.
    TooLarge,
    /// Something broke.
    Failed,
}

impl From<RenderError> for Error {
    fn from(why: RenderError) -> Self {
        match why {
            RenderError::TooLarge => Self::TooLarge("An event of a subscription is too large."),
            RenderError::Failed => Self::Internal("an event could not be rendered".into()),
        }
    }
}

/// Turns events into what the subscribers of one group are given.
pub trait Render: Send + Sync {
    /// Renders an event.
    fn render(&self, event: Event) -> BoxFuture<'static, Result<Payload, RenderError>>;

    /// Counts payloads that were handed to sinks.
    fn delivered(&self, payloads: usize);

    /// Nobody in this room is rendered for any more.
    fn over(&self, room: RoomId);
}
