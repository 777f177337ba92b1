//! Members of one room on this node, and its viewers on all nodes.

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    time::Instant,
};

use super::{
    delta::{Delta, Version},
    grace::Grace,
    node_id::NodeId,
    viewer_id::ViewerId,
    viewers::Viewers,
};
use crate::model::ClientId;

/// The members of one room on this node, and the viewers in it on all nodes. All streams of one
/// client are one member.
#[derive(Debug, Default)]
pub(super) struct Presence {
    /// Number of streams per client and viewer. A client is one viewer, except while it signs in,
    /// or if two clients use the same id.
    members: HashMap<ClientId, Vec<(ViewerId, usize)>>,
    viewers: Viewers,
    /// Viewers whose last member on this node was sent away. Each keeps that member's reference.
    grace: Grace,
    remote: HashMap<NodeId, RemoteViewers>,
}

/// Viewers that one other node has reported.
#[derive(Debug)]
struct RemoteViewers {
    version: Version,
    viewers: HashSet<ViewerId>,
}

/// The effect of a stream's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Departure {
    /// It was the client's last stream in this room.
    pub(super) is_client_gone: bool,
    /// It was the viewer's last client on this node.
    pub(super) is_viewer_gone: bool,
}

/// The result of applying another node's delta.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ApplyResult {
    /// The delta was applied.
    Applied,
    /// It is not newer than what is known. Nothing changed.
    Stale,
    /// The delta that it builds on is missing. Nothing changed.
    MissingBase,
}

impl Presence {
    /// Adds a stream. Returns true if the viewer was not on this node before.
    pub(super) fn join(&mut self, client: &ClientId, viewer: ViewerId) -> bool {
        let streams = self.members.entry(client.clone()).or_default();
        match streams.iter_mut().find(|(known, _)| *known == viewer) {
            Some((_, count)) => {
                *count += 1;
                false
            }
            None => {
                streams.push((viewer, 1));
                if self.grace.end(viewer) {
                    // The member takes over the reference.
                    return false;
                }
                self.viewers.add_member(viewer)
            }
        }
    }

    /// Removes a stream. No-op if there is none of this client and viewer. If it was sent away, its viewer
    /// is in grace from then on, unless it has other members.
    pub(super) fn leave(
        &mut self,
        client: &ClientId,
        viewer: ViewerId,
        sent_away_at: Option<Instant>,
    ) -> Departure {
        let unchanged = Departure {
            is_client_gone: false,
            is_viewer_gone: false,
        };
        let Entry::Occupied(mut member) = self.members.entry(client.clone()) else {
            return unchanged;
        };
        let streams = member.get_mut();
        let Some(index) = streams.iter().position(|(known, _)| *known == viewer) else {
            return unchanged;
        };
        streams[index].1 -= 1;
        if streams[index].1 > 0 {
            return unchanged;
        }
        streams.swap_remove(index);
        let is_client_gone = streams.is_empty();
        if is_client_gone {
            member.remove();
        }
        let is_last = self.viewers.has_one_member(viewer);
        let is_in_grace = is_last && sent_away_at.is_some_and(|at| self.grace.begin(viewer, at));
        Departure {
            is_client_gone,
            is_viewer_gone: !is_in_grace && self.viewers.remove_member(viewer),
        }
    }

    /// Removes and returns the viewers whose grace is over.
    pub(super) fn expire_grace(&mut self, now: Instant) -> Vec<ViewerId> {
        let expired = self.grace.expire(now);
        for viewer in &expired {
            self.viewers.remove_member(*viewer);
        }
        expired
    }

    /// Removes a viewer if it is in grace. Returns true if it was.
    pub(super) fn end_grace(&mut self, viewer: ViewerId) -> bool {
        self.grace.end(viewer) && self.viewers.remove_member(viewer)
    }

    /// Returns the time at which to call [`expire_grace`](Self::expire_grace).
    pub(super) fn next_expiry(&self) -> Option<Instant> {
        self.grace.next_expiry()
    }

    /// Returns true if there are members on this node, or viewers in grace.
    pub(super) fn is_local(&self) -> bool {
        !self.members.is_empty() || !self.grace.is_empty()
    }

    /// Returns the number of distinct viewers on all nodes.
    pub(super) fn viewers(&self) -> usize {
        self.viewers.len()
    }

    /// Returns the number of clients on this node.
    pub(super) fn members(&self) -> usize {
        self.members.len()
    }

