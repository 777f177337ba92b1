//! The other nodes that are alive. Pure: takes the time as an argument.
//!
//! A node is known from its answer to a probe until it says that it leaves, or has been silent for
//! [`PEER_TIMEOUT`]. What an unknown node says of itself is ignored and answered with a probe. Only a
//! live process can return the probe's nonce, so a late message cannot bring back a dead node or one
//! that was forgotten.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::rooms::NodeId;

/// Interval of a node's heartbeats.
pub(super) const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(2);
/// Silence after which a node and its viewers are forgotten. Together with the time to notice and
/// publish that, it stays below the ten seconds that are promised.
pub(super) const PEER_TIMEOUT: Duration = Duration::from_secs(8);
/// Minimum time between two probes of one node.
const PROBE_INTERVAL: Duration = Duration::from_millis(500);
/// Maximum number of known nodes, and of nodes probed at the same time. Further ones are probed later.
const MAX_PEERS: usize = 1024;
/// Maximum number of departed nodes remembered. Far fewer leave while a message is on its way.
const MAX_DEPARTED: usize = 64;

/// A random number that pairs a probe with its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Nonce(Uuid);

impl Nonce {
    pub(super) fn new() -> Self {
        Self(Uuid::new_v4())
    }
}

/// The status of a message's sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PeerStatus {
    /// The node is known.
    Known,
    /// The node is unknown and must be probed with this nonce.
    Probe(Nonce),
    /// The node is unknown, and was probed just now or has left.
    Unknown,
}

/// The other nodes.
#[derive(Debug)]
pub(super) struct PeerTable {
    /// Known nodes, each with the time of its last message.
    known: HashMap<NodeId, Instant>,
    /// Nodes that were probed and have not answered.
    probed: HashMap<NodeId, (Instant, Nonce)>,
    /// Nodes that left last. They do not return, but earlier messages of theirs may still arrive on
    /// another subject.
    departed: VecDeque<NodeId>,
    /// The last probe of all nodes.
    broadcast: Option<(Instant, Nonce)>,
    /// Time of the last [`expire`](Self::expire).
    expired_at: Instant,
}

