//! Conflation: of a burst of values only the latest is published.

use std::time::{Duration, Instant};

/// The least time between two published values.
pub(crate) const WINDOW: Duration = Duration::from_millis(250);

/// What to do with a value.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Publish it now.
    Publish,
    /// Ask again at this instant.
    Wait(Instant),
    /// It is what was published last, and nothing else has held since.
    Unchanged,
}

/// Publishes the first change at once, then at most one value in a [`WINDOW`], the last always.
#[derive(Debug)]
pub(crate) struct Conflated<T> {
    published: T,
    at: Option<Instant>,
    /// Another value has held since. Who looked meanwhile has seen it, so the next one is published
    /// though it be what was published last.
    is_stale: bool,
}

impl<T: PartialEq + Clone> Conflated<T> {
    /// `published` is what every subscriber starts from.
    pub(crate) fn new(published: T) -> Self {
        Self {
            published,
            at: None,
            is_stale: false,
        }
    }

    /// Decides over the value that holds at `now`.
    pub(crate) fn offer(&mut self, value: &T, now: Instant) -> Verdict {
        if *value == self.published && !self.is_stale {
            return Verdict::Unchanged;
        }
        match self.at.map(|at| at + WINDOW) {
            Some(end) if now < end => {
                self.is_stale = true;
                Verdict::Wait(end)
            }
            _ => {
                self.is_stale = false;
                self.published = value.clone();
                self.at = Some(now);
                Verdict::Publish
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_change_goes_out_at_once_and_of_a_burst_the_last_value() {
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
    fn a_value_that_came_back_is_told_to_those_who_saw_another_meanwhile() {
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
