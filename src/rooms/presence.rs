//! Who is in one room, on this node and on the others: members, and the viewers that they amount to.

use std::collections::{HashMap, HashSet, hash_map::Entry};

use super::viewer_id::ViewerId;
use crate::{
    cluster::{
        NodeId,
        wire::{Announcement, Version},
    },
    model::ClientId,
};

/// The members of one room on this node, and the viewers in it on all nodes. Any number of streams
/// of one client are one membership.
#[derive(Debug, Default)]
pub(crate) struct Presence {
    /// How many streams each client has here, for each viewer that it is. That is one viewer, but for
    /// the moment in which a client signs in, or where two clients claim one id.
    members: HashMap<ClientId, Vec<(ViewerId, usize)>>,
    /// Every viewer there is, and by what.
    viewers: HashMap<ViewerId, Held>,
    /// How many of the viewers are here.
    here: usize,
    /// Which viewers the other nodes have told of.
    elsewhere: HashMap<NodeId, Elsewhere>,
}

/// What makes somebody a viewer. One of the two is above zero.
#[derive(Clone, Copy, Debug, Default)]
struct Held {
    /// Members on this node.
    members: u32,
    /// Other nodes.
    nodes: u32,
}

/// What one other node has told.
#[derive(Debug)]
struct Elsewhere {
    version: Version,
    viewers: HashSet<ViewerId>,
}

/// What leaving has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Left {
    /// It was the client's last stream in this room.
    pub(crate) is_client_gone: bool,
    /// It was the viewer's last client on this node.
    pub(crate) is_viewer_gone: bool,
}

/// What became of another node's announcement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// It is taken in.
    New,
    /// It says nothing that is not known.
    Old,
    /// One before it was missed: it means nothing without that.
    Missed,
}

impl Presence {
    /// Counts a stream in; true where the viewer was not on this node before.
    pub(crate) fn join(&mut self, client: &ClientId, viewer: ViewerId) -> bool {
        let streams = self.members.entry(client.clone()).or_default();
        match streams.iter_mut().find(|(known, _)| *known == viewer) {
            Some((_, count)) => {
                *count += 1;
                false
            }
            None => {
                streams.push((viewer, 1));
                let held = self.viewers.entry(viewer).or_default();
                held.members += 1;
                let is_new = held.members == 1;
                self.here += usize::from(is_new);
                is_new
            }
        }
    }

    /// Counts a stream out.
    pub(crate) fn leave(&mut self, client: &ClientId, viewer: ViewerId) -> Left {
        let nobody = Left {
            is_client_gone: false,
            is_viewer_gone: false,
        };
        let Entry::Occupied(mut member) = self.members.entry(client.clone()) else {
            return nobody;
        };
        let streams = member.get_mut();
        let Some(place) = streams.iter().position(|(known, _)| *known == viewer) else {
            return nobody;
        };
        streams[place].1 -= 1;
        if streams[place].1 > 0 {
            return nobody;
        }
        streams.swap_remove(place);
        let is_client_gone = streams.is_empty();
        if is_client_gone {
            member.remove();
        }
        let mut is_viewer_gone = false;
        self.release(viewer, |held| {
            held.members -= 1;
            is_viewer_gone = held.members == 0;
        });
        self.here -= usize::from(is_viewer_gone);
        Left {
            is_client_gone,
            is_viewer_gone,
        }
    }

    /// How many distinct readers there are, on all nodes.
    pub(crate) fn viewers(&self) -> usize {
        self.viewers.len()
    }

    /// How many members there are here.
    pub(crate) fn members(&self) -> usize {
        self.members.len()
    }

    /// The viewers on this node, each once.
    pub(crate) fn viewers_here(&self) -> Vec<ViewerId> {
        let mut here = Vec::with_capacity(self.here);
        here.extend(
            self.viewers
                .iter()
                .filter(|(_, held)| held.members > 0)
                .map(|(&viewer, _)| viewer),
        );
        here
    }

    /// Takes in what another node tells of its viewers.
    pub(crate) fn hear(&mut self, node: NodeId, told: &Announcement) -> Told {
        let known = self.version_of(node);
        if known.is_some_and(|known| told.version <= known) {
            return Told::Old;
        }
        match told.base {
            None => {
                self.forget(node);
            }
            Some(base) if known != Some(base) => return Told::Missed,
            Some(_) => {}
        }
        let Self {
            viewers, elsewhere, ..
        } = self;
        let there = elsewhere.entry(node).or_insert_with(|| Elsewhere {
            version: told.version,
            viewers: HashSet::new(),
        });
        there.version = told.version;
        let mut gone = Vec::new();
        for viewer in &told.left.0 {
            if there.viewers.remove(viewer) {
                gone.push(*viewer);
            }
        }
        for &viewer in &told.joined.0 {
            if there.viewers.insert(viewer) {
                viewers.entry(viewer).or_default().nodes += 1;
            }
        }
        for viewer in gone {
            self.release(viewer, |held| held.nodes -= 1);
        }
        Told::New
    }

    /// Which of its announcements this node knows another to have made last.
    pub(crate) fn version_of(&self, node: NodeId) -> Option<Version> {
        self.elsewhere.get(&node).map(|there| there.version)
    }

    /// Forgets what another node has told; true where that was anything.
    pub(crate) fn forget(&mut self, node: NodeId) -> bool {
        let Some(there) = self.elsewhere.remove(&node) else {
            return false;
        };
        for viewer in there.viewers {
            self.release(viewer, |held| held.nodes -= 1);
        }
        true
    }