impl PeerTable {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            known: HashMap::new(),
            probed: HashMap::new(),
            departed: VecDeque::new(),
            broadcast: None,
            expired_at: now,
        }
    }

    /// Records a message of `node`.
    pub(super) fn receive(&mut self, node: NodeId, now: Instant) -> PeerStatus {
        if let Some(heard_at) = self.known.get_mut(&node) {
            *heard_at = now;
            return PeerStatus::Known;
        }
        if self.departed.contains(&node) {
            return PeerStatus::Unknown;
        }
        self.probed
            .retain(|_, &mut (at, _)| now < at + PROBE_INTERVAL);
        if self.probed.contains_key(&node) || self.probed.len() == MAX_PEERS {
            return PeerStatus::Unknown;
        }
        let nonce = Nonce::new();
        self.probed.insert(node, (now, nonce));
        PeerStatus::Probe(nonce)
    }

    /// Starts a probe of all nodes, and returns its nonce. Any node may answer it.
    pub(super) fn probe_all(&mut self, now: Instant) -> Nonce {
        let nonce = Nonce::new();
        self.broadcast = Some((now, nonce));
        nonce
    }

    /// Records an answer to a probe. Returns true if the node was unknown and is now known.
    pub(super) fn answer(&mut self, node: NodeId, nonce: Nonce, now: Instant) -> bool {
        let of_all = self
            .broadcast
            .filter(|&(at, _)| now < at + PEER_TIMEOUT)
            .map(|(_, nonce)| nonce);
        let of_node = self.probed.get(&node).map(|&(_, nonce)| nonce);
        if of_node != Some(nonce) && of_all != Some(nonce) {
            return false;
        }
        self.probed.remove(&node);
        if self.known.len() == MAX_PEERS || self.departed.contains(&node) {
            return false;
        }
        self.known.insert(node, now).is_none()
    }

    /// Records that a node has left. Returns true if it was known.
    pub(super) fn leave(&mut self, node: NodeId) -> bool {
        if !self.departed.contains(&node) {
            self.departed.truncate(MAX_DEPARTED - 1);
            self.departed.push_front(node);
        }
        self.known.remove(&node).is_some()
    }

    /// Removes and returns the nodes that were silent for [`PEER_TIMEOUT`].
    ///
    /// If the last call was long ago, this process stood still and has yet to read what the others
    /// have sent meanwhile. Then their time starts again.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<NodeId> {
        if now.duration_since(self.expired_at) > PEER_TIMEOUT / 2 {
            for heard_at in self.known.values_mut() {
                *heard_at = now;
            }
        }
        self.expired_at = now;
        let silent: Vec<NodeId> = self
            .known
            .iter()
            .filter(|&(_, &heard_at)| now.duration_since(heard_at) >= PEER_TIMEOUT)
            .map(|(&node, _)| node)
            .collect();
        for node in &silent {
            self.known.remove(node);
        }
        silent
    }

    /// Returns the known nodes.
    pub(super) fn known(&self) -> impl Iterator<Item = NodeId> {
        self.known.keys().copied()
    }

    /// Returns the number of known nodes.
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe(status: PeerStatus) -> Nonce {
        match status {
            PeerStatus::Probe(nonce) => nonce,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn node_is_known_after_it_returns_its_own_nonce() {
        let now = Instant::now();
        let (node, other) = (NodeId::new(), NodeId::new());
        let mut peers = PeerTable::new(now);
        let nonce = probe(peers.receive(node, now));
        assert_eq!(peers.receive(node, now), PeerStatus::Unknown, "is probed");
        assert!(!peers.answer(other, nonce, now), "a probe of another node");
        assert!(!peers.answer(node, Nonce::new(), now));
        assert!(peers.answer(node, nonce, now));
        assert_eq!(peers.receive(node, now), PeerStatus::Known);
        assert!(!peers.answer(node, nonce, now), "is known already");
    }

    #[test]
    fn probe_of_all_is_answered_by_any_node_in_time() {
        let now = Instant::now();
        let mut peers = PeerTable::new(now);
        let nonce = peers.probe_all(now);
        assert!(peers.answer(NodeId::new(), nonce, now));
        assert!(peers.answer(NodeId::new(), nonce, now));
        assert!(!peers.answer(NodeId::new(), nonce, now + PEER_TIMEOUT));
        assert_eq!(peers.len(), 2);
    }

    #[test]
    fn late_message_does_not_bring_back_a_forgotten_node() {
        let mut now = Instant::now();
        let node = NodeId::new();
        let mut peers = PeerTable::new(now);
        let nonce = probe(peers.receive(node, now));
        assert!(peers.answer(node, nonce, now));
        for _ in 0..3 {
            now += HEARTBEAT_INTERVAL;
            assert_eq!(peers.expire(now), []);
        }
        now += HEARTBEAT_INTERVAL;
        assert_eq!(peers.expire(now), [node]);
        assert!(matches!(peers.receive(node, now), PeerStatus::Probe(_)));
        assert_eq!(peers.receive(node, now), PeerStatus::Unknown);
        assert!(!peers.answer(node, nonce, now), "an earlier probe");
        assert_eq!(peers.len(), 0);
    }

    #[test]
    fn answer_overtaken_by_a_leave_does_not_bring_the_node_back() {
        let now = Instant::now();
        let (node, stranger) = (NodeId::new(), NodeId::new());
        let mut peers = PeerTable::new(now);
        let of_all = peers.probe_all(now);
        assert!(peers.answer(node, of_all, now));
        assert!(peers.leave(node));
        assert!(!peers.answer(node, of_all, now));
        assert_eq!(peers.receive(node, now), PeerStatus::Unknown);
        let nonce = probe(peers.receive(stranger, now));
        assert!(!peers.leave(stranger));
        assert!(!peers.answer(stranger, nonce, now));
        assert_eq!(peers.len(), 0);
        for _ in 0..2 * MAX_DEPARTED {
            peers.leave(NodeId::new());
        }
        assert_eq!(peers.departed.len(), MAX_DEPARTED);
    }

    #[test]
    fn process_that_stood_still_gives_peers_their_time_again() {
        let now = Instant::now();
        let node = NodeId::new();
        let mut peers = PeerTable::new(now);
        let nonce = peers.probe_all(now);
        assert!(peers.answer(node, nonce, now));
        let mut later = now + Duration::from_secs(60);
        assert_eq!(peers.expire(later), []);
        while later < now + Duration::from_secs(60) + PEER_TIMEOUT - HEARTBEAT_INTERVAL {
            later += HEARTBEAT_INTERVAL;
            assert_eq!(peers.expire(later), []);
        }
        assert_eq!(peers.expire(later + HEARTBEAT_INTERVAL), [node]);
    }

    #[test]
    fn strangers_are_probed_again_and_in_bounded_number() {
        let now = Instant::now();
        let node = NodeId::new();
        let mut peers = PeerTable::new(now);
        let first = probe(peers.receive(node, now));
        let second = probe(peers.receive(node, now + PROBE_INTERVAL));
        assert_ne!(first, second);
        for _ in 0..2 * MAX_PEERS {
            peers.receive(NodeId::new(), now + PROBE_INTERVAL);
        }
        assert_eq!(peers.probed.len(), MAX_PEERS);
    }
}
