//! The task that connects this node's rooms to the other nodes.
//!
//! It sends what rooms queue; `inbound` handles what arrives. Any message may be lost. Changes are in the
//! store, and `heartbeat` repairs the rest.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::{
    sync::{broadcast, mpsc},
    time::{Interval, MissedTickBehavior},
};
use tokio_util::sync::CancellationToken;

use super::{
    backplane::{Backplane, Connection, Incoming, Subject, Topology},
    heartbeat::MAINTENANCE_INTERVAL,
    interest::Interest,
    metrics::BackplaneMetrics,
    observer::{ClusterObserver, ConnectionState},
    outbound::{Outbound, Queued},
    peers::{HEARTBEAT_INTERVAL, PeerTable},
    remote::RemoteHandle,
    wire::{Body, Message, ValidId},
};
use crate::{
    model::{PostId, UserId},
    rooms::{Delta, Hub, NodeId, Room, Version, now},
    telemetry::Registry,
};

/// Maximum number of posts in one message.
const POSTS_PER_MESSAGE: usize = 256;
/// Number of user changes buffered for a slow receiver. One that was overtaken reloads all users.
const USER_CHANGES: usize = 256;

/// This node, as a member of the cluster.
#[derive(Debug)]
pub struct ClusterNode {
    pub(super) hub: Hub,
    pub(super) id: NodeId,
    backplane: Arc<dyn Backplane>,
    incoming: mpsc::Receiver<Incoming>,
    topology: Topology,
    pub(super) remote: Arc<RemoteHandle>,
    pub(super) peers: PeerTable,
    /// Nodes that have left, each with the end of the grace of its viewers.
    pub(super) departed: VecDeque<(Instant, NodeId)>,
    /// Version of the last delta taken from any room.
    pub(super) version: Version,
    pub(super) interest: Interest,
    pub(super) user_changes: broadcast::Sender<UserId>,
    /// Messages were lost, and the node has not resynced since.
    pub(super) has_missed: bool,
    connection: Arc<ConnectionState>,
    pub(super) metrics: BackplaneMetrics,
}

impl ClusterNode {
    /// Creates the node and its hub. Each room keeps its newest `buffer` changes for slow listeners.
    pub fn new(buffer: usize, connection: Connection, registry: &Registry) -> (Hub, Self) {
        let Connection {
            backplane,
            incoming,
            topology,
        } = connection;
        let remote = Arc::new(RemoteHandle::default());
        let hub = match topology {
            Topology::Standalone => Hub::new(buffer, registry),
            Topology::Cluster => Hub::with_peers(buffer, registry, Arc::clone(&remote) as _),
        };
        let node = Self {
            hub: hub.clone(),
            id: NodeId::new(),
            backplane,
            incoming,
            topology,
            remote,
            peers: PeerTable::new(now()),
            departed: VecDeque::new(),
            version: Version::default(),
            interest: Interest::default(),
            user_changes: broadcast::Sender::new(USER_CHANGES),
            has_missed: false,
            connection: Arc::default(),
            metrics: BackplaneMetrics::new(registry),
        };
        let is_standalone = topology == Topology::Standalone;
        node.metrics
            .connected
            .set(f64::from(u8::from(is_standalone)));
        (hub, node)
    }

    /// Returns an observer of the connection.
    pub fn observer(&self) -> ClusterObserver {
        ClusterObserver::new(self.topology, Arc::clone(&self.connection))
    }

    /// Subscribes to the users whose status another node has changed in the store.
    pub fn users_changed(&self) -> broadcast::Receiver<UserId> {
        self.user_changes.subscribe()
    }

