//! All rooms of this node, by post. A room is created for its first member, and dropped after its
//! last one has left.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use parking_lot::Mutex;
use tokio::sync::watch;

use super::{
    membership::Membership,
    metrics::RoomMetrics,
    participant::Participant,
    peers::Peers,
    reconcile_requests::ReconcileRequests,
    room::{FollowUp, Room, RoomId},
    state::State,
    timers::{Timers, now},
    viewer_id::ViewerId,
};
use crate::{
    model::{Change, ChangeKind, ClientId, PostId, Seq, User, UserId},
    telemetry::Registry,
};

/// A handle to the rooms of one node. Clones share the rooms and are cheap.
///
/// Joining, leaving and publishing never wait for other nodes. They hold locks only while they change
/// a few maps and wake the members.
#[derive(Clone, Debug)]
pub struct Hub {
    pub(super) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(super) struct Shared {
    /// Never locked while a room is locked.
    pub(super) rooms: Mutex<HashMap<PostId, Arc<Room>>>,
    pub(super) timers: Timers,
    /// Number of changes that each room's ring keeps.
    buffer: usize,
    /// Number of rooms created so far.
    created: AtomicU64,
    /// The rooms that may be behind the store.
    to_reconcile: ReconcileRequests,
    /// Number of changes of the lists that wait for moderators.
    queue: watch::Sender<u64>,
    /// The other nodes; `None` on a standalone node.
    peers: Option<Arc<dyn Peers>>,
    metrics: RoomMetrics,
}

/// The number of rooms and members on a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RoomStats {
    /// Rooms that exist.
    pub rooms: usize,
    /// Clients in rooms, each counted once per room.
    pub members: usize,
}

impl Hub {
    /// Creates the hub of a standalone node. Each room keeps its newest `buffer` changes for slow
    /// listeners.
    pub fn new(buffer: usize, registry: &Registry) -> Self {
        Self::with(buffer, registry, None)
    }

    /// Creates the hub of a node that has peers.
    pub(crate) fn with_peers(buffer: usize, registry: &Registry, peers: Arc<dyn Peers>) -> Self {
        Self::with(buffer, registry, Some(peers))
    }

    fn with(buffer: usize, registry: &Registry, peers: Option<Arc<dyn Peers>>) -> Self {
        Self {
            shared: Arc::new(Shared {
                rooms: Mutex::default(),
                timers: Timers::default(),
                buffer,
                created: AtomicU64::new(0),
                to_reconcile: ReconcileRequests::default(),
                queue: watch::Sender::new(0),
                peers,
                metrics: RoomMetrics::new(registry),
            }),
        }
    }

    /// Adds a client to the post's room until the membership is dropped.
    pub fn join(&self, post: &PostId, participant: &Participant) -> Membership {
        let viewer = participant.viewer();
        let room = self.enter(post, |state| state.join(&participant.client, viewer));
        Membership::new(self.clone(), room, participant, viewer)
    }

    /// Delivers a change that this node has committed to the members of its post's room on all
    /// nodes. Idempotent. Members receive changes in the order of the feed, in whatever order they
    /// are published.
    pub fn publish(&self, change: Arc<Change>) {
        self.shared.metrics.published.increment(1);
        self.deliver(Arc::clone(&change));
        if let Some(peers) = &self.shared.peers {
            peers.publish(change);
        }
    }

    /// Delivers a change that any node has committed to the members on this node.
    pub(crate) fn deliver(&self, change: Arc<Change>) {
        let Some(room) = self.find(&change.comment.post_id) else {
            return;
        };
        self.update(&room, |state| {
            // The author of one that waited for a moderator may be writing another.
            let comment = &change.comment;
            if change.kind == ChangeKind::Added && comment.published_at == comment.created_at {
                state.change_typing(|typing| typing.posted(&change.comment.author.id));
            }
            let ready = state.resequencer.accept(change);
            if state.resequencer.has_dropped() {
                self.shared.metrics.dropped.increment(1);
            }
            room.send(state, ready);
        });
    }

    /// Starts or refreshes the user's typing indicator at the post.
    pub fn start_typing(&self, post: &PostId, user: &User, client: Option<&ClientId>) {
        self.enter(post, |state| {
            state.change_typing(|typing| typing.start(user, client, now()));
        });
    }

    /// Ends the user's typing in `client` at the post.
    pub fn stop_typing(&self, post: &PostId, user: &User, client: Option<&ClientId>) {
        if !self.stop_typing_here(post, &user.id, client)
            && let Some(peers) = &self.shared.peers
        {
            // The request that started it may have gone to another node.
            peers.stop_typing(post, &user.id, client);
        }
    }

    /// Ends the user's typing in `client` on this node. Returns true if there was any.
    pub(crate) fn stop_typing_here(
        &self,
        post: &PostId,
        user: &UserId,
        client: Option<&ClientId>,
    ) -> bool {
        self.find(post).is_some_and(|room| {
            self.update(&room, |state| {
                state.change_typing(|typing| typing.stop(user, client))
            })
        })
    }

    /// Returns the number of distinct viewers of the post on all nodes. If this node has no room of
    /// the post, it asks the others and waits at most 0.4 s.
    pub async fn viewers(&self, post: &PostId) -> usize {
        match (self.known_viewers(post), &self.shared.peers) {
            (Some(count), _) => count,
            (None, Some(peers)) => peers.viewers(post).await,
            (None, None) => 0,
        }
    }

    /// Returns the number of distinct viewers on all nodes, if this node has a room of the post.
    pub(crate) fn known_viewers(&self, post: &PostId) -> Option<usize> {
        self.find(post)
            .map(|room| room.lock().local.presence.viewers())
    }

