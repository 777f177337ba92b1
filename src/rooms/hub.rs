//! All rooms of this node, by post: rooms come with their first member and go with their last.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::{
    membership::Membership,
    room::{Room, RoomId, Settled, State},
    timers::{Timers, now},
    viewer_id::{ViewerId, Visitor},
};
use crate::{
    cluster::{
        outbound::{Outgoing, Parcel},
        remote_count::{Asked, Surveys, TIMEOUT},
    },
    metrics::RoomMetrics,
    model::{Change, ChangeKind, ClientId, PostId, Seq, User, UserId},
};

/// A handle on the rooms of one node; cloning it is cheap and gives the same rooms.
///
/// Joining, leaving and publishing wait for nothing, other nodes least of all: they take locks for as
/// long as it takes to change a few maps and to wake the members.
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
    /// Posts that may be behind the store.
    suspects: Mutex<HashSet<PostId>>,
    suspicion: Notify,
    /// The way to the other nodes; `None` where there are none.
    abroad: Option<Abroad>,
    metrics: RoomMetrics,
}

/// What goes to the other nodes and comes from them.
#[derive(Debug, Default)]
pub(crate) struct Abroad {
    pub(crate) outgoing: Outgoing,
    pub(crate) surveys: Surveys,
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
    /// The rooms of a node that is alone: none yet. Each will keep `buffer` changes for those who
    /// listen and are behind.
    pub fn new(buffer: usize) -> Self {
        Self::with(buffer, None, RoomMetrics::default())
    }

    /// As [`Self::new`], with what it is counted by.
    pub fn measured(buffer: usize, metrics: RoomMetrics) -> Self {
        Self::with(buffer, None, metrics)
    }

    /// The rooms of one node of many.
    pub(crate) fn among_nodes(buffer: usize, metrics: RoomMetrics) -> Self {
        Self::with(buffer, Some(Abroad::default()), metrics)
    }

    fn with(buffer: usize, abroad: Option<Abroad>, metrics: RoomMetrics) -> Self {
        Self {
            shared: Arc::new(Shared {
                rooms: Mutex::default(),
                timers: Timers::default(),
                buffer,
                made: AtomicU64::new(0),
                suspects: Mutex::default(),
                suspicion: Notify::new(),
                abroad,
                metrics,
            }),
        }
    }

    /// Takes the visitor into the post's room, until the membership is dropped.
    pub fn join(&self, post: &PostId, visitor: &Visitor) -> Membership {
        let viewer = visitor.viewer();
        let room = self.enter(post, |state| state.join(&visitor.client, viewer));
        Membership::new(self.clone(), room, visitor.client.clone(), viewer)
    }

    /// Delivers a change that was committed by this node to the members of its post's room here, and
    /// has it told to the other nodes: to each member in the order of the feed, and once, however
    /// often and in whatever order changes are published.
    pub fn publish(&self, change: Arc<Change>) {
        self.shared.metrics.published.increment(1);
        self.deliver(Arc::clone(&change));
        self.tell(Parcel::Change(change));
    }

