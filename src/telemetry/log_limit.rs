//! A limit for what clients can make the server log.

use std::{
    collections::HashSet,
    hash::Hash,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

/// Time after which a subject is new again.
const PERIOD: Duration = Duration::from_secs(3600);
/// Maximum number of subjects in a period. Further ones are not new, because a client may invent any.
const MAX_SUBJECTS: usize = 32;

/// The subjects of refusals that were logged, so that the log has each of them once an hour.
#[derive(Debug)]
pub struct LogLimit<T>(Mutex<Logged<T>>);

/// The subjects that were logged in the current period.
#[derive(Debug)]
struct Logged<T> {
    since: Instant,
    subjects: HashSet<T>,
}

impl<T: Eq + Hash> LogLimit<T> {
    /// Creates a limit whose first period begins at `now`.
    pub fn new(now: Instant) -> Self {
        Self(Mutex::new(Logged::new(now)))
    }

    /// Records a refusal. Returns true if it is the first with this `subject` in its period.
    pub fn is_first(&self, subject: T, now: Instant) -> bool {
        let mut logged = self.0.lock();
        if now.duration_since(logged.since) >= PERIOD {
            *logged = Logged::new(now);
        }
        logged.subjects.len() < MAX_SUBJECTS && logged.subjects.insert(subject)
    }
}

impl<T> Logged<T> {
    fn new(since: Instant) -> Self {
        let subjects = HashSet::new();
        Self { since, subjects }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusal_is_first_once_in_a_period() {
        let start = Instant::now();
        let limit = LogLimit::new(start);
        assert!(limit.is_first("a", start));
        assert!(!limit.is_first("a", start + PERIOD / 2));
        assert!(limit.is_first("b", start + PERIOD / 2));
        assert!(limit.is_first("a", start + PERIOD));
    }

    #[test]
    fn invented_subjects_are_bounded_in_number() {
        let now = Instant::now();
        let limit = LogLimit::new(now);
        let first = (0..1000).filter(|number| limit.is_first(*number, now));
        assert_eq!(first.count(), MAX_SUBJECTS);
    }
}