    /// Exchanges messages until `shutdown`. Then tells the other nodes that this one leaves, so they
    /// stop counting its viewers, and closes the connection.
    pub async fn run(mut self, shutdown: CancellationToken) {
        if self.topology == Topology::Standalone {
            shutdown.cancelled().await;
            return;
        }
        let remote = Arc::clone(&self.remote);
        self.backplane.subscribe(&Subject::All);
        self.backplane.subscribe(&Subject::Node(self.id));
        let mut heartbeats = interval(HEARTBEAT_INTERVAL);
        let mut maintenance = interval(MAINTENANCE_INTERVAL);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                Some(incoming) = self.incoming.recv() => self.handle_incoming(incoming),
                () = remote.outbound.ready() => self.send_queued(),
                _ = heartbeats.tick() => self.send_heartbeat(&Subject::All, None),
                _ = maintenance.tick() => self.maintain(),
            }
        }
        self.send_queued();
        self.send(&Subject::All, Body::Leave);
        self.backplane.close().await;
    }

    /// Sends all that is queued.
    fn send_queued(&mut self) {
        let Queued {
            messages,
            rooms,
            queue_changed,
        } = self.remote.outbound.take();
        if queue_changed {
            self.send(&Subject::All, Body::QueueChanged);
        }
        for room in rooms.values() {
            self.send_deltas(room);
        }
        let mut queried = Vec::new();
        for message in messages {
            match message {
                Outbound::Change(change) => {
                    let post = change.comment.post_id.clone();
                    self.send(&Subject::Room(post), Body::change(&change));
                }
                Outbound::TypingStopped { post, user, client } => {
                    let body = Body::TypingStopped {
                        post: ValidId(post.clone()),
                        user: ValidId(user),
                        client: client.map(ValidId),
                    };
                    self.send(&Subject::Room(post), body);
                }
                Outbound::UserChanged(user) => {
                    let user = ValidId(user);
                    self.send(&Subject::All, Body::UserChanged { user });
                }
                Outbound::DetailsChanged { post, version } => {
                    let body = Body::DetailsChanged {
                        post: ValidId(post.clone()),
                        version,
                    };
                    self.send(&Subject::Room(post), body);
                }
                Outbound::ReactionsChanged { post, version } => {
                    let body = Body::ReactionsChanged {
                        post: ValidId(post.clone()),
                        version,
                    };
                    self.send(&Subject::Room(post), body);
                }
                Outbound::RoomEnded { post, end } => {
                    let body = Body::RoomEnded {
                        post: ValidId(post.clone()),
                        end: end.into(),
                    };
                    self.send(&Subject::Room(post), body);
                }
                Outbound::CountRequest(post) => queried.push(post),
            }
        }
        // A disconnected node cannot ask its peers, so their answers are not awaited.
        let is_connected = self.connection.is_connected();
        for post in &queried {
            let nodes = self.peers.known().filter(|_| is_connected);
            self.remote.counts.sent(post, nodes);
        }
        if self.peers.len() > 0 {
            self.send_posts(&Subject::All, queried, |posts| Body::CountRequest { posts });
        }
    }

    /// Sends the deltas of a room that are due. Subscribes to a new room, and asks for the others'
    /// snapshots of it.
    fn send_deltas(&mut self, room: &Arc<Room>) {
        let mut version = self.version;
        let mut next = || {
            version = Version(version.0 + 1);
            version
        };
        let (is_over, is_new, deltas) = self.hub.update(room, |state| {
            let is_new = state.version().is_none();
            (
                state.is_evicted(),
                is_new,
                state.take_deltas(now(), &mut next),
            )
        });
        self.version = version;
        let subject = Subject::Room(room.post().clone());
        if is_over {
            self.close_room(room.post());
        } else if is_new {
            self.interest.open(room.post());
            self.backplane.subscribe(&subject);
            let posts = vec![ValidId(room.post().clone())];
            self.send(&subject, Body::SnapshotRequest { posts });
        }
        for delta in deltas {
            self.send_delta(&subject, room.post(), delta);
        }
    }

    /// Lets the subscription to a post without a room linger.
    fn close_room(&mut self, post: &PostId) {
        // The post may have a new room by now.
        if self.hub.find(post).is_none()
            && let Some(post) = self.interest.close(post, now())
        {
            self.unsubscribe(post);
        }
    }

    pub(super) fn unsubscribe(&self, post: PostId) {
        self.backplane.unsubscribe(&Subject::Room(post));
    }

    pub(super) fn set_connected(&self, is_connected: bool) {
        self.connection.set_connected(is_connected);
        self.metrics
            .connected
            .set(f64::from(u8::from(is_connected)));
    }

    pub(super) fn publish_peer_count(&self) {
        let count = self.peers.len();
        self.connection.set_peers(count);
        self.metrics
            .nodes
            .set(f64::from(u32::try_from(count).unwrap_or(u32::MAX)));
    }

    pub(super) fn publish_dropped(&self) {
        let dropped = self.remote.outbound.dropped() + self.backplane.dropped();
        self.metrics.dropped.absolute(dropped);
    }

    /// Sends messages that name `posts`, at most [`POSTS_PER_MESSAGE`] each.
    pub(super) fn send_posts(
        &self,
        to: &Subject,
        posts: Vec<PostId>,
        body: impl Fn(Vec<ValidId<PostId>>) -> Body,
    ) {
        let mut posts = posts.into_iter().map(ValidId).peekable();
        while posts.peek().is_some() {
            self.send(to, body(posts.by_ref().take(POSTS_PER_MESSAGE).collect()));
        }
    }

    pub(super) fn send_delta(&self, to: &Subject, post: &PostId, delta: Delta) {
        let post = ValidId(post.clone());
        let delta = delta.into();
        self.send(to, Body::Delta { post, delta });
    }

    /// Publishes a message. No-op while disconnected: the resync after reconnecting makes up for it.
    pub(super) fn send(&self, to: &Subject, body: Body) {
        if !self.connection.is_connected() {
            return;
        }
        let message = Message {
            from: self.id,
            body,
        };
        match message.encode() {
            Ok(bytes) => {
                self.metrics.published.increment(1);
                self.backplane.publish(to, Bytes::from(bytes));
            }
            Err(error) => tracing::error!(%error, "backplane message could not be encoded"),
        }
    }
}

fn interval(period: Duration) -> Interval {
    let mut interval = tokio::time::interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}
