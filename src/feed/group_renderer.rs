//! The renderer of one subscriber group, at the group's place in its room.

use std::sync::Arc;

use super::{
    Event,
    batch::Update,
    render::Render,
    render_error::RenderError,
    room_share::GroupPlace,
    topic::{Step, Topic},
};
use crate::{memory::Account, rooms::RoomId};

/// Turns the steps of a topic into updates. The group and its fan-out share it, so a rendering under way
/// does not keep alive a group whose subscribers have left.
pub(super) struct GroupRenderer {
    render: Arc<dyn Render>,
    place: GroupPlace,
    /// Dropped after the place, so that the renderer finds it empty.
    _end: GroupEnd,
}

impl GroupRenderer {
    /// Creates the renderer of a group in a room.
    pub(super) fn new(render: Arc<dyn Render>, place: GroupPlace, room: RoomId) -> Self {
        Self {
            render: Arc::clone(&render),
            place,
            _end: GroupEnd { render, room },
        }
    }

    /// Renders a step, whose payload is reserved from `memory`. Waits for a turn of the room if the event
    /// is of a log, because its selection may read the store.
    pub(super) async fn update<T: Topic>(
        &self,
        step: &Step<T>,
        memory: &Account,
    ) -> Result<Update<T>, RenderError> {
        let payload = match step.event.clone().map(Event::of::<T>) {
            Some(event) if T::IS_LOG => {
                let _turn = self.place.rendering().await;
                Some(self.render.render(event, memory).await?)
            }
            Some(event) => Some(self.render.render_once(event, memory).await?),
            None => None,
        };
        Ok(Update::new(step, payload))
    }

    /// Returns the number of bytes that the group's replay buffer may have now.
    pub(super) fn replay_bytes(&self) -> usize {
        self.place.replay_bytes()
    }

    /// Records that sinks took `payloads` payloads.
    pub(super) fn record_delivered(&self, payloads: usize) {
        if payloads > 0 {
            self.render.delivered(payloads);
        }
    }
}

/// Tells the renderer that a group has ended.
struct GroupEnd {
    render: Arc<dyn Render>,
    room: RoomId,
}

impl Drop for GroupEnd {
    fn drop(&mut self) {
        self.render.group_ended(self.room);
    }
}
