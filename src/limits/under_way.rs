//! A limit on the work that is under way for one key, counted until the work has ended.

use std::{collections::HashMap, hash::Hash, sync::Arc};

use parking_lot::Mutex;

/// The numbers of things under way, by key. Clones share them.
#[derive(Debug)]
pub(super) struct UnderWay<K: Eq + Hash> {
    limit: u32,
    counts: Arc<Mutex<HashMap<K, u32>>>,
}

/// A counted thing. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Counted<K: Eq + Hash> {
    key: K,
    counts: Arc<Mutex<HashMap<K, u32>>>,
}

impl<K: Clone + Eq + Hash> UnderWay<K> {
    /// Creates counts that are at most `limit` for each key.
    pub(super) fn new(limit: u32) -> Self {
        Self {
            limit,
            counts: Arc::default(),
        }
    }

    /// Counts one more thing for `key`. Returns `None` at the limit.
    pub(super) fn begin(&self, key: K) -> Option<Counted<K>> {
        let mut counts = self.counts.lock();
        let count = counts.entry(key.clone()).or_default();
        if *count >= self.limit {
            return None;
        }
        *count += 1;
        Some(Counted {
            key,
            counts: Arc::clone(&self.counts),
        })
    }
}

impl<K: Eq + Hash> Drop for Counted<K> {
    fn drop(&mut self) {
        let mut counts = self.counts.lock();
        if let Some(count) = counts.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_at_its_limit_is_refused_until_one_has_ended() {
        let under_way = UnderWay::new(2);
        let first = under_way.begin("ada").unwrap();
        let second = under_way.begin("ada").unwrap();
        assert!(under_way.begin("ada").is_none());
        let other = under_way.begin("bob").unwrap();
        drop(first);
        let third = under_way.begin("ada").unwrap();
        drop((second, third, other));
        assert!(under_way.counts.lock().is_empty());
    }
}
