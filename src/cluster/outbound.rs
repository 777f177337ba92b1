//! What waits to be told to other nodes. Whoever puts something here waits for nothing; the task
//! of the cluster takes it.

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
    rooms::room::{Room, RoomId},
};

/// How many parcels wait. One more is dropped, and counted: a change is found in the store by those
/// who are not told of it.
const MAX_WAITING: usize = 4096;

/// Something to be told once.
#[derive(Clone, Debug)]
pub(crate) enum Parcel {
    /// A change that was committed.
    Change(Arc<Change>),
    /// What a user typed in this client has ended, which another node shows.
    StoppedTyping {
        post: PostId,
        user: UserId,
        client: Option<ClientId>,
    },
    /// Something about a user's standing was changed in the store.
    UserChanged(UserId),
    /// How many read this post is to be asked.
    HowMany(PostId),
}

/// What is to be told.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    queue: Mutex<Queue>,
    wake: Notify,
    dropped: AtomicU64,
}

/// What was taken out.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    pub(crate) parcels: VecDeque<Parcel>,
    /// Rooms that have something to announce: each once, so that there are no more than rooms.
    pub(crate) rooms: IndexMap<RoomId, Arc<Room>>,
}

impl Outgoing {
    /// Has the parcel sent; drops it where too many wait.
    pub(crate) fn send(&self, parcel: Parcel) {
        let mut queue = self.queue.lock();
        if queue.parcels.len() == MAX_WAITING {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        queue.parcels.push_back(parcel);
        drop(queue);
        self.wake.notify_one();
    }

    /// Has the room asked for what it announces.
    pub(crate) fn announce(&self, room: &Arc<Room>) {
        self.queue.lock().rooms.insert(room.id(), Arc::clone(room));
        self.wake.notify_one();
    }

    /// Waits until there is something. Cancelling the future loses nothing.
    pub(crate) async fn ready(&self) {
        self.wake.notified().await;
    }

    /// Takes out all there is.
    pub(crate) fn take(&self) -> Queue {
        std::mem::take(&mut *self.queue.lock())
    }

    /// How many parcels were dropped so far.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}
