//! The queue of what is to be sent to other nodes. Rooms and requests fill it without waiting; the
//! cluster task drains it.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use indexmap::IndexMap;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::{
    model::{Change, ClientId, PostId, UserId},
    rooms::{Room, RoomEnd, RoomId},
};

/// Maximum number of queued messages. A further one is dropped and counted. Other nodes find a
/// dropped change in the store.
const MAX_QUEUED: usize = 4096;

/// A message to be sent once.
#[derive(Clone, Debug)]
pub(super) enum Outbound {
    /// A committed change.
    Change(Arc<Change>),
    /// The end of a user's typing in a client, which another node may show.
    TypingStopped {
        post: PostId,
        user: UserId,
        client: Option<ClientId>,
    },
    /// A change of a user's status in the store.
    UserChanged(UserId),
    /// A new version of a post's details.
    DetailsChanged { post: PostId, version: i64 },
    /// A new version of a post's reactions.
    ReactionsChanged { post: PostId, version: i64 },
    /// The end of a room whose post was moved or deleted.
    RoomEnded { post: PostId, end: RoomEnd },
    /// A question for the number of viewers of a post.
    CountRequest(PostId),
}

/// A bounded queue of messages, and of rooms that have deltas.
#[derive(Debug, Default)]
pub(super) struct OutboundQueue {
    queued: Mutex<Queued>,
    wake: Notify,
    dropped: AtomicU64,
}

/// The contents of an [`OutboundQueue`].
#[derive(Debug, Default)]
pub(super) struct Queued {
    pub(super) messages: VecDeque<Outbound>,
    /// Rooms whose deltas are to be taken. Each is queued once, so there are no more than rooms.
    pub(super) rooms: IndexMap<RoomId, Arc<Room>>,
    /// True if the lists that wait for moderators changed. Any number of changes is one message.
    pub(super) queue_changed: bool,
}

impl OutboundQueue {
    /// Queues a message, or drops it if [`MAX_QUEUED`] wait.
    pub(super) fn push(&self, message: Outbound) {
        let mut queued = self.queued.lock();
        if queued.messages.len() == MAX_QUEUED {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        queued.messages.push_back(message);
        drop(queued);
        self.wake.notify_one();
    }

    /// Queues a room to have its deltas taken. Idempotent until [`take`](Self::take).
    pub(super) fn push_room(&self, room: &Arc<Room>) {
        self.queued.lock().rooms.insert(room.id(), Arc::clone(room));
        self.wake.notify_one();
    }

    /// Queues that the lists which wait for moderators changed. Idempotent until [`take`](Self::take).
    pub(super) fn push_queue_change(&self) {
        self.queued.lock().queue_changed = true;
        self.wake.notify_one();
    }

    /// Waits until something is queued. Cancel safe.
    pub(super) async fn ready(&self) {
        self.wake.notified().await;
    }

    /// Removes and returns all that is queued.
    pub(super) fn take(&self) -> Queued {
        std::mem::take(&mut *self.queued.lock())
    }

    /// Returns the number of messages dropped so far.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}