    /// Delivers a change that was committed, by whichever node, to the members here.
    pub(crate) fn deliver(&self, change: Arc<Change>) {
        let Some(room) = self.find(&change.comment.post_id) else {
            return;
        };
        self.update(&room, |state| {
            if change.kind == ChangeKind::Added {
                state.posted(&change.comment.author.id);
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
        self.enter(post, |state| state.start_typing(user, client, now()));
    }

    /// Ends the user's typing indicator at this post, as far as it is this client's.
    pub fn stop_typing(&self, post: &PostId, user: &User, client: Option<&ClientId>) {
        if !self.end_typing(post, &user.id, client) {
            // The request that started it may have gone to another node.
            self.tell(Parcel::StoppedTyping {
                post: post.clone(),
                user: user.id.clone(),
                client: client.cloned(),
            });
        }
    }

    /// Ends the indicator; true where it was on this node.
    pub(crate) fn end_typing(
        &self,
        post: &PostId,
        user: &UserId,
        client: Option<&ClientId>,
    ) -> bool {
        self.find(post)
            .is_some_and(|room| self.update(&room, |state| state.stop_typing(user, client)))
    }

    /// Tells the other nodes that something about a user's standing has changed in the store.
    pub fn user_changed(&self, user: &UserId) {
        self.tell(Parcel::UserChanged(user.clone()));
    }

    /// How many distinct readers there are in the post's rooms on all nodes. Where nobody is in the
    /// room on this node the others are asked, and have 0.4 s to answer.
    pub async fn viewers(&self, post: &PostId) -> usize {
        if let Some(count) = self.viewers_known(post) {
            return count;
        }
        let Some(abroad) = &self.shared.abroad else {
            return 0;
        };
        let mut answer = match abroad.surveys.ask(post, now()) {
            Asked::Never => return 0,
            Asked::Before(answer) => answer,
            Asked::Now(answer) => {
                abroad.outgoing.send(Parcel::HowMany(post.clone()));
                answer
            }
        };
        match tokio::time::timeout(TIMEOUT, answer.wait_for(Option::is_some)).await {
            Ok(Ok(count)) => count.unwrap_or_default(),
            _ => 0,
        }
    }

    /// How many there are where this node knows it: where it is in the room.
    pub(crate) fn viewers_known(&self, post: &PostId) -> Option<usize> {
        self.find(post).map(|room| room.lock().presence.viewers())
    }

    /// Where the feed of this post's room stands; `None` where there is no room, or where that is
    /// not known yet.
    pub fn head(&self, post: &PostId) -> Option<Seq> {
        self.find(post)?.lock().sequencer.head()
    }

    /// Where the feed of each room with members stands, as far as that is known.
    pub fn heads(&self) -> Vec<(PostId, Seq)> {
        self.rooms()
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

    /// Has these posts' rooms compared with the store soon.
    pub(crate) fn suspect(&self, posts: impl IntoIterator<Item = PostId>) {
        self.shared.suspects.lock().extend(posts);
        self.shared.suspicion.notify_one();
    }

    /// Waits for posts whose rooms are to be compared with the store at once, besides the times at
    /// which all are: changes of theirs may have gone unheard. Cancelling loses none.
    pub async fn suspects(&self) -> Vec<PostId> {
        loop {
            let suspects = std::mem::take(&mut *self.shared.suspects.lock());
            if !suspects.is_empty() {
                return suspects.into_iter().collect();
            }
            self.shared.suspicion.notified().await;
        }
    }

    /// Counts rooms and members.
    pub fn census(&self) -> Census {
        let rooms = self.rooms();
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

    /// Ends one subscription's place in a room.
    pub(crate) fn leave(&self, room: &Arc<Room>, client: &ClientId, viewer: ViewerId) {
        for user in self.update(room, |state| state.leave(client, viewer)) {
            self.tell(Parcel::StoppedTyping {
                post: room.post().clone(),
                user,
                client: Some(client.clone()),
            });
        }
    }

    /// All rooms there are.
    pub(crate) fn rooms(&self) -> Vec<Arc<Room>> {
        self.shared.rooms.lock().values().cloned().collect()
    }

    /// The way to the other nodes.
    pub(crate) fn abroad(&self) -> Option<&Abroad> {
        self.shared.abroad.as_ref()
    }

    fn tell(&self, parcel: Parcel) {
        if let Some(abroad) = &self.shared.abroad {
            abroad.outgoing.send(parcel);
        }
    }

    /// Changes a room's state and publishes what follows from it.
    pub(crate) fn update<T>(&self, room: &Arc<Room>, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = room.lock();
        let done = change(&mut state);
        self.settle(room, &mut state);
        let is_over = state.is_empty() && !state.is_evicted;
        if is_over {
            state.is_evicted = true;
            if let Some(at) = state.wake_at.take() {
                self.shared.timers.cancel(at, room);
            }
            if let Some(abroad) = &self.shared.abroad {
                // Its last word, that nobody is there. With the room locked: the post's next room is
                // made when this one is seen to be over, and must not speak before it.
                abroad.outgoing.announce(room);
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
        match self.shared.abroad {
            None => Room::new(id, post.clone(), self.shared.buffer),
            Some(_) => Room::among_nodes(id, post.clone(), self.shared.buffer, now()),
        }
    }

    /// The post's room, where there is one.
    pub(crate) fn find(&self, post: &PostId) -> Option<Arc<Room>> {
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
        let Settled {
            wake_at,
            has_news,
            is_suspect,
        } = room.settle(state, now());
        if has_news && let Some(abroad) = &self.shared.abroad {
            abroad.outgoing.announce(room);
        }
        if is_suspect {
            self.suspect([room.post().clone()]);
        }
        if wake_at == state.wake_at {
            return;
        }
        if let Some(at) = state.wake_at.take() {
            self.shared.timers.cancel(at, room);
        }
        if let Some(at) = wake_at {
            self.shared.timers.schedule(at, room);
            state.wake_at = Some(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_of_a_room_comes_before_the_first_of_the_one_after_it() {
        let hub = Hub::among_nodes(4, RoomMetrics::default());
        let post = PostId::parse("p").unwrap();
        let is_over = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            for number in 0..2 {
                let (hub, post, is_over) = (&hub, &post, &is_over);
                scope.spawn(move || {
                    let visitor = Visitor {
                        client: ClientId::parse(&format!("c{number}")).unwrap(),
                        user: None,
                    };
                    for _ in 0..50_000 {
                        drop(hub.join(post, &visitor));
                    }
                    is_over.store(true, Ordering::Relaxed);
                });
            }
            let mut last = 0;
            while !is_over.load(Ordering::Relaxed) {
                for id in hub.abroad().unwrap().outgoing.take().rooms.into_keys() {
                    assert!(id.0 >= last, "room {} after room {last}", id.0);
                    last = id.0;
                }
            }
        });
    }
}
