//! Which other nodes there are. Pure: it decides, and takes the time as an argument.
//!
//! A node is known from when it has answered a call of this node until it says that it leaves, or
//! has been silent for [`SILENCE`]. A message from a node that is not known is left alone and answered
//! with a call; only a process that is alive can answer that, with the number that was in it. So a
//! message that was under way when its node died, or was forgotten, brings nobody back.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// How often a node says that it is alive, and which rooms it is in.
pub(crate) const BEAT: Duration = Duration::from_secs(2);
/// How long a node may be silent: then it is forgotten, and its readers with it. With what it takes
/// until that is noticed and told, this is below the ten seconds that are promised.
pub(crate) const SILENCE: Duration = Duration::from_secs(8);
/// The least time between two calls to one node.
const CALL_AGAIN: Duration = Duration::from_millis(500);
/// How many nodes are called at the same time, and how many are known. Others are called later.
const MAX_NODES: usize = 1024;
/// How many nodes that left are remembered: far more than leave while a message is under way.
const MAX_GONE: usize = 64;

/// One life of a node: each process that starts has another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(Uuid);

impl NodeId {
    /// An id that no other node has, nor had.
    pub fn new() -> Self {
        Self(Uuid::new_v4())
    }
}

impl Default for NodeId {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Display for NodeId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0.simple())
    }
}

/// What tells the answer to one call from those to all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Nonce(Uuid);

impl Nonce {
    pub(crate) fn new() -> Self {
        Self(Uuid::new_v4())
    }
}

/// Whether a node is to be listened to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is known.
    Known,
    /// It is not, and should be called with this number.
    Call(Nonce),
    /// It is not, and was called just now, or has left.
    Unknown,
}

/// The other nodes.
#[derive(Debug)]
pub(crate) struct Peers {
    /// When each was heard last.
    known: HashMap<NodeId, Instant>,
    /// Those that were called and have not answered: when, and with what.
    called: HashMap<NodeId, (Instant, Nonce)>,
    /// Those that said goodbye last. They do not come back, but what they said before may come yet, by
    /// another way.
    gone: VecDeque<NodeId>,
    /// A call to all, which anybody may answer.
    call_to_all: Option<(Instant, Nonce)>,
    /// When [`expire`](Self::expire) was asked last.
    looked: Instant,
}

