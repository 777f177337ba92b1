//! What a limiter knows of those whom it counts: a bounded number of them.

use std::{hash::Hash, num::NonZeroUsize};

use governor::{
    nanos::Nanos,
    state::{StateStore, keyed::ShrinkableKeyedStateStore},
};
use lru::LruCache;
use parking_lot::Mutex;

/// How many are known at the same time. Beyond that the one who did nothing for longest is
/// forgotten, and may begin anew: whoever has so many names or addresses gains nothing by it, for
/// each of them may do as much anyway.
const MOST: NonZeroUsize = NonZeroUsize::new(16_384).expect("not zero");

/// When each of those who did something of late has made up for it.
#[derive(Debug)]
pub(super) struct Recent<K: Eq + Hash>(Mutex<LruCache<K, Nanos>>);

impl<K: Eq + Hash> Default for Recent<K> {
    fn default() -> Self {
        // It grows with what it holds.
        let mut known = LruCache::unbounded();
        known.resize(MOST);
        Self(Mutex::new(known))
    }
}

impl<K: Clone + Eq + Hash> StateStore for Recent<K> {
    type Key = K;

    fn measure_and_replace<T, F, E>(&self, key: &K, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut known = self.0.lock();
        let (outcome, next) = measure(known.get(key).copied())?;
        known.put(key.clone(), next);
        Ok(outcome)
    }
}

impl<K: Clone + Eq + Hash> ShrinkableKeyedStateStore<K> for Recent<K> {
    fn retain_recent(&self, drop_below: Nanos) {
        let mut known = self.0.lock();
        // Not only those at the end: who did much long ago is in front of who did little since.
        let quiet: Vec<K> = known
            .iter()
            .filter(|(_, made_up)| **made_up <= drop_below)
            .map(|(key, _)| key.clone())
            .collect();
        for key in quiet {
            known.pop(&key);
        }
    }

    fn shrink_to_fit(&self) {}

    fn len(&self) -> usize {
        self.0.lock().len()
    }

    fn is_empty(&self) -> bool {
        self.0.lock().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use governor::{Quota, RateLimiter, clock::FakeRelativeClock, middleware::NoOpMiddleware};

    use super::*;

    type Limiter = RateLimiter<usize, Recent<usize>, FakeRelativeClock, NoOpMiddleware<Nanos>>;

    fn limiter(clock: &FakeRelativeClock) -> Limiter {
        let quota = Quota::per_minute(2.try_into().unwrap());
        RateLimiter::new(quota, Recent::default(), clock.clone())
    }

    #[test]
    fn it_knows_a_bounded_number_and_forgets_who_did_nothing_for_longest() {
        let clock = FakeRelativeClock::default();
        let limiter = limiter(&clock);
        for key in 0..MOST.get() {
            limiter.check_key(&key).unwrap();
            limiter.check_key(&key).unwrap();
        }
        limiter.check_key(&MOST.get()).unwrap();
        assert_eq!(limiter.len(), MOST.get());
        // The second is still known, and the first no more.
        assert!(limiter.check_key(&1).is_err());
        limiter.check_key(&0).unwrap();
    }

    #[test]
    fn who_has_made_up_for_it_is_forgotten_and_who_has_not_is_not() {
        let clock = FakeRelativeClock::default();
        let limiter = limiter(&clock);
        limiter.check_key(&1).unwrap();
        limiter.check_key(&2).unwrap();
        limiter.check_key(&2).unwrap();
        assert!(limiter.check_key(&2).is_err());
        // The library keeps who did something for the time of one event longer.
        clock.advance(std::time::Duration::from_secs(61));
        limiter.retain_recent();
        assert_eq!(limiter.len(), 1);
        clock.advance(std::time::Duration::from_secs(120));
        limiter.retain_recent();
        assert!(limiter.is_empty());
    }
}
