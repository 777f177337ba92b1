//! The origins that were refused, so that the log names each of them once an hour.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

/// Time after which a refused origin is new again.
const PERIOD: Duration = Duration::from_secs(3600);
/// Maximum number of origins in a period. Further ones are not new, because a client may invent any.
const MAX_ORIGINS: usize = 32;
/// Maximum length of an origin in bytes: a scheme, a host name and a port.
const MAX_LENGTH: usize = 300;

/// The origins that were refused in the current period.
#[derive(Debug)]
pub(super) struct RefusedOrigins {
    since: Instant,
    seen: HashSet<String>,
}

impl RefusedOrigins {
    /// Creates an empty set whose period begins at `now`.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            since: now,
            seen: HashSet::new(),
        }
    }

    /// Records a refusal. Returns true if it is the first of `origin` in its period.
    pub(super) fn is_new(&mut self, origin: &str, now: Instant) -> bool {
        if now.duration_since(self.since) >= PERIOD {
            *self = Self::new(now);
        }
        origin.len() <= MAX_LENGTH
            && self.seen.len() < MAX_ORIGINS
            && self.seen.insert(origin.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origin_is_new_once_in_a_period() {
        let start = Instant::now();
        let mut refused = RefusedOrigins::new(start);
        assert!(refused.is_new("https://a.example", start));
        assert!(!refused.is_new("https://a.example", start + PERIOD / 2));
        assert!(refused.is_new("https://b.example", start + PERIOD / 2));
        assert!(refused.is_new("https://a.example", start + PERIOD));
    }

    #[test]
    fn invented_origins_are_bounded_in_number_and_length() {
        let now = Instant::now();
        let mut refused = RefusedOrigins::new(now);
        let invented = (0..1000).filter(|number| refused.is_new(&format!("https://{number}"), now));
        assert_eq!(invented.count(), MAX_ORIGINS);
        let mut refused = RefusedOrigins::new(now);
        assert!(!refused.is_new(&"x".repeat(MAX_LENGTH + 1), now));
    }
}
