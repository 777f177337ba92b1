//! Wake-up times: one queue for all rooms, and one task that waits for it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
    time::Instant,
};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::room::Room;

/// Returns the time of Tokio's clock, which a simulation can advance.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Rooms by their wake-up time. Each room is queued at most once, so the queue is no longer than
/// the list of rooms.
#[derive(Debug, Default)]
pub(super) struct Timers {
    queue: Mutex<BTreeMap<Key, Weak<Room>>>,
    sooner: Notify,
}

/// A wake-up time and the room's address, which distinguishes rooms that share the time.
type Key = (Instant, usize);

fn key(at: Instant, room: &Arc<Room>) -> Key {
    (at, Arc::as_ptr(room).addr())
}

impl Timers {
    /// Schedules a wake-up of `room` at `at`.
    pub(super) fn schedule(&self, at: Instant, room: &Arc<Room>) {
        let key = key(at, room);
        let mut queue = self.queue.lock();
        queue.insert(key, Arc::downgrade(room));
        if queue.first_key_value().map(|(first, _)| *first) == Some(key) {
            self.sooner.notify_one();
        }
    }

    /// Cancels the wake-up that [`schedule`](Self::schedule) registered for the same arguments.
    pub(super) fn cancel(&self, at: Instant, room: &Arc<Room>) {
        self.queue.lock().remove(&key(at, room));
    }

    /// Waits until rooms are due, and removes them from the queue. Cancel safe.
    pub(super) async fn due(&self) -> Vec<Arc<Room>> {
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
