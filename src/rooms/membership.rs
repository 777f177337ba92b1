//! Being in a room.

use std::sync::Arc;

use super::{hub::Hub, listener::Listener, room::Room, viewer_id::ViewerId};
use crate::model::{ClientId, Seq};

/// One subscription's place in a room. Dropping it is the only way to leave; a subscription owns
/// it, so that being in the room is the lifetime of the subscription.
#[derive(Debug)]
pub struct Membership {
    hub: Hub,
    room: Arc<Room>,
    client: ClientId,
    viewer: ViewerId,
}

impl Membership {
    pub(crate) fn new(hub: Hub, room: Arc<Room>, client: ClientId, viewer: ViewerId) -> Self {
        Self {
            hub,
            room,
            client,
            viewer,
        }
    }

    /// Where the room's feed stands. Unknown until somebody has [established](Self::establish) it;
    /// until then no change goes out.
    pub fn head(&self) -> Option<Seq> {
        self.room.lock().sequencer.head()
    }

    /// Tells the room where the post's feed stood in the store at some moment after this joining.
    pub fn establish(&self, seq: Seq) {
        self.hub.update(&self.room, |state| {
            let ready = state.sequencer.establish(seq);
            self.room.send(state, ready);
        });
    }

    /// Who listens to this room. It may outlive the membership, and hears nothing more once the
    /// last member has left.
    pub fn listener(&self) -> Listener {
        Listener::new(Arc::clone(&self.room))
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.hub.leave(&self.room, &self.client, self.viewer);
    }
}