    /// Returns the seq of the room's newest delivered change. `None` if there is no room, or if its
    /// head is not established.
    pub fn head(&self, post: &PostId) -> Option<Seq> {
        self.find(post)?.lock().resequencer.head()
    }

    /// Returns the seq of the newest delivered change of each room whose head is established.
    pub fn heads(&self) -> Vec<(PostId, Seq)> {
        self.rooms()
            .into_iter()
            .filter_map(|room| {
                let head = room.lock().resequencer.head()?;
                Some((room.post().clone(), head))
            })
            .collect()
    }

    /// Makes the room's listeners read the store up to `seq`. No-op if nothing is missing.
    pub fn catch_up_to(&self, post: &PostId, seq: Seq) {
        if let Some(room) = self.find(post)
            && self.update(&room, |state| room.catch_up_to(state, seq))
        {
            self.shared.metrics.gaps.increment(1);
        }
    }

    /// Requests that these posts' rooms are compared with the store soon.
    pub(crate) fn request_reconcile(&self, posts: impl IntoIterator<Item = PostId>) {
        self.shared.to_reconcile.add(posts);
    }

    /// Waits for posts whose rooms must be compared with the store before the next tick, because
    /// messages about them may have been lost. Cancel safe.
    pub async fn posts_to_reconcile(&self) -> Vec<PostId> {
        self.shared.to_reconcile.take().await
    }

    pub(super) fn peers(&self) -> Option<&dyn Peers> {
        self.shared.peers.as_deref()
    }

    pub(super) fn queue(&self) -> &watch::Sender<u64> {
        &self.shared.queue
    }

    /// Counts rooms and members. Locks each room in turn.
    pub fn stats(&self) -> RoomStats {
        let rooms = self.rooms();
        RoomStats {
            rooms: rooms.len(),
            members: rooms
                .iter()
                .map(|room| room.lock().local.presence.members())
                .sum(),
        }
    }

    /// Publishes conflated values and ends typing indicators when they are due. Never returns.
    pub async fn run(&self) {
        loop {
            for room in self.shared.timers.due().await {
                self.update(&room, |state| state.wake_at = None);
            }
        }
    }

    /// Removes one subscription from a room. `sent_away_at` is the time at which the server itself ended
    /// it.
    pub(super) fn leave(
        &self,
        room: &Arc<Room>,
        client: &ClientId,
        viewer: ViewerId,
        sent_away_at: Option<Instant>,
    ) {
        let remote_typists = self.update(room, |state| state.leave(client, viewer, sent_away_at));
        if let Some(peers) = &self.shared.peers {
            for user in remote_typists {
                peers.stop_typing(room.post(), &user, Some(client));
            }
        }
    }

    /// Sets a room's head, unless it is set.
    pub(super) fn establish(&self, room: &Arc<Room>, seq: Seq) {
        self.update(room, |state| {
            let ready = state.resequencer.establish(seq);
            room.send(state, ready);
        });
    }

    /// Returns all rooms.
    pub(crate) fn rooms(&self) -> Vec<Arc<Room>> {
        self.shared.rooms.lock().values().cloned().collect()
    }

    /// Returns the post's room, if there is one.
    pub(crate) fn find(&self, post: &PostId) -> Option<Arc<Room>> {
        self.shared.rooms.lock().get(post).cloned()
    }

    /// Changes a room's state, and settles it under the same lock.
    pub(crate) fn update<T>(&self, room: &Arc<Room>, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = room.lock();
        let result = change(&mut state);
        self.settle(room, &mut state);
        let is_over = state.is_empty() && !state.is_evicted;
        if is_over {
            self.retire(room, &mut state);
        }
        drop(state);
        if is_over {
            self.evict(room);
        }
        result
    }

    /// Changes the state of the post's room. Creates the room if there is none.
    pub(super) fn enter(&self, post: &PostId, change: impl FnOnce(&mut State)) -> Arc<Room> {
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
                // Its last member left between the two locks. The leaving task is about to remove it
                // from the map; removing it here too saves the wait.
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
        let id = RoomId(self.shared.created.fetch_add(1, Ordering::Relaxed));
        match self.shared.peers {
            None => Room::new(id, post.clone(), self.shared.buffer),
            Some(_) => Room::with_peers(id, post.clone(), self.shared.buffer, now()),
        }
    }

    fn settle(&self, room: &Arc<Room>, state: &mut State) {
        let FollowUp {
            wake_at,
            has_deltas,
            needs_reconcile,
        } = room.settle(state, now());
        if has_deltas && let Some(peers) = &self.shared.peers {
            peers.room_changed(room);
        }
        if needs_reconcile {
            self.request_reconcile([room.post().clone()]);
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
    use crate::rooms::{grace::SentAway, testing::Recorder};

    #[test]
    fn last_delta_of_a_room_precedes_the_first_of_the_next_one() {
        let recorder = Arc::new(Recorder::default());
        let peers = Arc::clone(&recorder) as Arc<dyn Peers>;
        let hub = Hub::with_peers(4, &Registry::new(), peers);
        let post = PostId::parse("p").unwrap();
        std::thread::scope(|scope| {
            for number in 0..2 {
                let (hub, post) = (&hub, &post);
                scope.spawn(move || {
                    let participant = Participant {
                        client: ClientId::parse(&format!("c{number}")).unwrap(),
                        user: None,
                        sent_away: SentAway::default(),
                    };
                    for _ in 0..50_000 {
                        drop(hub.join(post, &participant));
                    }
                });
            }
        });
        let ids = recorder.rooms.lock();
        assert!(ids.len() > 1 && ids.is_sorted(), "{} reports", ids.len());
    }
}
