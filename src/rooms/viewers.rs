//! The distinct viewers of one room, each counted as long as a member or another node refers to it.

use std::collections::{HashMap, hash_map::Entry};

use super::viewer_id::ViewerId;

/// The distinct viewers of one room on all nodes.
#[derive(Debug, Default)]
pub(super) struct Viewers {
    references: HashMap<ViewerId, RefCount>,
    /// Number of viewers with a member on this node, or in grace.
    local: usize,
}

/// Number of references to a viewer. At least one of the two is above zero.
#[derive(Clone, Copy, Debug, Default)]
struct RefCount {
    /// Members on this node, or one for a viewer in grace.
    members: u32,
    /// Other nodes that report the viewer.
    nodes: u32,
}

impl Viewers {
    /// Adds a member's reference. Returns true if it is the viewer's first on this node.
    pub(super) fn add_member(&mut self, viewer: ViewerId) -> bool {
        let references = self.references.entry(viewer).or_default();
        references.members += 1;
        let is_new = references.members == 1;
        self.local += usize::from(is_new);
        is_new
    }

    /// Releases a member's reference. Returns true if it was the viewer's last on this node.
    pub(super) fn remove_member(&mut self, viewer: ViewerId) -> bool {
        let mut is_gone = false;
        self.release(viewer, |references| {
            references.members -= 1;
            is_gone = references.members == 0;
        });
        self.local -= usize::from(is_gone);
        is_gone
    }

    /// Adds the reference of another node.
    pub(super) fn add_node(&mut self, viewer: ViewerId) {
        self.references.entry(viewer).or_default().nodes += 1;
    }

    /// Releases the reference of another node.
    pub(super) fn remove_node(&mut self, viewer: ViewerId) {
        self.release(viewer, |references| references.nodes -= 1);
    }

    fn release(&mut self, viewer: ViewerId, change: impl FnOnce(&mut RefCount)) {
        if let Entry::Occupied(mut references) = self.references.entry(viewer) {
            change(references.get_mut());
            if references.get().members == 0 && references.get().nodes == 0 {
                references.remove();
            }
        }
    }

    /// Returns true if exactly one member on this node refers to the viewer.
    pub(super) fn has_one_member(&self, viewer: ViewerId) -> bool {
        let references = self.references.get(&viewer);
        references.is_some_and(|references| references.members == 1)
    }

    /// Returns the number of distinct viewers on all nodes.
    pub(super) fn len(&self) -> usize {
        self.references.len()
    }

    /// Returns the distinct viewers on this node.
    pub(super) fn local(&self) -> Vec<ViewerId> {
        let mut viewers = Vec::with_capacity(self.local);
        viewers.extend(
            self.references
                .iter()
                .filter(|(_, references)| references.members > 0)
                .map(|(&viewer, _)| viewer),
        );
        viewers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn viewer_is_local_while_a_member_refers_to_it() {
        let ada = ViewerId(1);
        let mut viewers = Viewers::default();
        assert!(viewers.add_member(ada) && viewers.has_one_member(ada));
        assert!(!viewers.add_member(ada) && !viewers.has_one_member(ada));
        viewers.add_node(ada);
        assert!(!viewers.remove_member(ada));
        assert_eq!((viewers.local(), viewers.local), (vec![ada], 1));
        assert!(viewers.remove_member(ada));
        assert_eq!(
            (viewers.len(), viewers.local().len(), viewers.local),
            (1, 0, 0)
        );
        viewers.remove_node(ada);
        assert!(viewers.references.is_empty());
    }
}
