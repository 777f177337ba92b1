//! Deltas: the changes of one room that its node reports to the others. The first change is reported
//! at once, then at most one delta in a [`WINDOW`], however many viewers come and go.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use super::{conflate::WINDOW, state::Local, typing::NodeTypist, viewer_id::ViewerId};

/// Maximum number of viewers in one delta. Each takes 16 bytes, or 22 in base64, so a message stays
/// well below NATS's default limit of one megabyte.
const MAX_VIEWERS: usize = 24_000;
/// Interval at which typists are reported again while there are any.
const TYPING_INTERVAL: Duration = Duration::from_secs(3);

/// A delta's position among all deltas of its node, in all rooms. Later ones are greater, and none is
/// reused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Version(pub(crate) u64);

/// A change of one room on one node; without a `base`, the room's complete state there.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Delta {
    /// Version of the room's delta that this one builds on.
    pub(crate) base: Option<Version>,
    pub(crate) version: Version,
    pub(crate) joined: Vec<ViewerId>,
    pub(crate) left: Vec<ViewerId>,
    /// All users who type on the node; `None` means unchanged.
    pub(crate) typists: Option<Vec<NodeTypist>>,
}

/// The changes of one room that the other nodes have not been sent yet.
#[derive(Debug, Default)]
pub(super) struct DeltaLog {
    /// Version of the last delta taken. If `None`, the next delta carries the complete state.
    version: Option<Version>,
    /// Viewers who joined (true) or left (false) since. A viewer who did both is not in it.
    changes: HashMap<ViewerId, bool>,
    has_typing_changed: bool,
    taken_at: Option<Instant>,
    typing_taken_at: Option<Instant>,
}

impl DeltaLog {
    /// Records that the viewer has come to this node.
    pub(super) fn joined(&mut self, viewer: ViewerId) {
        self.record(viewer, true);
    }

    /// Records that the viewer is no longer on this node.
    pub(super) fn left(&mut self, viewer: ViewerId) {
        self.record(viewer, false);
    }

    /// Records that the typists of this node have changed.
    pub(super) fn typing_changed(&mut self) {
        self.has_typing_changed = true;
    }

    /// Returns the version of the last delta taken. `None` if the other nodes do not know the room.
    pub(super) fn version(&self) -> Option<Version> {
        self.version
    }

    /// Returns the time at which the next delta is due. `None` if there is nothing to report.
    pub(super) fn due(&self, local: &Local, now: Instant) -> Option<Instant> {
        let has_changes =
            self.version.is_none() || !self.changes.is_empty() || self.has_typing_changed;
        let changes_due = has_changes.then(|| self.taken_at.map_or(now, |at| at + WINDOW));
        let typing_due = self
            .typing_taken_at
            .filter(|_| local.typing.is_local())
            .map(|at| at + TYPING_INTERVAL);
        [changes_due, typing_due].into_iter().flatten().min()
    }

    /// Takes the deltas that are due, with versions from `next`. There are several only if the
    /// viewers exceed [`MAX_VIEWERS`].
    pub(super) fn take(
        &mut self,
        local: &Local,
        now: Instant,
        mut next: impl FnMut() -> Version,
    ) -> Vec<Delta> {
        if self.due(local, now).is_none_or(|due| due > now) {
            return Vec::new();
        }
        let (mut joined, mut left) = (Vec::new(), Vec::new());
        if self.version.is_some() {
            for (viewer, is_here) in self.changes.drain() {
                if is_here {
                    joined.push(viewer);
                } else {
                    left.push(viewer);
                }
            }
        } else {
            self.changes.clear();
            joined = local.presence.local_viewers();
        }
        self.taken_at = Some(now);
        self.has_typing_changed = false;
        self.typing_taken_at = local.typing.is_local().then_some(now);
        let mut typists = Some(local.typing.local_typists());
        let mut deltas = Vec::new();
        while deltas.is_empty() || !joined.is_empty() || !left.is_empty() {
            let version = next();
            deltas.push(Delta {
                base: self.version.replace(version),
                version,
                joined: split_first(&mut joined),
                left: split_first(&mut left),
                typists: typists.take(),
            });
        }
        deltas
    }

    /// Takes the final delta, which says that the room is empty. `None` if the other nodes do not
    /// know the room.
    pub(super) fn close(&mut self, mut next: impl FnMut() -> Version) -> Option<Delta> {
        self.version.take()?;
        Some(Delta {
            base: None,
            version: next(),
            joined: Vec::new(),
            left: Vec::new(),
            typists: Some(Vec::new()),
        })
    }

    /// Returns the complete state as of the last delta taken, for a node that requests it.
    ///
    /// `None` if there was no delta yet, or if the state exceeds [`MAX_VIEWERS`]. In the second case
    /// the next delta reports the complete state to all nodes.
    pub(super) fn snapshot(&mut self, local: &Local) -> Option<Delta> {
        let version = self.version?;
        // Changes that were not sent yet are left out. A viewer who joins and leaves before the next
        // delta is not in that delta, so a snapshot that had them would never be corrected.
        let mut viewers = local.presence.local_viewers();
        viewers.retain(|viewer| self.changes.get(viewer) != Some(&true));
        let gone = self.changes.iter().filter(|&(_, &is_here)| !is_here);
        viewers.extend(gone.map(|(&viewer, _)| viewer));
        if viewers.len() > MAX_VIEWERS {
            self.reset();
            return None;
        }
        Some(Delta {
            base: None,
            version,
            joined: viewers,
            left: Vec::new(),
            typists: Some(local.typing.local_typists()),
        })
    }

