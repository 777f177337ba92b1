//! Conflation of the changes of many comments: which of them are to be sent now.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;

use crate::{model::CommentId, store::Reacted};

/// Minimum time between two values of one comment.
const WINDOW: Duration = Duration::from_millis(250);
/// Maximum number of comments that are sent in a window. Others wait for the next one.
pub(super) const MAX_SHOWN: usize = 1024;

/// The comments that were sent lately. The first change of a comment is due at once, then at most one in a
/// [`WINDOW`]. The last one is always sent.
#[derive(Debug)]
pub(super) struct ShownComments {
    /// The version up to which all changes were sent.
    complete: i64,
    /// Comments that were sent within the window, or with a version after `complete`.
    shown: HashMap<CommentId, Shown>,
}

#[derive(Clone, Copy, Debug)]
struct Shown {
    /// The version that was sent.
    version: i64,
    /// The end of the comment's window.
    until: Instant,
}

impl ShownComments {
    /// Starts after this version.
    pub(super) fn after(version: i64) -> Self {
        Self {
            complete: version,
            shown: HashMap::new(),
        }
    }

    /// Returns the version up to which all changes were sent.
    pub(super) fn complete(&self) -> i64 {
        self.complete
    }

    /// Returns those of the `changed` comments that can be sent at `now`, in their order and at most `max`.
    pub(super) fn due(&mut self, changed: &[Reacted], max: usize, now: Instant) -> Vec<Reacted> {
        let complete = self.complete;
        self.shown
            .retain(|_, shown| shown.until > now || shown.version > complete);
        let mut free = MAX_SHOWN.saturating_sub(self.shown.len());
        let mut is_due = |reacted: &&Reacted| match self.shown.get(&reacted.comment) {
            Some(shown) => shown.version < reacted.version && shown.until <= now,
            None if free > 0 => {
                free -= 1;
                true
            }
            None => false,
        };
        let due = changed.iter().filter(|reacted| is_due(reacted));
        due.take(max).copied().collect()
    }

    /// Records that a comment is sent at `now`.
    pub(super) fn send(&mut self, reacted: Reacted, now: Instant) {
        let shown = Shown {
            version: reacted.version,
            until: now + WINDOW,
        };
        self.shown.insert(reacted.comment, shown);
    }

    /// Moves on after some of the `changed` comments were sent, which are all that changed after
    /// [`complete`](Self::complete) and until `version`. Returns the time at which others are due; `None` if
    /// all were sent.
    pub(super) fn advance(
        &mut self,
        changed: &[Reacted],
        version: i64,
        now: Instant,
    ) -> Option<Instant> {
        let mut waiting = changed.iter().filter(|reacted| {
            let shown = self.shown.get(&reacted.comment);
            shown.is_none_or(|shown| shown.version < reacted.version)
        });
        let first = waiting.next();
        let next = first.map(|first| {
            let ends = waiting.chain([first]).map(|reacted| self.end(reacted, now));
            ends.min().unwrap_or(now)
        });
        self.complete = first.map_or(version, |first| first.version - 1);
        next
    }

    /// Returns the time at which a waiting comment may be sent.
    fn end(&self, waiting: &Reacted, now: Instant) -> Instant {
        match self.shown.get(&waiting.comment) {
            Some(shown) => shown.until.max(now),
            None if self.shown.len() < MAX_SHOWN => now,
            None => {
                let ends = self.shown.values().map(|shown| shown.until);
                ends.min().unwrap_or(now).max(now)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reacted(comments: &[CommentId], versions: &[(usize, i64)]) -> Vec<Reacted> {
        let changed = versions.iter().map(|&(index, version)| Reacted {
            comment: comments[index],
            version,
        });
        changed.collect()
    }

    /// Sends what is due of `changed`. Returns the versions that were sent, and the time at which more is due.
    fn step(
        shown: &mut ShownComments,
        changed: &[Reacted],
        now: Instant,
    ) -> (Vec<i64>, Option<Instant>) {
        let due = shown.due(changed, usize::MAX, now);
        for reacted in &due {
            shown.send(*reacted, now);
        }
        let last = changed.last().map_or(shown.complete(), |last| last.version);
        let next = shown.advance(changed, last, now);
        (due.iter().map(|reacted| reacted.version).collect(), next)
    }

    #[test]
    fn comment_in_its_window_does_not_hold_up_another() {
        let (comments, start) = ([CommentId::new(), CommentId::new()], Instant::now());
        let mut shown = ShownComments::after(4);
        let changed = reacted(&comments, &[(0, 5)]);
        assert_eq!(step(&mut shown, &changed, start), (vec![5], None));
        let soon = start + WINDOW / 2;
        let changed = reacted(&comments, &[(0, 6), (1, 7)]);
        assert_eq!(
            step(&mut shown, &changed, soon),
            (vec![7], Some(start + WINDOW))
        );
        // The change that waits is not complete, though a later one was sent.
        assert_eq!(shown.complete(), 5);
        let changed = reacted(&comments, &[(1, 7), (0, 8)]);
        assert_eq!(step(&mut shown, &changed, start + WINDOW), (vec![8], None));
        assert_eq!(shown.complete(), 8);
        step(&mut shown, &[], start + 3 * WINDOW);
        assert!(shown.shown.is_empty());
    }

    #[test]
    fn comments_beyond_the_maximum_wait_for_the_next_window() {
        let start = Instant::now();
        let changed: Vec<Reacted> = (1..=2 * MAX_SHOWN as i64 + 1)
            .map(|version| Reacted {
                comment: CommentId::new(),
                version,
            })
            .collect();
        let mut shown = ShownComments::after(0);
        let mut sent = Vec::new();
        for (window, expected) in [MAX_SHOWN, MAX_SHOWN, 1].into_iter().enumerate() {
            let now = start + WINDOW * u32::try_from(window).unwrap();
            let complete = shown.complete();
            let rest: Vec<Reacted> = changed
                .iter()
                .filter(|reacted| reacted.version > complete)
                .copied()
                .collect();
            let (due, next) = step(&mut shown, &rest, now);
            assert_eq!(due.len(), expected);
            assert_eq!(next.is_none(), expected == 1);
            assert!(shown.shown.len() <= MAX_SHOWN);
            sent.extend(due);
        }
        assert_eq!(sent.len(), changed.len());
    }
}
