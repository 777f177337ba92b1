//! One execution a state: readers who ask the same of a store that has not changed are given the
//! same bytes.
//!
//! An answer is kept if nothing but the store went into it: a field that looks at more (who asks,
//! who is in the room) says so while it is resolved. It is given out for as long as nothing was
//! committed since its execution began, so that nobody is told less than was acknowledged before
//! they asked; and for a second at most, for another program may write into the database.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use async_graphql::Context;
use quick_cache::{Weighter, sync::Cache};

use super::{operation::Params, shared::Payload};

/// How much is kept, in bytes. What was not asked for of late makes room.
const CAPACITY: u64 = 16 * 1024 * 1024;
/// The largest answer that is kept.
const MAX_ANSWER_BYTES: usize = 256 * 1024;
/// The largest request whose answer is kept, in bytes of JSON.
const MAX_REQUEST_BYTES: usize = 8 * 1024;
/// How many times larger a request may be in memory than in JSON.
const REQUEST_GROWTH: usize = 16;
/// How many answers are expected to fill the capacity.
const USUAL_NUMBER: usize = 2048;
/// How long an answer is given out.
const MAX_AGE: Duration = Duration::from_secs(1);

/// The answers of late. Cloning it gives the same.
#[derive(Clone)]
pub(super) struct Answers(Arc<Cache<Arc<Params>, Answer, Bytes>>);

/// The state of the store, as far as it is known here: how many transactions were committed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct State(pub u64);

#[derive(Clone)]
struct Answer {
    payload: Payload,
    state: State,
    since: Instant,
    /// What it takes, with its request.
    weight: u64,
}

#[derive(Clone)]
struct Bytes;

impl Weighter<Arc<Params>, Answer> for Bytes {
    fn weight(&self, _: &Arc<Params>, answer: &Answer) -> u64 {
        answer.weight
    }
}

impl Default for Answers {
    fn default() -> Self {
        Self(Arc::new(Cache::with_weighter(
            USUAL_NUMBER,
            CAPACITY,
            Bytes,
        )))
    }
}

impl Answers {
    /// The answer to this request in this state of the store, if it is known.
    pub(super) fn get(&self, params: &Params, state: State, now: Instant) -> Option<Payload> {
        let answer = self.0.get(params)?;
        let is_good = answer.state == state && now.duration_since(answer.since) < MAX_AGE;
        is_good.then_some(answer.payload)
    }

    /// Keeps the answer to a request, whose execution began then and in this state of the store.
    pub(super) fn keep(&self, params: Arc<Params>, payload: Payload, state: State, since: Instant) {
        let request =
            serde_json::to_string(&params.variables).map_or(usize::MAX, |text| text.len());
        let request = request.saturating_add(params.query.len());
        if request > MAX_REQUEST_BYTES || payload.len() > MAX_ANSWER_BYTES {
            return;
        }
        let weight = request * REQUEST_GROWTH + payload.len();
        let answer = Answer {
            payload,
            state,
            since,
            weight: u64::try_from(weight).unwrap_or(u64::MAX),
        };
        self.0.insert(params, answer);
    }
}

/// Whether an execution looked at more than the store. Cloning it gives the same.
#[derive(Clone, Default)]
pub(super) struct Outlook(Arc<AtomicBool>);

impl Outlook {
    /// Says that the field which is being resolved looks at more than the store.
    pub(super) fn widen(context: &Context<'_>) {
        if let Some(Self(is_wide)) = context.data_opt::<Self>() {
            is_wide.store(true, Ordering::Relaxed);
        }
    }

    /// Whether no field looked at more than the store.
    pub(super) fn is_store_alone(&self) -> bool {
        !self.0.load(Ordering::Relaxed)
    }
}
