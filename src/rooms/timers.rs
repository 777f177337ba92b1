//! When each room wants to be looked at again: one queue for all rooms, one task that waits.

use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
    time::Instant,
};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::room::Room;

/// What Tokio's clock says, which a simulation moves on by itself.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Rooms by the instant at which they want to be looked at. A room stands here once at most, so
/// the queue is no longer than the list of rooms.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    queue: Mutex<BTreeMap<Key, Weak<Room>>>,
    sooner: Notify,
}

/// The instant, and the room's address, which tells rooms of one instant apart.
type Key = (Instant, usize);

fn key(at: Instant, room: &Arc<Room>) -> Key {
    (at, Arc::as_ptr(room).addr())
}

impl Timers {
    /// Has the room looked at when `at` comes.
    pub(crate) fn schedule(&self, at: Instant, room: &Arc<Room>) {
        let key = key(at, room);
        let mut queue = self.queue.lock();
        queue.insert(key, Arc::downgrade(room));
        if queue.first_key_value().map(|(first, _)| *first) == Some(key) {
            self.sooner.notify_one();
        }
    }

    /// Takes back what [`schedule`](Self::schedule) was told.
    pub(crate) fn cancel(&self, at: Instant, room: &Arc<Room>) {
        self.queue.lock().remove(&key(at, room));
    }

    /// Waits until rooms are due, and takes them out. Cancelling the future loses none.
    pub(crate) async fn due(&self) -> Vec<Arc<Room>> {
        loop {
            let first = self.queue.lock().first_key_value().map(|(&(at, _), _)| at);
            match first {
                None => self.sooner.notified().await,
                Some(at) => tokio::select! {
                    () = tokio::time::sleep_until(at.into()) => return self.take(now()),
                    () = self.sooner.notified() => {}
                },
            }
        }
    }

    fn take(&self, now: Instant) -> Vec<Arc<Room>> {
        let mut queue = self.queue.lock();
        let later = queue.split_off(&(now, usize::MAX));
        std::mem::replace(&mut *queue, later)
            .into_values()
            .filter_map(|room| room.upgrade())
            .collect()
    }
}