    fn reset(&mut self) {
        self.version = None;
        self.changes.clear();
    }

    fn record(&mut self, viewer: ViewerId, is_here: bool) {
        // Without a version the next delta carries the complete state, so changes are not needed.
        if self.version.is_some() && self.changes.insert(viewer, is_here) == Some(!is_here) {
            self.changes.remove(&viewer);
        }
    }
}

fn split_first(viewers: &mut Vec<ViewerId>) -> Vec<ViewerId> {
    let rest = viewers.split_off(viewers.len().min(MAX_VIEWERS));
    std::mem::replace(viewers, rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::ClientId,
        rooms::{
            node_id::NodeId,
            presence::{ApplyResult, Presence},
        },
    };

    /// A room on a node, and its replica on another.
    #[derive(Default)]
    struct Replicated {
        local: Local,
        log: DeltaLog,
        versions: u64,
        node: NodeId,
        replica: Presence,
    }

    impl Replicated {
        fn join(&mut self, number: u128) {
            let client = ClientId::parse(&format!("c{number}")).unwrap();
            if self.local.presence.join(&client, ViewerId(number)) {
                self.log.joined(ViewerId(number));
            }
        }

        fn leave(&mut self, number: u128) {
            let client = ClientId::parse(&format!("c{number}")).unwrap();
            let departure = self.local.presence.leave(&client, ViewerId(number), None);
            if departure.is_viewer_gone {
                self.log.left(ViewerId(number));
            }
        }

        fn take(&mut self, now: Instant) -> Vec<Delta> {
            self.log.take(&self.local, now, || {
                self.versions += 1;
                Version(self.versions)
            })
        }

        fn snapshot(&mut self) -> Option<Delta> {
            self.log.snapshot(&self.local)
        }

        fn replicate(&mut self, deltas: &[Delta]) {
            for delta in deltas {
                assert_eq!(self.replica.apply(self.node, delta), ApplyResult::Applied);
            }
            assert_eq!(self.replica.viewers(), self.local.presence.viewers());
        }
    }

    #[test]
    fn burst_of_joins_is_one_delta_per_window() {
        let start = Instant::now();
        let mut room = Replicated::default();
        room.join(0);
        let first = room.take(start);
        assert_eq!((first.len(), first[0].base), (1, None));
        room.replicate(&first);
        for number in 1..1000 {
            room.join(number);
            assert_eq!(room.take(start).len(), 0);
        }
        let second = room.take(start + WINDOW);
        assert_eq!((second.len(), second[0].base), (1, Some(Version(1))));
        room.replicate(&second);
        assert_eq!(room.take(start + 2 * WINDOW).len(), 0, "nothing changed");
    }

    #[test]
    fn viewer_who_came_and_went_within_a_window_is_not_reported() {
        let start = Instant::now();
        let mut room = Replicated::default();
        room.join(0);
        let first = room.take(start);
        room.replicate(&first);
        room.join(1);
        room.leave(1);
        room.leave(0);
        room.join(0);
        assert_eq!(room.take(start + WINDOW).len(), 0);
    }

    #[test]
    fn large_room_is_split_into_deltas_that_build_on_each_other() {
        let start = Instant::now();
        let mut room = Replicated::default();
        let many = 2 * MAX_VIEWERS as u128 + 1;
        for number in 0..many {
            room.join(number);
        }
        let all = room.take(start);
        assert_eq!(all.len(), 3);
        room.replicate(&all);
        assert!(room.snapshot().is_none(), "too many for one");
        let again = room.take(start + WINDOW);
        assert_eq!((again.len(), again[0].base), (3, None));
        room.replicate(&again);
        for number in 0..many {
            room.leave(number);
        }
        let gone = room.take(start + 2 * WINDOW);
        assert_eq!(gone.len(), 3);
        room.replicate(&gone);
    }

    #[test]
    fn snapshot_omits_unsent_changes() {
        let start = Instant::now();
        let mut room = Replicated::default();
        room.join(0);
        let first = room.take(start);
        room.replicate(&first);
        // One joined and one left; both are reverted before the next delta.
        room.join(1);
        room.leave(0);
        let snapshot = room.snapshot().unwrap();
        room.leave(1);
        room.join(0);
        assert_eq!(room.take(start + WINDOW).len(), 0);
        let mut late = Presence::default();
        assert_eq!(late.apply(room.node, &snapshot), ApplyResult::Applied);
        assert_eq!(late.viewers(), 1);
        room.join(2);
        let next = room.take(start + 2 * WINDOW);
        assert_eq!(late.apply(room.node, &next[0]), ApplyResult::Applied);
        assert_eq!(late.viewers(), 2);
    }

    #[test]
    fn snapshot_agrees_with_the_next_delta() {
        let start = Instant::now();
        let mut room = Replicated::default();
        room.join(0);
        let first = room.take(start);
        room.replicate(&first);
        room.join(1);
        room.leave(0);
        let snapshot = room.snapshot().unwrap();
        let mut late = Presence::default();
        assert_eq!(late.apply(room.node, &snapshot), ApplyResult::Applied);
        assert_eq!(late.viewers(), 1);
        let next = room.take(start + WINDOW);
        assert_eq!(late.apply(room.node, &next[0]), ApplyResult::Applied);
        assert_eq!(late.viewers(), 1);
        room.replicate(&next);
    }
}