impl Peers {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            known: HashMap::new(),
            called: HashMap::new(),
            gone: VecDeque::new(),
            call_to_all: None,
            looked: now,
        }
    }

    /// A message has come from this node.
    pub(crate) fn hear(&mut self, node: NodeId, now: Instant) -> Standing {
        if let Some(heard) = self.known.get_mut(&node) {
            *heard = now;
            return Standing::Known;
        }
        if self.gone.contains(&node) {
            return Standing::Unknown;
        }
        let is_calling = |&(at, _): &(Instant, Nonce)| now < at + CALL_AGAIN;
        self.called.retain(|_, call| is_calling(call));
        if self.called.contains_key(&node) || self.called.len() == MAX_NODES {
            return Standing::Unknown;
        }
        let nonce = Nonce::new();
        self.called.insert(node, (now, nonce));
        Standing::Call(nonce)
    }

    /// The number of a call to all who hear it.
    pub(crate) fn call_all(&mut self, now: Instant) -> Nonce {
        let nonce = Nonce::new();
        self.call_to_all = Some((now, nonce));
        nonce
    }

    /// A node has answered a call; true where that makes it known.
    pub(crate) fn answer(&mut self, node: NodeId, nonce: Nonce, now: Instant) -> bool {
        let to_all = self
            .call_to_all
            .filter(|&(at, _)| now < at + SILENCE)
            .map(|(_, nonce)| nonce);
        let to_it = self.called.get(&node).map(|&(_, nonce)| nonce);
        if to_it != Some(nonce) && to_all != Some(nonce) {
            return false;
        }
        self.called.remove(&node);
        if self.known.len() == MAX_NODES || self.gone.contains(&node) {
            return false;
        }
        self.known.insert(node, now).is_none()
    }

    /// A node has said that it leaves; true where it was known.
    pub(crate) fn leave(&mut self, node: NodeId) -> bool {
        if !self.gone.contains(&node) {
            self.gone.truncate(MAX_GONE - 1);
            self.gone.push_front(node);
        }
        self.known.remove(&node).is_some()
    }

    /// Forgets the nodes that were silent for too long, and names them. Asked every
    /// now and then; where it was not for long, this process stood still, and what the others
    /// have said meanwhile is yet to be read: they have their time again.
    pub(crate) fn expire(&mut self, now: Instant) -> Vec<NodeId> {
        if now.duration_since(self.looked) > SILENCE / 2 {
            for heard in self.known.values_mut() {
                *heard = now;
            }
        }
        self.looked = now;
        let silent: Vec<NodeId> = self
            .known
            .iter()
            .filter(|&(_, &heard)| now.duration_since(heard) >= SILENCE)
            .map(|(&node, _)| node)
            .collect();
        for node in &silent {
            self.known.remove(node);
        }
        silent
    }

    /// The nodes that are known.
    pub(crate) fn known(&self) -> impl Iterator<Item = NodeId> {
        self.known.keys().copied()
    }

    /// How many nodes are known.
    pub(crate) fn count(&self) -> usize {
        self.known.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn called(standing: Standing) -> Nonce {
        match standing {
            Standing::Call(nonce) => nonce,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_node_is_known_once_it_has_answered_with_the_number_of_its_call() {
        let now = Instant::now();
        let (node, other) = (NodeId::new(), NodeId::new());
        let mut peers = Peers::new(now);
        let nonce = called(peers.hear(node, now));
        assert_eq!(peers.hear(node, now), Standing::Unknown, "it was called");
        assert!(
            !peers.answer(other, nonce, now),
            "that call was for another"
        );
        assert!(!peers.answer(node, Nonce::new(), now));
        assert!(peers.answer(node, nonce, now));
        assert_eq!(peers.hear(node, now), Standing::Known);
        assert!(!peers.answer(node, nonce, now), "it is known already");
    }

    #[test]
    fn a_call_to_all_may_be_answered_by_anybody() {
        let now = Instant::now();
        let mut peers = Peers::new(now);
        let nonce = peers.call_all(now);
        assert!(peers.answer(NodeId::new(), nonce, now));
        assert!(peers.answer(NodeId::new(), nonce, now));
        assert!(!peers.answer(NodeId::new(), nonce, now + SILENCE));
        assert_eq!(peers.count(), 2);
    }

    #[test]
    fn a_message_of_a_node_that_was_forgotten_resurrects_nobody() {
        let mut now = Instant::now();
        let node = NodeId::new();
        let mut peers = Peers::new(now);
        let nonce = called(peers.hear(node, now));
        assert!(peers.answer(node, nonce, now));
        for _ in 0..3 {
            now += BEAT;
            assert_eq!(peers.expire(now), []);
        }
        now += BEAT;
        assert_eq!(peers.expire(now), [node]);
        assert!(matches!(peers.hear(node, now), Standing::Call(_)));
        assert_eq!(peers.hear(node, now), Standing::Unknown);
        assert!(!peers.answer(node, nonce, now), "that was another call");
        assert_eq!(peers.count(), 0);
    }

    #[test]
    fn one_who_has_left_is_not_brought_back_by_the_answer_that_its_goodbye_has_overtaken() {
        let now = Instant::now();
        let (node, stranger) = (NodeId::new(), NodeId::new());
        let mut peers = Peers::new(now);
        let to_all = peers.call_all(now);
        assert!(peers.answer(node, to_all, now));
        assert!(peers.leave(node));
        assert!(!peers.answer(node, to_all, now));
        assert_eq!(peers.hear(node, now), Standing::Unknown);
        let nonce = called(peers.hear(stranger, now));
        assert!(!peers.leave(stranger));
        assert!(!peers.answer(stranger, nonce, now));
        assert_eq!(peers.count(), 0);
        for _ in 0..2 * MAX_GONE {
            peers.leave(NodeId::new());
        }
        assert_eq!(peers.gone.len(), MAX_GONE);
    }

    #[test]
    fn a_process_that_stood_still_does_not_take_the_others_for_dead() {
        let now = Instant::now();
        let node = NodeId::new();
        let mut peers = Peers::new(now);
        let nonce = peers.call_all(now);
        assert!(peers.answer(node, nonce, now));
        let mut later = now + Duration::from_secs(60);
        assert_eq!(peers.expire(later), []);
        while later < now + Duration::from_secs(60) + SILENCE - BEAT {
            later += BEAT;
            assert_eq!(peers.expire(later), []);
        }
        assert_eq!(peers.expire(later + BEAT), [node]);
    }

    #[test]
    fn strangers_are_called_again_and_in_bounded_number() {
        let now = Instant::now();
        let node = NodeId::new();
        let mut peers = Peers::new(now);
        let first = called(peers.hear(node, now));
        let second = called(peers.hear(node, now + CALL_AGAIN));
        assert_ne!(first, second);
        for _ in 0..2 * MAX_NODES {
            peers.hear(NodeId::new(), now + CALL_AGAIN);
        }
        assert_eq!(peers.called.len(), MAX_NODES);
    }
}
