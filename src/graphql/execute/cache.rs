//! A cache that is bounded in entries and in bytes.

use std::{hash::Hash, num::NonZeroUsize};

use lru::LruCache;

/// An LRU cache. At its bounds the least recently used entries are evicted. An entry larger than the
/// whole cache is not inserted.
#[derive(Debug)]
pub(super) struct Cache<K: Hash + Eq, V> {
    entries: LruCache<K, (V, usize)>,
    /// The sum of the sizes that callers gave with their entries.
    bytes: usize,
    max_bytes: usize,
}

impl<K: Hash + Eq, V: Clone> Cache<K, V> {
    /// Creates a cache of at most `max_entries` entries with `max_bytes` bytes in total.
    pub(super) fn new(max_entries: NonZeroUsize, max_bytes: usize) -> Self {
        Self {
            entries: LruCache::new(max_entries),
            bytes: 0,
            max_bytes,
        }
    }

    /// Returns the value of `key`, and marks it as the most recently used.
    pub(super) fn get<Q>(&mut self, key: &Q) -> Option<V>
    where
        K: std::borrow::Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.entries.get(key).map(|(value, _)| value.clone())
    }

    /// Inserts or replaces the value of `key`. It counts for `bytes` bytes.
    pub(super) fn insert(&mut self, key: K, value: V, bytes: usize) {
        if bytes > self.max_bytes {
            return;
        }
        self.bytes += bytes;
        // The replaced value, or the one that was evicted.
        if let Some((_, (_, removed))) = self.entries.push(key, (value, bytes)) {
            self.bytes -= removed;
        }
        while self.bytes > self.max_bytes {
            let Some((_, (_, evicted))) = self.entries.pop_lru() else {
                break;
            };
            self.bytes -= evicted;
        }
    }

    /// Returns the size of all entries in bytes.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}
