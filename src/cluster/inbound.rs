//! Messages from other nodes, and their effect on this node's rooms.
//!
//! The backplane may lose, delay, repeat and reorder them.

use std::sync::Arc;

use super::{
    backplane::{Incoming, Subject},
    node::ClusterNode,
    peers::PeerStatus,
    wire::{Body, Message, ValidId},
};
use crate::{
    model::{Change, PostId, Seq},
    rooms::{ApplyResult, Delta, GRACE, NodeId, now},
};

/// Maximum distance between a room's head and another node's change that is believed.
const MAX_AHEAD: i64 = 1000;

impl ClusterNode {
    /// Handles an event of the backplane's connection.
    pub(super) fn handle_incoming(&mut self, incoming: Incoming) {
        match incoming {
            Incoming::Message(bytes) => {
                self.metrics.received.increment(1);
                match Message::decode(&bytes) {
                    Ok(message) => self.handle(message),
                    Err(error) => tracing::debug!(%error, "backplane message ignored"),
                }
            }
            Incoming::Disconnected => self.set_connected(false),
            Incoming::Connected => {
                self.set_connected(true);
                self.send_heartbeat(&Subject::All, None);
                self.resync();
            }
            // There may be one of these per lost message, and a resync causes more messages. So the
            // resync is left to the next maintenance.
            Incoming::Missed => self.has_missed = true,
        }
    }

    fn handle(&mut self, Message { from, body }: Message) {
        if from == self.id {
            return;
        }
        if let Body::Heartbeat(heartbeat) = &body
            && let Some(nonce) = heartbeat.nonce
            && self.peers.answer(from, nonce, now())
        {
            self.publish_peer_count();
        }
        if let Body::Leave = body {
            if self.peers.leave(from) {
                // It has sent its clients away, and they come back to other nodes.
                self.departed.push_back((now() + GRACE, from));
                self.publish_peer_count();
            }
            return;
        }
        let status = self.peers.receive(from, now());
        if let PeerStatus::Probe(nonce) = status {
            self.send(&Subject::Node(from), Body::Probe { nonce });
        }
        let is_known = status == PeerStatus::Known;
        match body {
            // What is in the store, and what asks for something, counts from any node.
            Body::Change(change) => self.deliver(Change::from(&*change)),
            Body::Probe { nonce } => self.send_heartbeat(&Subject::Node(from), Some(nonce)),
            Body::SnapshotRequest { posts } => self.send_snapshots(from, posts),
            Body::CountRequest { posts } => self.send_counts(from, posts),
            Body::UserChanged { user } => {
                // The error means that there is no receiver.
                let _ = self.user_changes.send(user.0);
            }
            Body::DetailsChanged { post, version } => {
                self.hub.announce_details(&post.0, version);
            }
            Body::ReactionsChanged { post, version } => {
                self.hub.announce_reactions(&post.0, version);
            }
            Body::RoomEnded { post, end } => self.hub.end_room_here(&post.0, end.into()),
            Body::QueueChanged => self.hub.announce_queue(),
            Body::TypingStopped { post, user, client } => {
                let client = client.map(|id| id.0);
                self.hub.stop_typing_here(&post.0, &user.0, client.as_ref());
            }
            // What a node says of itself counts only while it is alive.
            Body::Delta { post, delta } if is_known => {
                self.apply(from, post.0, Delta::from(delta));
            }
            Body::Heartbeat(heartbeat) if is_known => self.compare(from, &heartbeat),
            Body::CountReply { counts } if is_known => {
                for (post, count) in counts {
                    let count = count.map(|count| count as usize);
                    self.remote.counts.answer(&post.0, from, count);
                }
            }
            Body::Delta { .. } | Body::Heartbeat(_) | Body::CountReply { .. } | Body::Leave => {}
        }
    }

    /// Delivers another node's change. If it is so far ahead that it may be wrong, the room is
    /// compared with the store instead.
    fn deliver(&self, change: Change) {
        let post = &change.comment.post_id;
        let is_far = |head: Seq| change.seq.0.saturating_sub(head.0) > MAX_AHEAD;
        if self.hub.head(post).is_some_and(is_far) {
            self.hub.request_reconcile([post.clone()]);
        } else if change.seq > Seq(0) {
            self.hub.deliver(Arc::new(change));
        }
    }

    /// Applies another node's delta. If its base is missing, asks for a snapshot.
    fn apply(&self, from: NodeId, post: PostId, delta: Delta) {
        let Some(room) = self.hub.find(&post) else {
            return;
        };
        let result = self
            .hub
            .update(&room, |state| state.apply(from, delta, now()));
        if result == ApplyResult::MissingBase {
            let posts = vec![ValidId(post)];
            self.send(&Subject::Node(from), Body::SnapshotRequest { posts });
        }
    }

    fn send_snapshots(&self, to: NodeId, posts: Vec<ValidId<PostId>>) {
        for ValidId(post) in posts {
            if let Some(room) = self.hub.find(&post)
                && let Some(snapshot) = self.hub.update(&room, |state| state.snapshot())
            {
                self.send_delta(&Subject::Node(to), &post, snapshot);
            }
        }
    }

    fn send_counts(&self, to: NodeId, posts: Vec<ValidId<PostId>>) {
        let counts = posts
            .into_iter()
            .map(|post| {
                let count = self.hub.known_viewers(&post.0);
                let count = count.map(|count| u32::try_from(count).unwrap_or(u32::MAX));
                (post, count)
            })
            .collect();
        self.send(&Subject::Node(to), Body::CountReply { counts });
    }
}
