//! The interface to the renderer of events, which the GraphQL executor implements.

use futures_util::future::BoxFuture;

use super::{Event, Payload, RenderError};
use crate::{memory::Account, rooms::RoomId};

/// The renderer of a subscriber group: turns events into payloads.
pub trait Render: Send + Sync {
    /// Renders an event. Its memory is reserved from `memory`.
    fn render(
        &self,
        event: Event,
        memory: &Account,
    ) -> BoxFuture<'static, Result<Payload, RenderError>>;

    /// Renders an event that many subscribers ask for at about the same time, such as a value that all
    /// who join are sent. They may share one execution.
    fn render_once(
        &self,
        event: Event,
        memory: &Account,
    ) -> BoxFuture<'static, Result<Payload, RenderError>> {
        self.render(event, memory)
    }

    /// Records that sinks took `payloads` payloads.
    fn delivered(&self, payloads: usize);

    /// Releases what the renderer holds for the group in this room. Called once, when the group
    /// is dropped.
    fn group_ended(&self, room: RoomId);
}
