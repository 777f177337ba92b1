//! Watching a post's room without being in it.

use std::sync::Arc;

use super::{hub::Hub, listener::Listener, room::Room};
use crate::model::{PostId, Seq};

/// A guard that keeps a post's room on this node, so that its events are heard here. The client is no member,
/// and no viewer. Dropping it ends the watch.
#[derive(Debug)]
pub struct Watch {
    hub: Hub,
    room: Arc<Room>,
}

impl Hub {
    /// Keeps the post's room until the watch is dropped.
    pub fn watch(&self, post: &PostId) -> Watch {
        Watch {
            hub: self.clone(),
            room: self.enter(post, |state| state.watches += 1),
        }
    }
}

impl Watch {
    /// Returns the seq of the room's newest delivered change, as
    /// [`Membership::head`](super::Membership::head) does.
    pub fn head(&self) -> Option<Seq> {
        self.room.lock().resequencer.head()
    }

    /// Sets the room's head, as [`Membership::establish`](super::Membership::establish) does. `seq` must be read
    /// after this watch began.
    pub fn establish(&self, seq: Seq) {
        self.hub.establish(&self.room, seq);
    }

    /// Returns a listener to the room. It may outlive the watch.
    pub fn listener(&self) -> Listener {
        Listener::new(Arc::clone(&self.room))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.hub.update(&self.room, |state| state.watches -= 1);
    }
}