    /// Returns the distinct viewers on this node.
    pub(super) fn local_viewers(&self) -> Vec<ViewerId> {
        self.viewers.local()
    }

    /// Applies another node's delta to the viewers that it reports.
    pub(super) fn apply(&mut self, node: NodeId, delta: &Delta) -> ApplyResult {
        let known = self.version_of(node);
        if known.is_some_and(|known| delta.version <= known) {
            return ApplyResult::Stale;
        }
        match delta.base {
            None => {
                self.forget(node);
            }
            Some(base) if known != Some(base) => return ApplyResult::MissingBase,
            Some(_) => {}
        }
        let reported = self.remote.entry(node).or_insert_with(|| RemoteViewers {
            version: delta.version,
            viewers: HashSet::new(),
        });
        reported.version = delta.version;
        for viewer in &delta.left {
            if reported.viewers.remove(viewer) {
                self.viewers.remove_node(*viewer);
            }
        }
        for &viewer in &delta.joined {
            if reported.viewers.insert(viewer) {
                self.viewers.add_node(viewer);
            }
        }
        ApplyResult::Applied
    }

    /// Returns the version of the last delta applied for `node`.
    pub(super) fn version_of(&self, node: NodeId) -> Option<Version> {
        self.remote.get(&node).map(|reported| reported.version)
    }

