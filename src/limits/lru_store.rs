//! The bounded state of a rate limiter: an entry for each recently active user or address.

use std::{hash::Hash, num::NonZeroUsize, sync::Arc, time::Duration};

use governor::{
    nanos::Nanos,
    state::{StateStore, keyed::ShrinkableKeyedStateStore},
};
use lru::LruCache;
use parking_lot::Mutex;

/// Maximum number of keys. When it is reached, the least recently used key is evicted and its budget
/// resets. An attacker with that many keys gains nothing, because each has a budget of its own.
const MAX_KEYS: NonZeroUsize = NonZeroUsize::new(16_384).expect("not zero");

/// The time at which each key has its full budget again, in LRU order. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct LruStore<K: Eq + Hash>(Arc<Mutex<LruCache<K, Nanos>>>);

impl<K: Eq + Hash> Default for LruStore<K> {
    fn default() -> Self {
        // `LruCache::new` would allocate the maximum at once.
        let mut keys = LruCache::unbounded();
        keys.resize(MAX_KEYS);
        Self(Arc::new(Mutex::new(keys)))
    }
}

impl<K: Eq + Hash> LruStore<K> {
    /// Gives `key` back what it gets in `interval`. No-op if the key was evicted.
    pub(super) fn give_back(&self, key: &K, interval: Duration) {
        if let Some(full_at) = self.0.lock().get_mut(key) {
            *full_at = full_at.saturating_sub(interval.into());
        }
    }
}

impl<K: Clone + Eq + Hash> StateStore for LruStore<K> {
    type Key = K;

    fn measure_and_replace<T, F, E>(&self, key: &K, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut keys = self.0.lock();
        let (outcome, next) = measure(keys.get(key).copied())?;
        keys.put(key.clone(), next);
        Ok(outcome)
    }
}

impl<K: Clone + Eq + Hash> ShrinkableKeyedStateStore<K> for LruStore<K> {
    fn retain_recent(&self, drop_below: Nanos) {
        let mut keys = self.0.lock();
        // LRU order is not order of time: a key that used much has its budget back later than a key
        // that used little after it.
        let full: Vec<K> = keys
            .iter()
            .filter(|(_, full_at)| **full_at <= drop_below)
            .map(|(key, _)| key.clone())
            .collect();
        for key in full {
            keys.pop(&key);
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

    type Limiter = RateLimiter<usize, LruStore<usize>, FakeRelativeClock, NoOpMiddleware<Nanos>>;

    fn limiter(clock: &FakeRelativeClock) -> Limiter {
        let quota = Quota::per_minute(2.try_into().unwrap());
        RateLimiter::new(quota, LruStore::default(), clock.clone())
    }

    #[test]
    fn full_store_evicts_the_least_recently_used_key() {
        let clock = FakeRelativeClock::default();
        let limiter = limiter(&clock);
        for key in 0..MAX_KEYS.get() {
            limiter.check_key(&key).unwrap();
            limiter.check_key(&key).unwrap();
        }
        limiter.check_key(&MAX_KEYS.get()).unwrap();
        assert_eq!(limiter.len(), MAX_KEYS.get());
        // The second key is still limited; the first was evicted.
        assert!(limiter.check_key(&1).is_err());
        limiter.check_key(&0).unwrap();
    }

    #[test]
    fn only_keys_with_a_full_budget_are_dropped() {
        let clock = FakeRelativeClock::default();
        let limiter = limiter(&clock);
        limiter.check_key(&1).unwrap();
        limiter.check_key(&2).unwrap();
        limiter.check_key(&2).unwrap();
        assert!(limiter.check_key(&2).is_err());
        // The library keeps a key for the time of one more request.
        clock.advance(Duration::from_secs(61));
        limiter.retain_recent();
        assert_eq!(limiter.len(), 1);
        clock.advance(Duration::from_secs(120));
        limiter.retain_recent();
        assert!(limiter.is_empty());
    }
}
