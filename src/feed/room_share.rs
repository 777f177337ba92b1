//! The bounds that the subscriber groups of one room share: on their number, on the renderings under
//! way, and on the memory of their replay buffers.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::{Semaphore, SemaphorePermit};

/// Maximum number of subscriber groups in one room, because each costs one execution an event. A
/// site has a handful.
const MAX_GROUPS: usize = 256;
/// Maximum number of events of logs that are rendered at once in one room. A selection may read the
/// store, and hold what it has read.
const MAX_RENDERINGS: usize = 4;
/// Maximum size of all replay buffers of a room, in bytes.
const MAX_REPLAY_BYTES: usize = 1024 * 1024;
/// Maximum size of one replay buffer, in bytes.
const MAX_REPLAY_BYTES_OF_GROUP: usize = 256 * 1024;

/// The bounds that the groups of one room share.
#[derive(Debug)]
pub struct RoomShare {
    groups: AtomicUsize,
    renderings: Semaphore,
}

/// The place of one group in its room. Dropping it leaves the place.
#[derive(Debug)]
pub struct GroupPlace(Arc<RoomShare>);

impl Default for RoomShare {
    fn default() -> Self {
        Self {
            groups: AtomicUsize::new(0),
            renderings: Semaphore::new(MAX_RENDERINGS),
        }
    }
}

impl RoomShare {
    /// Returns a place for one more group. Returns `None` if the room has its maximum.
    pub fn add_group(self: &Arc<Self>) -> Option<GroupPlace> {
        let add = |groups| (groups < MAX_GROUPS).then_some(groups + 1);
        let (success, failure) = (Ordering::Relaxed, Ordering::Relaxed);
        let added = self.groups.fetch_update(success, failure, add);
        added.is_ok().then(|| GroupPlace(Arc::clone(self)))
    }
}

impl GroupPlace {
    /// Waits for a turn to render an event of a log.
    pub(super) async fn rendering(&self) -> Option<SemaphorePermit<'_>> {
        self.0.renderings.acquire().await.ok()
    }

    /// Returns the number of bytes that the group's replay buffer may have now.
    pub(super) fn replay_bytes(&self) -> usize {
        let groups = self.0.groups.load(Ordering::Relaxed).max(1);
        MAX_REPLAY_BYTES_OF_GROUP.min(MAX_REPLAY_BYTES / groups)
    }
}

impl Drop for GroupPlace {
    fn drop(&mut self) {
        self.0.groups.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_bounds_its_groups_and_they_share_the_replay_bytes() {
        let room = Arc::new(RoomShare::default());
        let first = room.add_group().unwrap();
        assert_eq!(first.replay_bytes(), MAX_REPLAY_BYTES_OF_GROUP);
        let others: Vec<_> = (1..MAX_GROUPS).map(|_| room.add_group().unwrap()).collect();
        assert!(room.add_group().is_none());
        assert_eq!(first.replay_bytes() * MAX_GROUPS, MAX_REPLAY_BYTES);
        drop(others);
        assert!(room.add_group().is_some());
    }
}
