//! The end of a room whose post was moved or deleted.

use super::hub::Hub;
use crate::model::PostId;

/// The reason for which a room has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoomEnd {
    /// The post has another id.
    Moved,
    /// The post is gone.
    Deleted,
}

impl Hub {
    /// Ends the post's room on all nodes. Its listeners are told the reason. A later member enters a new room.
    pub fn end_room(&self, post: &PostId, end: RoomEnd) {
        self.end_room_here(post, end);
        if let Some(peers) = self.peers() {
            peers.room_ended(post, end);
        }
    }

    /// Ends the post's room on this node.
    pub(crate) fn end_room_here(&self, post: &PostId, end: RoomEnd) {
        let Some(room) = self.find(post) else {
            return;
        };
        let mut state = room.lock();
        if !state.is_evicted {
            self.retire(&room, &mut state);
        }
        drop(state);
        room.end(end);
        self.evict(&room);
    }
}