    /// Removes all that `node` has reported. Returns true if there was anything.
    pub(super) fn forget(&mut self, node: NodeId) -> bool {
        let Some(reported) = self.remote.remove(&node) else {
            return false;
        };
        for viewer in reported.viewers {
            self.viewers.remove_node(viewer);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rooms::grace::GRACE;

    fn client(id: &str) -> ClientId {
        ClientId::parse(id).unwrap()
    }

    const ADA: ViewerId = ViewerId(1);
    const BOB: ViewerId = ViewerId(2);
    const EVE: ViewerId = ViewerId(3);
    const CLIENT_GONE: Departure = Departure {
        is_client_gone: true,
        is_viewer_gone: false,
    };
    const BOTH_GONE: Departure = Departure {
        is_client_gone: true,
        is_viewer_gone: true,
    };
    const NONE_GONE: Departure = Departure {
        is_client_gone: false,
        is_viewer_gone: false,
    };

    fn delta(base: Option<u64>, version: u64, joined: &[ViewerId], left: &[ViewerId]) -> Delta {
        Delta {
            base: base.map(Version),
            version: Version(version),
            joined: joined.to_vec(),
            left: left.to_vec(),
            typists: None,
        }
    }

    /// Returns the number of viewers on all nodes, and on this node.
    fn counts(presence: &Presence) -> (usize, usize) {
        (presence.viewers(), presence.local_viewers().len())
    }

    #[test]
    fn streams_of_one_client_are_one_member_until_the_last_ends() {
        let mut presence = Presence::default();
        let a = client("a");
        assert!(presence.join(&a, ADA));
        assert!(!presence.join(&a, ADA));
        assert_eq!((presence.members(), presence.viewers()), (1, 1));
        assert_eq!(presence.leave(&a, ADA, None), NONE_GONE);
        assert_eq!((presence.members(), presence.viewers()), (1, 1));
        assert_eq!(presence.leave(&a, ADA, None), BOTH_GONE);
        assert_eq!((presence.members(), presence.viewers()), (0, 0));
    }

    #[test]
    fn user_counts_once_and_anonymous_reader_once_per_client() {
        let mut presence = Presence::default();
        assert!(presence.join(&client("tab1"), ADA));
        assert!(!presence.join(&client("tab2"), ADA));
        assert_eq!((presence.members(), presence.viewers()), (2, 1));
        presence.join(&client("x"), BOB);
        presence.join(&client("y"), EVE);
        assert_eq!((presence.members(), presence.viewers()), (4, 3));
        assert_eq!(presence.leave(&client("tab1"), ADA, None), CLIENT_GONE);
        assert_eq!(presence.viewers(), 3);
        assert_eq!(presence.leave(&client("tab2"), ADA, None), BOTH_GONE);
        assert_eq!(presence.viewers(), 2);
    }

    #[test]
    fn client_that_signs_in_is_gone_after_both_its_streams() {
        let mut presence = Presence::default();
        let a = client("a");
        presence.join(&a, BOB);
        presence.join(&a, ADA);
        assert!(!presence.leave(&a, BOB, None).is_client_gone);
        assert_eq!((presence.members(), presence.viewers()), (1, 1));
        assert_eq!(presence.leave(&a, ADA, None), BOTH_GONE);
    }

    #[test]
    fn leave_without_join_changes_nothing() {
        let mut presence = Presence::default();
        presence.join(&client("a"), ADA);
        assert_eq!(presence.leave(&client("b"), ADA, None), NONE_GONE);
        assert_eq!(presence.leave(&client("a"), BOB, None), NONE_GONE);
        assert_eq!((presence.members(), presence.viewers()), (1, 1));
    }

    #[test]
    fn viewer_sent_away_counts_until_it_is_back_or_in_time() {
        let start = Instant::now();
        let (a, b) = (client("a"), client("b"));
        let mut presence = Presence::default();
        assert!(presence.join(&a, ADA) && presence.join(&b, BOB));
        assert_eq!(presence.leave(&a, ADA, Some(start)), CLIENT_GONE);
        assert_eq!(presence.leave(&b, BOB, Some(start)), CLIENT_GONE);
        assert_eq!((presence.members(), presence.viewers()), (0, 2));
        assert!(presence.is_local());
        assert!(!presence.join(&a, ADA), "it was there all the time");
        assert_eq!(presence.expire_grace(start + GRACE), [BOB]);
        assert_eq!((presence.members(), presence.viewers()), (1, 1));
        assert_eq!(presence.leave(&a, ADA, None), BOTH_GONE);
        assert!(!presence.is_local() && presence.viewers() == 0);
        assert!(presence.local_viewers().is_empty());
    }

    #[test]
    fn viewer_with_another_member_needs_no_grace() {
        let start = Instant::now();
        let mut presence = Presence::default();
        presence.join(&client("tab1"), ADA);
        presence.join(&client("tab2"), ADA);
        let departure = presence.leave(&client("tab1"), ADA, Some(start));
        assert_eq!((departure, presence.next_expiry()), (CLIENT_GONE, None));
        assert_eq!(presence.leave(&client("tab2"), ADA, None), BOTH_GONE);
        assert!(!presence.end_grace(ADA));
    }

    #[test]
    fn viewer_on_two_nodes_counts_once_until_gone_from_both() {
        let (one, two) = (NodeId::new(), NodeId::new());
        let mut presence = Presence::default();
        presence.join(&client("a"), ADA);
        assert_eq!(
            presence.apply(one, &delta(None, 1, &[ADA, BOB], &[])),
            ApplyResult::Applied
        );
        assert_eq!(
            presence.apply(two, &delta(None, 7, &[BOB, EVE], &[])),
            ApplyResult::Applied
        );
        assert_eq!(counts(&presence), (3, 1));
        assert_eq!(presence.leave(&client("a"), ADA, None), BOTH_GONE);
        assert_eq!(counts(&presence), (3, 0));
        assert_eq!(
            presence.apply(one, &delta(Some(1), 2, &[], &[ADA])),
            ApplyResult::Applied
        );
        assert_eq!(presence.viewers(), 2);
        assert!(presence.forget(two));
        assert_eq!(presence.viewers(), 1, "Bob is still on the first");
        assert!(presence.forget(one));
        assert!(!presence.forget(one));
        assert_eq!(presence.viewers(), 0);
        assert!(presence.remote.is_empty());
    }

    #[test]
    fn stale_delta_is_ignored_and_missing_base_is_reported() {
        let node = NodeId::new();
        let mut presence = Presence::default();
        for (delta, result, viewers) in [
            (delta(Some(1), 2, &[ADA], &[]), ApplyResult::MissingBase, 0),
            (delta(None, 2, &[ADA], &[]), ApplyResult::Applied, 1),
            (delta(None, 1, &[BOB], &[]), ApplyResult::Stale, 1),
            (delta(Some(3), 4, &[BOB], &[]), ApplyResult::MissingBase, 1),
            // Ada is not in the new list.
            (delta(None, 5, &[BOB, EVE], &[]), ApplyResult::Applied, 2),
            // Repeated joins and leaves have no effect.
            (delta(Some(5), 6, &[BOB], &[ADA]), ApplyResult::Applied, 2),
        ] {
            assert_eq!(presence.apply(node, &delta), result, "{delta:?}");
            assert_eq!(presence.viewers(), viewers, "{delta:?}");
        }
    }
}
