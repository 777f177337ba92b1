//! Conflation: publishes only the latest value of a burst.

use std::time::{Duration, Instant};

/// Minimum time between two published values.
pub(super) const WINDOW: Duration = Duration::from_millis(250);

/// A decision about one value.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Publish it now.
    Publish,
    /// Offer the current value again at this instant.
    Wait(Instant),
    /// It was published last, and no other value has held since.
    Unchanged,
}

/// A conflated value: the first change is published at once, then at most one value in a
/// [`WINDOW`]. The last value is always published.
#[derive(Debug)]
pub(super) struct Conflated<T> {
    published: T,
    published_at: Option<Instant>,
    /// Another value has held since the last publication. A subscriber may have read it in between,
    /// so the next value is published even if it equals `published`.
    is_stale: bool,
}

impl<T: PartialEq + Clone> Conflated<T> {
    /// Starts from `published`, the value that every subscriber starts from.
    pub(super) fn new(published: T) -> Self {
        Self {
            published,
            published_at: None,
            is_stale: false,
        }
    }

    /// Decides about the value that holds at `now`.
    pub(super) fn offer(&mut self, value: &T, now: Instant) -> Verdict {
        if *value == self.published && !self.is_stale {
            return Verdict::Unchanged;
        }
        match self.published_at.map(|at| at + WINDOW) {
            Some(end) if now < end => {
                self.is_stale = true;
                Verdict::Wait(end)
            }
            _ => {
                self.is_stale = false;
                self.published = value.clone();
                self.published_at = Some(now);
                Verdict::Publish
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn burst_publishes_its_first_change_at_once_then_the_last() {
        let start = Instant::now();
        let mut count = Conflated::new(0);
        assert_eq!(count.offer(&1, start), Verdict::Publish);
        let end = start + WINDOW;
        for value in 2..100 {
            assert_eq!(count.offer(&value, start), Verdict::Wait(end));
        }
        assert_eq!(count.offer(&99, end), Verdict::Publish);
        assert_eq!(count.offer(&99, end + WINDOW), Verdict::Unchanged);
    }

    #[test]
    fn value_that_came_back_within_a_window_is_published() {
        let start = Instant::now();
        let end = start + WINDOW;
        let mut count = Conflated::new(0);
        assert_eq!(count.offer(&1, start), Verdict::Publish);
        assert_eq!(count.offer(&1, start), Verdict::Unchanged);
        assert_eq!(count.offer(&2, start), Verdict::Wait(end));
        assert_eq!(count.offer(&1, start), Verdict::Wait(end));
        assert_eq!(count.offer(&1, end), Verdict::Publish);
        assert_eq!(count.offer(&1, end + WINDOW), Verdict::Unchanged);
    }
}
