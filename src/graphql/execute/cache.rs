//! A cache that is bounded in entries and in bytes.

use std::{hash::Hash, num::NonZeroUsize};

use lru::LruCache;

/// What was used of late. At its bounds what nobody has used for longest is forgotten; what has
/// more bytes than all may have is not kept.
#[derive(Debug)]
pub(super) struct Cache<K: Hash + Eq, V> {
    entries: LruCache<K, (V, usize)>,
    /// How many bytes the entries have, as far as those who put them here say.
    bytes: usize,
    most_bytes: usize,
}

impl<K: Hash + Eq, V: Clone> Cache<K, V> {
    /// At most so many entries, and bytes of them.
    pub(super) fn new(most: NonZeroUsize, most_bytes: usize) -> Self {
        Self {
            entries: LruCache::new(most),
            bytes: 0,
            most_bytes,
        }
    }

    /// What is kept under this key, which is thereby used.
    pub(super) fn get<Q>(&mut self, key: &Q) -> Option<V>
    where
        K: std::borrow::Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.entries.get(key).map(|(value, _)| value.clone())
    }

    /// Keeps a value that counts for so many bytes.
    pub(super) fn keep(&mut self, key: K, value: V, bytes: usize) {
        if bytes > self.most_bytes {
            return;
        }
        self.bytes += bytes;
        // What was there under the same key, or what was used least lately.
        if let Some((_, (_, gone))) = self.entries.push(key, (value, bytes)) {
            self.bytes -= gone;
        }
        while self.bytes > self.most_bytes {
            let Some((_, (_, gone))) = self.entries.pop_lru() else {
                break;
            };
            self.bytes -= gone;
        }
    }

    /// How many bytes are kept.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}
