//! All rooms of this node, by post: rooms come with their first member and go with their last.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use parking_lot::Mutex;

use super::{
    membership::Membership,
    presence::Visitor,
    room::{Room, RoomId, State},
    timers::Timers,
};
use crate::{
    metrics::RoomMetrics,
    model::{Change, ChangeKind, ClientId, PostId, Seq, User},
};

/// A handle on the rooms of one node; cloning it is cheap and gives the same rooms.
///
/// Nothing here waits: joining, leaving and publishing take locks for as long as it takes to change
/// a few maps and to wake the members.
#[derive(Clone, Debug)]
pub struct Hub {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    rooms: Mutex<HashMap<PostId, Arc<Room>>>,
    timers: Timers,
    buffer: usize,
    /// How many rooms there ever were.
    made: AtomicU64,
    metrics: RoomMetrics,
}

/// How much is going on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Rooms that exist.
    pub rooms: usize,
    /// Clients in them, each counted once a room.
    pub members: usize,
}

impl Hub {
    /// No rooms yet. Each will keep `buffer` changes for those who listen and are behind.
    pub fn new(buffer: usize) -> Self {
        Self::measured(buffer, RoomMetrics::default())
    }

    /// As [`Self::new`], with what it is counted by.
    pub fn measured(buffer: usize, metrics: RoomMetrics) -> Self {
        Self {
            shared: Arc::new(Shared {
                rooms: Mutex::default(),
                timers: Timers::default(),
                buffer,
                made: AtomicU64::new(0),
                metrics,
            }),
        }
    }

    /// Takes the visitor into the post's room, until the membership is dropped.
    pub fn join(&self, post: &PostId, visitor: &Visitor) -> Membership {
        let viewer = visitor.viewer();
        let room = self.enter(post, |state| state.presence.join(&visitor.client, &viewer));
        Membership::new(self.clone(), room, visitor.client.clone(), viewer)
    }

    /// Delivers a change that was committed to the members of its post's room: in the order of the
    /// feed, each once, however often and in whatever order changes are published.
    pub fn publish(&self, change: Arc<Change>) {
        self.shared.metrics.published.increment(1);
        let Some(room) = self.find(&change.comment.post_id) else {
            return;
        };
        self.update(&room, |state| {
            if change.kind == ChangeKind::Added {
                state.typing.posted(&change.comment.author.id);
            }
            let ready = state.sequencer.accept(change);
            if state.sequencer.has_forgotten() {
                self.shared.metrics.forgotten.increment(1);
            }
            room.send(state, ready);
        });
    }

    /// Starts or refreshes the user's typing indicator at this post.
    pub fn start_typing(&self, post: &PostId, user: &User, client: Option<&ClientId>) {
        self.enter(post, |state| {
            state.typing.start(user, client, Instant::now());
        });
    }

    /// Ends the user's typing indicator at this post, as far as it is this client's.
    pub fn stop_typing(&self, post: &PostId, user: &User, client: Option<&ClientId>) {
        if let Some(room) = self.find(post) {
            self.update(&room, |state| state.typing.stop(&user.id, client));
        }
    }

    /// How many distinct readers are in the post's room now.
    pub fn viewers(&self, post: &PostId) -> usize {
        self.find(post)
            .map_or(0, |room| room.lock().presence.viewers())
    }

    /// Where the feed of this post's room stands; `None` where there is no room, or where that is
    /// not known yet.
    pub fn head(&self, post: &PostId) -> Option<Seq> {
        self.find(post)?.lock().sequencer.head()
    }

    /// Where the feed of each room with members stands, as far as that is known.
    pub fn heads(&self) -> Vec<(PostId, Seq)> {
        let rooms: Vec<Arc<Room>> = self.shared.rooms.lock().values().cloned().collect();
        rooms
            .into_iter()
            .filter_map(|room| {
                let head = room.lock().sequencer.head()?;
                Some((room.post().clone(), head))
            })
            .collect()
    }

    /// Has the members of the room read from the store what this node was not told of, up to `seq`.
    /// Does nothing where nothing is missing.
    pub fn catch_up_to(&self, post: &PostId, seq: Seq) {
        if let Some(room) = self.find(post)
            && self.update(&room, |state| room.catch_up_to(state, seq))
        {
            self.shared.metrics.gaps.increment(1);
        }
    }

    /// Counts rooms and members.
    pub fn census(&self) -> Census {
        let rooms: Vec<Arc<Room>> = self.shared.rooms.lock().values().cloned().collect();
        Census {
            rooms: rooms.len(),
            members: rooms
                .iter()
                .map(|room| room.lock().presence.members())
                .sum(),
        }
    }

    /// Does what becomes due: publishes conflated values, ends typing indicators. Runs until it is
    /// dropped.
    pub async fn run(&self) {
        loop {
            for room in self.shared.timers.due().await {
                self.update(&room, |state| state.wake_at = None);
            }
        }
    }

    /// Changes a room's state and publishes what follows from it.
    pub(super) fn update<T>(&self, room: &Arc<Room>, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = room.lock();
        let done = change(&mut state);
        self.settle(room, &mut state);
        let is_over = state.is_empty() && !state.is_evicted;
        if is_over {
            state.is_evicted = true;
            if let Some(at) = state.wake_at.take() {
                self.shared.timers.cancel(at, room);
            }
        }
        drop(state);
        if is_over {
            self.evict(room);
        }
        done
    }

    /// Changes the state of the post's room, which is made where there is none.
    fn enter(&self, post: &PostId, change: impl FnOnce(&mut State)) -> Arc<Room> {
        loop {
            let room = Arc::clone(
                self.shared
                    .rooms
                    .lock()
                    .entry(post.clone())
                    .or_insert_with(|| Arc::new(self.new_room(post))),
            );
            let mut state = room.lock();
            if state.is_evicted {
                // Its last member left between the two locks. Whoever marked it is about to take
                // it off the list; doing that here too spares the wait.
                drop(state);
                self.evict(&room);
                continue;
            }
            change(&mut state);
            self.settle(&room, &mut state);
            drop(state);
            return room;
        }
    }

    fn new_room(&self, post: &PostId) -> Room {
        let id = RoomId(self.shared.made.fetch_add(1, Ordering::Relaxed));
        Room::new(id, post.clone(), self.shared.buffer)
    }

    fn find(&self, post: &PostId) -> Option<Arc<Room>> {
        self.shared.rooms.lock().get(post).cloned()
    }

    /// Takes a room off the list that was marked as evicted. The list is never locked by one who
    /// holds a room's lock, so the two cannot block each other.
    fn evict(&self, room: &Arc<Room>) {
        let mut rooms = self.shared.rooms.lock();
        if rooms
            .get(room.post())
            .is_some_and(|listed| Arc::ptr_eq(listed, room))
        {
            rooms.remove(room.post());
        }
    }

    fn settle(&self, room: &Arc<Room>, state: &mut State) {
        let wanted = room.settle(state, Instant::now());
        if wanted == state.wake_at {
            return;
        }
        if let Some(at) = state.wake_at.take() {
            self.shared.timers.cancel(at, room);
        }
        if let Some(at) = wanted {
            self.shared.timers.schedule(at, room);
            state.wake_at = Some(at);
        }
    }
}
