//! The order of one room's feed: changes go out in the order of their seq, whatever the order in
//! which they are handed in.
//!
//! Two writers commit one after the other and publish at the same time, so a later change may be
//! handed in first. It waits here for the earlier one. Where that does not come (its writer died
//! between commit and publishing, or the message from its node was lost) the room [`jump`]s: at once
//! where a later change shows the gap, and where the store does, when the reconciler has looked.
//!
//! [`jump`]: Sequencer::jump

use std::{collections::BTreeMap, sync::Arc};

use crate::model::{Change, Seq};

/// How many changes wait for an earlier one. One more is forgotten here; the reconciler has it
/// read from the store.
const MAX_EARLY: usize = 1024;

/// Lets changes through in order, each once.
#[derive(Debug, Default)]
pub(crate) struct Sequencer {
    /// The place of the newest change that went out; unknown until somebody has asked the store.
    head: Option<Seq>,
    early: BTreeMap<Seq, Arc<Change>>,
    /// The last change that was handed in was forgotten.
    has_forgotten: bool,
}

impl Sequencer {
    /// Where the room's feed stands.
    pub(crate) fn head(&self) -> Option<Seq> {
        self.head
    }

    /// Takes a change; returns those that may go out now, in order.
    pub(crate) fn accept(&mut self, change: Arc<Change>) -> Vec<Arc<Change>> {
        let known = self.head.is_some_and(|head| change.seq <= head);
        let is_next = self.head.is_some_and(|head| change.seq == head.next());
        let has_room = is_next || self.early.len() < MAX_EARLY;
        self.has_forgotten = !known && !has_room;
        if !known && has_room {
            self.early.insert(change.seq, change);
        }
        self.drain()
    }

    /// Whether the last change that was handed in was forgotten, for too many wait.
    pub(crate) fn has_forgotten(&self) -> bool {
        self.has_forgotten
    }

    /// Tells where the feed stood in the store at some moment after the room was made. Only the
    /// first such word counts; from then on changes go out.
    pub(crate) fn establish(&mut self, seq: Seq) -> Vec<Arc<Change>> {
        if self.head.is_none() {
            self.advance_to(seq);
        }
        self.drain()
    }

    /// Gives up waiting for what is missing up to `seq`: true where anything was, so that the
    /// members have to read it from the store.
    pub(crate) fn jump(&mut self, seq: Seq) -> bool {
        let behind = self.head.is_some_and(|head| head < seq);
        if behind {
            self.advance_to(seq);
        }
        behind
    }

    /// Up to where changes are missing: a later one waits for them.
    pub(crate) fn gap(&self) -> Option<Seq> {
        let head = self.head?;
        let (first, _) = self.early.first_key_value()?;
        (*first > head.next()).then(|| Seq(first.0 - 1))
    }

    /// What may go out after a jump.
    pub(crate) fn drain(&mut self) -> Vec<Arc<Change>> {
        let mut ready = Vec::new();
        while let Some(head) = self.head {
            let Some(change) = self.early.remove(&head.next()) else {
                break;
            };
            self.head = Some(change.seq);
            ready.push(change);
        }
        ready
    }

    fn advance_to(&mut self, seq: Seq) {
        self.head = Some(seq);
        self.early = self.early.split_off(&seq.next());
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::model::{ChangeKind, Comment, CommentId, PostId, Timestamp, User, UserId};

    /// A change of post `p` at this place.
    pub(crate) fn change(seq: i64) -> Arc<Change> {
        let author = User {
            id: UserId::parse("author").unwrap(),
            name: "Author".into(),
            avatar: None,
        };
        Arc::new(Change {
            kind: ChangeKind::Added,
            seq: Seq(seq),
            origin: None,
            comment: Arc::new(Comment {
                id: CommentId::new(),
                post_id: PostId::parse("p").unwrap(),
                parent_id: None,
                author,
                body: format!("number {seq}"),
                created_at: Timestamp(0),
                edited_at: None,
                is_deleted: false,
                added_seq: Seq(seq),
                changed_seq: Seq(seq),
                reply_count: 0,
            }),
        })
    }

    fn seqs(changes: Vec<Arc<Change>>) -> Vec<i64> {
        changes.iter().map(|change| change.seq.0).collect()
    }

    #[test]
    fn nothing_goes_out_before_the_store_was_asked() {
        let mut sequencer = Sequencer::default();
        assert!(sequencer.accept(change(4)).is_empty());
        assert!(sequencer.accept(change(5)).is_empty());
        // 4 was in what the store answered; 5 is news.
        assert_eq!(seqs(sequencer.establish(Seq(4))), [5]);
    }

    #[test]
    fn a_later_change_waits_for_the_earlier_one() {
        let mut sequencer = Sequencer::default();
        sequencer.establish(Seq(0));
        assert!(sequencer.accept(change(2)).is_empty());
        assert!(sequencer.accept(change(3)).is_empty());
        assert_eq!(seqs(sequencer.accept(change(1))), [1, 2, 3]);
    }

    #[test]
    fn a_change_handed_in_twice_goes_out_once() {
        let mut sequencer = Sequencer::default();
        sequencer.establish(Seq(0));
        assert_eq!(seqs(sequencer.accept(change(1))), [1]);
        assert!(sequencer.accept(change(1)).is_empty());
    }

    #[test]
    fn a_jump_over_a_change_that_never_came_lets_the_later_ones_go() {
        let mut sequencer = Sequencer::default();
        sequencer.establish(Seq(0));
        sequencer.accept(change(2));
        sequencer.accept(change(4));
        assert_eq!(sequencer.gap(), Some(Seq(1)));
        assert!(sequencer.jump(Seq(3)));
        assert_eq!(seqs(sequencer.drain()), [4]);
        assert_eq!(sequencer.gap(), None);
        assert!(!sequencer.jump(Seq(4)), "nothing is missing");
    }

    #[test]
    fn what_waits_is_bounded_and_the_next_in_turn_always_passes() {
        let mut sequencer = Sequencer::default();
        sequencer.establish(Seq(0));
        let many = i64::try_from(MAX_EARLY).unwrap() + 100;
        for seq in 2..many {
            assert!(sequencer.accept(change(seq)).is_empty());
        }
        assert_eq!(sequencer.early.len(), MAX_EARLY);
        assert!(sequencer.has_forgotten());
        assert_eq!(sequencer.accept(change(1)).len(), MAX_EARLY + 1);
    }
}
