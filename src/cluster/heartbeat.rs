//! Anti-entropy: repairs what lost messages leave different between nodes.
//!
//! Each delta has a version, and each heartbeat carries a digest: the last version of every room on
//! its node. A node that has another version of a room asks for a snapshot.

use std::{collections::HashMap, time::Duration};

use super::{
    backplane::Subject,
    node::ClusterNode,
    peers::{Nonce, PEER_TIMEOUT},
    wire::{Body, Heartbeat},
};
use crate::rooms::{NodeId, RoomKey, Version, now};

/// Interval at which dead nodes are looked for, and missed messages are made up for.
pub(super) const MAINTENANCE_INTERVAL: Duration = Duration::from_millis(500);
/// Maximum number of rooms in one message. Each takes 16 bytes, or 22 in base64.
const ROOMS_PER_HEARTBEAT: usize = 16_384;

impl ClusterNode {
    /// Sends a heartbeat with the digest of all rooms, in as many messages as that takes. `nonce` is
    /// the one of the probe that it answers.
    pub(super) fn send_heartbeat(&self, to: &Subject, nonce: Option<Nonce>) {
        let rooms = self
            .hub
            .rooms()
            .into_iter()
            .filter_map(|room| Some((room.key(), room.lock().version()?)))
            .collect();
        for heartbeat in heartbeats(self.version, nonce, rooms) {
            self.send(to, Body::Heartbeat(heartbeat));
        }
    }

    /// Compares what is known of a node's rooms with its digest, and asks for what is missing.
    pub(super) fn compare(&self, from: NodeId, heartbeat: &Heartbeat) {
        let digest: HashMap<RoomKey, Version> = heartbeat.rooms.iter().copied().collect();
        let mut missing = Vec::new();
        for room in self.hub.rooms() {
            if room.key() < heartbeat.first || room.key() > heartbeat.last {
                continue;
            }
            let known = room.lock().version_of(from);
            match (digest.get(&room.key()), known) {
                (Some(version), known) if known.is_none_or(|known| known < *version) => {
                    missing.push(room.post().clone());
                }
                // The node has left the room, and its final delta was lost.
                (None, Some(known)) if known <= heartbeat.version => {
                    self.hub.update(&room, |state| state.forget(from));
                }
                _ => {}
            }
        }
        self.send_posts(&Subject::Node(from), missing, |posts| {
            Body::SnapshotRequest { posts }
        });
    }

    /// Makes up for lost messages: compares all rooms with the store, and probes all nodes.
    pub(super) fn resync(&mut self) {
        self.has_missed = false;
        let rooms = self.hub.rooms();
        self.hub
            .request_reconcile(rooms.iter().map(|room| room.post().clone()));
        let nonce = self.peers.probe_all(now());
        self.send(&Subject::All, Body::Probe { nonce });
    }

    /// Resyncs if messages were lost, forgets silent nodes and those that have left, and ends lingering
    /// subscriptions.
    pub(super) fn maintain(&mut self) {
        if self.has_missed {
            tracing::warn!("backplane messages dropped: receiver too slow");
            self.resync();
        }
        for node in self.peers.expire(now()) {
            tracing::warn!(%node, silence = ?PEER_TIMEOUT, "node timed out");
            self.forget(node);
        }
        while let Some((_, node)) = self.departed.pop_front_if(|(until, _)| *until <= now()) {
            self.forget(node);
        }
        self.remote.counts.sweep(now());
        self.publish_dropped();
        for post in self.interest.expire(now()) {
            self.unsubscribe(post);
        }
    }

    /// Removes all that a node has reported.
    pub(super) fn forget(&self, node: NodeId) {
        for room in self.hub.rooms() {
            self.hub.update(&room, |state| state.forget(node));
        }
        self.publish_peer_count();
    }
}

/// Splits a digest into heartbeats, whose ranges of keys cover all keys.
fn heartbeats(
    version: Version,
    nonce: Option<Nonce>,
    mut rooms: Vec<(RoomKey, Version)>,
) -> Vec<Heartbeat> {
    rooms.sort_unstable();
    let mut heartbeats = Vec::with_capacity(1);
    let mut first = RoomKey(0);
    loop {
        let rest = rooms.split_off(rooms.len().min(ROOMS_PER_HEARTBEAT));
        let last = match rest.first() {
            Some(&(next, _)) => RoomKey(next.0 - 1),
            None => RoomKey(u64::MAX),
        };
        let is_last = rest.is_empty();
        heartbeats.push(Heartbeat {
            nonce,
            version,
            first,
            last,
            rooms: std::mem::replace(&mut rooms, rest),
        });
        if is_last {
            return heartbeats;
        }
        first = RoomKey(last.0 + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heartbeats_cover_all_keys_without_overlap() {
        for count in [0, 1, ROOMS_PER_HEARTBEAT, 2 * ROOMS_PER_HEARTBEAT + 1] {
            let rooms: Vec<_> = (0..count as u64)
                .rev()
                .map(|number| (RoomKey(number * 7), Version(number)))
                .collect();
            let parts = heartbeats(Version(9), None, rooms);
            assert_eq!(parts.len(), count.div_ceil(ROOMS_PER_HEARTBEAT).max(1));
            assert_eq!(parts[0].first, RoomKey(0));
            assert_eq!(parts[parts.len() - 1].last, RoomKey(u64::MAX));
            for pair in parts.windows(2) {
                assert_eq!(pair[1].first.0, pair[0].last.0 + 1);
            }
            for part in &parts {
                let mut keys = part.rooms.iter().map(|(key, _)| key);
                assert!(keys.all(|key| (part.first..=part.last).contains(key)));
            }
            assert_eq!(
                parts.iter().map(|part| part.rooms.len()).sum::<usize>(),
                count
            );
        }
    }
}