    fn release(&mut self, viewer: ViewerId, change: impl FnOnce(&mut Held)) {
        if let Entry::Occupied(mut held) = self.viewers.entry(viewer) {
            change(held.get_mut());
            if held.get().members == 0 && held.get().nodes == 0 {
                held.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::wire::ViewerIds;

    fn client(id: &str) -> ClientId {
        ClientId::parse(id).unwrap()
    }

    const ADA: ViewerId = ViewerId(1);
    const BOB: ViewerId = ViewerId(2);
    const EVE: ViewerId = ViewerId(3);
    const CLIENT_GONE: Left = Left {
        is_client_gone: true,
        is_viewer_gone: false,
    };
    const BOTH_GONE: Left = Left {
        is_client_gone: true,
        is_viewer_gone: true,
    };
    const NONE_GONE: Left = Left {
        is_client_gone: false,
        is_viewer_gone: false,
    };

    fn told(
        base: Option<u64>,
        version: u64,
        joined: &[ViewerId],
        left: &[ViewerId],
    ) -> Announcement {
        Announcement {
            base: base.map(Version),
            version: Version(version),
            joined: ViewerIds(joined.to_vec()),
            left: ViewerIds(left.to_vec()),
            typists: None,
        }
    }

    #[test]
    fn streams_of_one_client_are_one_member_until_the_last_ends() {
        let mut presence = Presence::default();
        let a = client("a");
        assert!(presence.join(&a, ADA));
        assert!(!presence.join(&a, ADA));
        assert_eq!((presence.members(), presence.viewers()), (1, 1));
        assert_eq!(presence.leave(&a, ADA), NONE_GONE);
        assert_eq!((presence.members(), presence.viewers()), (1, 1));
        assert_eq!(presence.leave(&a, ADA), BOTH_GONE);
        assert_eq!((presence.members(), presence.viewers()), (0, 0));
    }

    #[test]
    fn a_user_counts_once_however_many_clients_and_an_anonymous_reader_once_a_client() {
        let mut presence = Presence::default();
        assert!(presence.join(&client("tab1"), ADA));
        assert!(!presence.join(&client("tab2"), ADA));
        assert_eq!((presence.members(), presence.viewers()), (2, 1));
        presence.join(&client("x"), BOB);
        presence.join(&client("y"), EVE);
        assert_eq!((presence.members(), presence.viewers()), (4, 3));
        assert_eq!(presence.leave(&client("tab1"), ADA), CLIENT_GONE);
        assert_eq!(presence.viewers(), 3);
        assert_eq!(presence.leave(&client("tab2"), ADA), BOTH_GONE);
        assert_eq!(presence.viewers(), 2);
    }

    #[test]
    fn a_client_that_signs_in_is_gone_only_when_both_its_streams_are() {
        let mut presence = Presence::default();
        let a = client("a");
        presence.join(&a, BOB);
        presence.join(&a, ADA);
        assert!(!presence.leave(&a, BOB).is_client_gone);
        assert_eq!((presence.members(), presence.viewers()), (1, 1));
        assert_eq!(presence.leave(&a, ADA), BOTH_GONE);
    }

    #[test]
    fn one_who_never_came_cannot_leave() {
        let mut presence = Presence::default();
        presence.join(&client("a"), ADA);
        assert_eq!(presence.leave(&client("b"), ADA), NONE_GONE);
        assert_eq!(presence.leave(&client("a"), BOB), NONE_GONE);
        assert_eq!((presence.members(), presence.viewers()), (1, 1));
    }

    #[test]
    fn a_reader_on_two_nodes_counts_once_until_both_have_lost_them() {
        let (one, two) = (NodeId::new(), NodeId::new());
        let mut presence = Presence::default();
        presence.join(&client("a"), ADA);
        assert_eq!(
            presence.hear(one, &told(None, 1, &[ADA, BOB], &[])),
            Told::New
        );
        assert_eq!(
            presence.hear(two, &told(None, 7, &[BOB, EVE], &[])),
            Told::New
        );
        assert_eq!((presence.viewers(), presence.here), (3, 1));
        assert_eq!(presence.leave(&client("a"), ADA), BOTH_GONE);
        assert_eq!((presence.viewers(), presence.here), (3, 0));
        assert_eq!(
            presence.hear(one, &told(Some(1), 2, &[], &[ADA])),
            Told::New
        );
        assert_eq!(presence.viewers(), 2);
        assert!(presence.forget(two));
        assert_eq!(presence.viewers(), 1, "Bob is still on the first");
        assert!(presence.forget(one));
        assert!(!presence.forget(one));
        assert_eq!(presence.viewers(), 0);
        assert!(presence.viewers.is_empty() && presence.elsewhere.is_empty());
    }

    #[test]
    fn what_was_told_before_changes_nothing_and_what_lacks_its_base_is_told_apart() {
        let node = NodeId::new();
        let mut presence = Presence::default();
        assert_eq!(
            presence.hear(node, &told(Some(1), 2, &[ADA], &[])),
            Told::Missed
        );
        assert_eq!(presence.hear(node, &told(None, 2, &[ADA], &[])), Told::New);
        assert_eq!(presence.hear(node, &told(None, 1, &[BOB], &[])), Told::Old);
        assert_eq!(
            presence.hear(node, &told(Some(3), 4, &[BOB], &[])),
            Told::Missed
        );
        assert_eq!(presence.viewers(), 1);
        assert_eq!(
            presence.hear(node, &told(None, 5, &[BOB, EVE], &[])),
            Told::New
        );
        assert_eq!(presence.viewers(), 2, "Ada is not in the new list");
        // Said twice, it holds once.
        assert_eq!(
            presence.hear(node, &told(Some(5), 6, &[BOB], &[ADA])),
            Told::New
        );
        assert_eq!(presence.viewers(), 2);
    }
}
