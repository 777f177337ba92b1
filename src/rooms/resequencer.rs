//! The resequencer of one room's feed: passes changes on in the order of their seq.
//!
//! Two writers commit one after the other and publish at the same time, so a later change may come
//! first. It waits here for the earlier one. The earlier one may never come, because its writer died
//! between commit and publishing, or because a message from its node was lost. Then the room calls
//! [`jump`]: at once if a later change shows the gap, else when the reconciler has compared the
//! room with the store.
//!
//! [`jump`]: Resequencer::jump

use std::{collections::BTreeMap, sync::Arc};

use crate::model::{Change, Seq};

/// Maximum number of changes that wait for an earlier one. A further one is dropped here, and the
/// reconciler has it read from the store.
const MAX_WAITING: usize = 1024;

/// A reorder buffer that passes each change on once.
#[derive(Debug, Default)]
pub(super) struct Resequencer {
    /// Seq of the newest change passed on; `None` until [`establish`](Self::establish).
    head: Option<Seq>,
    waiting: BTreeMap<Seq, Arc<Change>>,
    has_dropped: bool,
}

impl Resequencer {
    /// Returns the seq of the newest change passed on.
    pub(super) fn head(&self) -> Option<Seq> {
        self.head
    }

    /// Takes a change and returns the changes that are next in order.
    pub(super) fn accept(&mut self, change: Arc<Change>) -> Vec<Arc<Change>> {
        let is_known = self.head.is_some_and(|head| change.seq <= head);
        let is_next = self.head.is_some_and(|head| change.seq == head.next());
        let has_capacity = is_next || self.waiting.len() < MAX_WAITING;
        self.has_dropped = !is_known && !has_capacity;
        if !is_known && has_capacity {
            self.waiting.insert(change.seq, change);
        }
        self.drain()
    }

    /// Returns true if the last [`accept`](Self::accept) dropped its change because
    /// [`MAX_WAITING`] changes wait.
    pub(super) fn has_dropped(&self) -> bool {
        self.has_dropped
    }

    /// Sets the head to the store's seq, read after the room was created. Changes are passed on from
    /// then on. Later calls do not move the head.
    pub(super) fn establish(&mut self, seq: Seq) -> Vec<Arc<Change>> {
        if self.head.is_none() {
            self.advance_to(seq);
        }
        self.drain()
    }

    /// Stops waiting for missing changes up to `seq`. Returns true if any were missing: then members
    /// must read them from the store.
    pub(super) fn jump(&mut self, seq: Seq) -> bool {
        let is_behind = self.head.is_some_and(|head| head < seq);
        if is_behind {
            self.advance_to(seq);
        }
        is_behind
    }

    /// Returns the last missing seq that a waiting change waits for.
    pub(super) fn gap(&self) -> Option<Seq> {
        let head = self.head?;
        let (first, _) = self.waiting.first_key_value()?;
        (*first > head.next()).then(|| Seq(first.0 - 1))
    }

    /// Returns the waiting changes that are next in order.
    pub(super) fn drain(&mut self) -> Vec<Arc<Change>> {
        let mut ready = Vec::new();
        while let Some(head) = self.head {
            let Some(change) = self.waiting.remove(&head.next()) else {
                break;
            };
            self.head = Some(change.seq);
            ready.push(change);
        }
        ready
    }

    fn advance_to(&mut self, seq: Seq) {
        self.head = Some(seq);
        self.waiting = self.waiting.split_off(&seq.next());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rooms::testing::change;

    fn seqs(changes: Vec<Arc<Change>>) -> Vec<i64> {
        changes.iter().map(|change| change.seq.0).collect()
    }

    #[test]
    fn changes_wait_until_the_head_is_established() {
        let mut resequencer = Resequencer::default();
        assert!(resequencer.accept(change(4)).is_empty());
        assert!(resequencer.accept(change(5)).is_empty());
        // The store's answer includes 4 but not 5.
        assert_eq!(seqs(resequencer.establish(Seq(4))), [5]);
    }

    #[test]
    fn later_change_waits_for_the_earlier_one() {
        let mut resequencer = Resequencer::default();
        resequencer.establish(Seq(0));
        assert!(resequencer.accept(change(2)).is_empty());
        assert!(resequencer.accept(change(3)).is_empty());
        assert_eq!(seqs(resequencer.accept(change(1))), [1, 2, 3]);
    }

    #[test]
    fn change_accepted_twice_is_passed_on_once() {
        let mut resequencer = Resequencer::default();
        resequencer.establish(Seq(0));
        assert_eq!(seqs(resequencer.accept(change(1))), [1]);
        assert!(resequencer.accept(change(1)).is_empty());
    }

    #[test]
    fn jump_over_a_lost_change_releases_the_later_ones() {
        let mut resequencer = Resequencer::default();
        resequencer.establish(Seq(0));
        resequencer.accept(change(2));
        resequencer.accept(change(4));
        assert_eq!(resequencer.gap(), Some(Seq(1)));
        assert!(resequencer.jump(Seq(3)));
        assert_eq!(seqs(resequencer.drain()), [4]);
        assert_eq!(resequencer.gap(), None);
        assert!(!resequencer.jump(Seq(4)), "nothing is missing");
    }

    #[test]
    fn buffer_is_bounded_and_the_next_change_always_passes() {
        let mut resequencer = Resequencer::default();
        resequencer.establish(Seq(0));
        let many = i64::try_from(MAX_WAITING).unwrap() + 100;
        for seq in 2..many {
            assert!(resequencer.accept(change(seq)).is_empty());
        }
        assert_eq!(resequencer.waiting.len(), MAX_WAITING);
        assert!(resequencer.has_dropped());
        assert_eq!(resequencer.accept(change(1)).len(), MAX_WAITING + 1);
    }
}
