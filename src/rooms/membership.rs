//! Membership of a room.

use std::sync::Arc;

use super::{
    grace::SentAway, hub::Hub, listener::Listener, participant::Participant, room::Room,
    timers::now, viewer_id::ViewerId,
};
use crate::model::{ClientId, Seq};

/// A guard that keeps a client in a room. Dropping it is the only way to leave. If the server itself has
/// sent the client away, its viewer then keeps its place in the count for 5 s.
///
/// A subscription's stream owns it, so the client is in the room exactly as long as it subscribes.
#[derive(Debug)]
pub struct Membership {
    hub: Hub,
    room: Arc<Room>,
    client: ClientId,
    viewer: ViewerId,
    sent_away: SentAway,
}

impl Membership {
    pub(super) fn new(
        hub: Hub,
        room: Arc<Room>,
        participant: &Participant,
        viewer: ViewerId,
    ) -> Self {
        Self {
            hub,
            room,
            client: participant.client.clone(),
            viewer,
            sent_away: participant.sent_away.clone(),
        }
    }

    /// Returns the seq of the room's newest delivered change. It is `None`, and no change is
    /// delivered, until [`establish`](Self::establish) is called.
    pub fn head(&self) -> Option<Seq> {
        self.room.lock().resequencer.head()
    }

    /// Sets the room's head to the store's seq, which must be read after this membership began.
    /// Only the first call of all members counts.
    pub fn establish(&self, seq: Seq) {
        self.hub.establish(&self.room, seq);
    }

    /// Returns a listener to the room. It may outlive the membership, and receives nothing after
    /// the last member has left.
    pub fn listener(&self) -> Listener {
        Listener::new(Arc::clone(&self.room))
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        let sent_away_at = self.sent_away.is_set().then(now);
        self.hub
            .leave(&self.room, &self.client, self.viewer, sent_away_at);
    }
}
