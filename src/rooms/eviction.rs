//! Eviction of rooms from the hub.

use std::sync::Arc;

use super::{hub::Hub, room::Room, state::State};

impl Hub {
    /// Marks a room as evicted.
    pub(super) fn retire(&self, room: &Arc<Room>, state: &mut State) {
        state.is_evicted = true;
        if let Some(at) = state.wake_at.take() {
            self.shared.timers.cancel(at, room);
        }
        if let Some(peers) = self.peers() {
            // The final delta says that the room is empty. It is queued under the lock, because the
            // post's next room is created after this one is seen evicted, and its deltas must come later.
            peers.room_changed(room);
        }
    }

    /// Removes an evicted room from the map. The caller must not hold a room's lock: the map is
    /// locked before a room, never after.
    pub(super) fn evict(&self, room: &Arc<Room>) {
        let mut rooms = self.shared.rooms.lock();
        if rooms
            .get(room.post())
            .is_some_and(|listed| Arc::ptr_eq(listed, room))
        {
            rooms.remove(room.post());
        }
    }
}
