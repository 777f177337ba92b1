//! One execution a state: readers who ask the same of a store that has not changed are given the
//! same bytes.
//!
//! An answer is kept if nothing but the store went into it: a field that looks at more (who asks,
//! who is in the room) says so while it is resolved. It is given out for as long as nothing was
//! committed since its execution began, so that nobody is told less than was acknowledged before
//! they asked; and for a second at most, for another program may write into the database. Where
//! other nodes do, the store knows no state, and no answer is kept.

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

use super::{cache::Cache, fingerprint::Fingerprint};
use crate::{feed::Payload, metrics::Lookups, store::DataVersion};

/// How many answers are kept, and how many bytes of them. What was not asked for of late makes
/// room.
const MAX_ANSWERS: NonZeroUsize = NonZeroUsize::new(4096).expect("not zero");
const MAX_BYTES: usize = 16 * 1024 * 1024;
/// The largest answer that is kept, with what was asked.
const MAX_ANSWER_BYTES: usize = 256 * 1024;
/// How long an answer is given out.
const MAX_AGE: Duration = Duration::from_secs(1);

/// The answers of late. Cloning it gives the same.
#[derive(Clone)]
pub(super) struct ResponseCache {
    kept: Arc<Mutex<Cache<Fingerprint, Answer>>>,
    lookups: Lookups,
}

#[derive(Clone)]
struct Answer {
    payload: Payload,
    state: DataVersion,
    since: Instant,
}

impl Default for ResponseCache {
    fn default() -> Self {
        Self {
            kept: Arc::new(Mutex::new(Cache::new(MAX_ANSWERS, MAX_BYTES))),
            lookups: Lookups::default(),
        }
    }
}

impl ResponseCache {
    /// With what it is counted by.
    pub(super) fn measured(self, lookups: Lookups) -> Self {
        Self { lookups, ..self }
    }

    /// The answer to a query in this state of the store, if it is known.
    pub(super) fn get(
        &self,
        query: &Fingerprint,
        state: DataVersion,
        now: Instant,
    ) -> Option<Payload> {
        let is_good =
            |answer: &Answer| answer.state == state && now.duration_since(answer.since) < MAX_AGE;
        let answer = self.kept.lock().get(query).filter(is_good);
        self.lookups.count(answer.is_some());
        answer.map(|answer| answer.payload)
    }

    /// Keeps the answer to a query, whose execution began then and in this state of the store.
    pub(super) fn keep(
        &self,
        query: Fingerprint,
        payload: Payload,
        state: DataVersion,
        since: Instant,
    ) {
        let bytes = query.bytes() + payload.len();
        if bytes > MAX_ANSWER_BYTES {
            return;
        }
        let answer = Answer {
            payload,
            state,
            since,
        };
        self.kept.lock().keep(query, answer, bytes);
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
