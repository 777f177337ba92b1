//! The cache of responses to queries: one execution while what they depend on does not change.
//!
//! A response is cached if it depends on nothing but the store. The resolver of a field that depends
//! on more, such as the caller or the room, forbids caching with [`Cacheability`].
//!
//! A response is valid while its [`State`] is, which was read before its execution began. So every response
//! has all writes that were acknowledged before its request. It expires after one second, because another
//! program may write to the database.

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
use crate::{
    feed::Payload,
    store::{DataVersion, Versions},
};

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
    state: State,
    since: Instant,
}

/// The state of the store that a response shows. The response is valid if either part is as it was.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    /// The version of all data, if no other node writes to the database.
    pub(super) data: Option<DataVersion>,
    /// The versions of the posts and users that the response depends on, if they are known.
    pub(super) versions: Option<Versions>,
}

impl State {
    /// Returns true if a later state can be compared with it.
    pub(super) fn is_known(&self) -> bool {
        self.data.is_some() || self.versions.is_some()
    }
}

impl ResponseCache {
    /// Creates an empty cache.
    pub(super) fn new(metrics: CacheMetrics) -> Self {
        Self {
            entries: Arc::new(Mutex::new(Cache::new(MAX_RESPONSES, MAX_BYTES))),
            metrics,
        }
    }

    /// Returns the cached response to `query` with its state, if it is not expired.
    pub(super) fn get(&self, query: &Fingerprint, now: Instant) -> Option<(Payload, State)> {
        let is_fresh = |entry: &Entry| now.duration_since(entry.since) < MAX_AGE;
        let entry = self.entries.lock().get(query).filter(is_fresh)?;
        Some((entry.payload, entry.state))
    }

    /// Counts a lookup.
    pub(super) fn record(&self, is_hit: bool) {
        self.metrics.record(is_hit);
    }

    /// Caches a response to `query`. Its execution began at `since`, in this `state` of the store. A
    /// response that is too large is not cached.
    pub(super) fn insert(
        &self,
        query: Fingerprint,
        payload: Payload,
        state: State,
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
