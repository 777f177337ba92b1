//! The interface to the renderer of events, which the GraphQL executor implements.

use futures_util::future::BoxFuture;

use super::{Event, Payload, RenderError};
use crate::rooms::RoomId;

/// The renderer of a subscriber group: turns events into payloads.
pub trait Render: Send + Sync {
    /// Renders an event. Callers that ask for the same event may share one execution.
    fn render(&self, event: Event) -> BoxFuture<'static, Result<Payload, RenderError>>;

    /// Records that sinks took `payloads` payloads.
    fn delivered(&self, payloads: usize);

    /// Releases what the renderer holds for the group in this room. Called once, when the group
    /// is dropped.
    fn group_ended(&self, room: RoomId);
}
