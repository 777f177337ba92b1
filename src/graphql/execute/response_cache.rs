//! The cache of responses to queries: one execution while the store does not change.
//!
//! A response is cached if it depends on nothing but the store. The resolver of a field that depends
//! on more, such as the caller or the room, forbids caching with [`Cacheability`].
//!
//! A response is valid until the next commit after its execution began, so every response has all
//! writes that were acknowledged before its request. It expires after one second, because another
//! program may write to the database. If other nodes write to it, the store has no state to compare,
//! and nothing is cached.

use std::{
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use async_graphql::Context;
use parking_lot::Mutex;

use super::{cache::Cache, fingerprint::Fingerprint, metrics::CacheMetrics};
use crate::{feed::Payload, store::DataVersion};

/// Maximum number of cached responses. The least recently used are evicted.
const MAX_RESPONSES: NonZeroUsize = NonZeroUsize::new(4096).expect("not zero");
/// Maximum size of all cached responses with their fingerprints.
const MAX_BYTES: usize = 16 * 1024 * 1024;
/// Maximum size of a cached response with its fingerprint.
const MAX_RESPONSE_BYTES: usize = 256 * 1024;
/// Time after which a response expires.
const MAX_AGE: Duration = Duration::from_secs(1);

/// The cached responses. Clones share them.
#[derive(Clone)]
pub(super) struct ResponseCache {
    entries: Arc<Mutex<Cache<Fingerprint, Entry>>>,
    metrics: CacheMetrics,
}

#[derive(Clone)]
struct Entry {
    payload: Payload,
    state: DataVersion,
    since: Instant,
}

impl ResponseCache {
    /// Creates an empty cache.
    pub(super) fn new(metrics: CacheMetrics) -> Self {
        Self {
            entries: Arc::new(Mutex::new(Cache::new(MAX_RESPONSES, MAX_BYTES))),
            metrics,
        }
    }

    /// Returns the cached response to `query`, if it is of the store's `state` and not expired.
    pub(super) fn get(
        &self,
        query: &Fingerprint,
        state: DataVersion,
        now: Instant,
    ) -> Option<Payload> {
        let is_valid =
            |entry: &Entry| entry.state == state && now.duration_since(entry.since) < MAX_AGE;
        let entry = self.entries.lock().get(query).filter(is_valid);
        self.metrics.record(entry.is_some());
        entry.map(|entry| entry.payload)
    }

    /// Caches a response to `query`. Its execution began at `since`, in the store's `state`. A
    /// response that is too large is not cached.
    pub(super) fn insert(
        &self,
        query: Fingerprint,
        payload: Payload,
        state: DataVersion,
        since: Instant,
    ) {
        let bytes = query.bytes() + payload.len();
        if bytes > MAX_RESPONSE_BYTES {
            return;
        }
        let entry = Entry {
            payload,
            state,
            since,
        };
        self.entries.lock().insert(query, entry, bytes);
    }
}

/// The cacheability of a response: it is cached unless a resolver forbids it. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Cacheability(Arc<AtomicBool>);

impl Cacheability {
    /// Forbids caching of the response that `context` belongs to.
    pub(crate) fn forbid(context: &Context<'_>) {
        if let Some(Self(is_forbidden)) = context.data_opt::<Self>() {
            is_forbidden.store(true, Ordering::Relaxed);
        }
    }

    /// Returns true if no resolver forbade caching.
    pub(super) fn is_cacheable(&self) -> bool {
        !self.0.load(Ordering::Relaxed)
    }
}
