//! A token bucket for each user or address.

use std::{hash::Hash, time::Duration};

use governor::{
    Quota, RateLimiter,
    clock::{Clock, DefaultClock},
};
use metrics::Counter;

use super::{lru_store::LruStore, non_zero};
use crate::error::Error;

/// A token bucket for each key.
#[derive(Debug)]
pub(super) struct Limiter<K: Clone + Eq + Hash> {
    buckets: RateLimiter<K, LruStore<K>, DefaultClock>,
    /// The state of the buckets.
    store: LruStore<K>,
    /// Time in which a bucket gets one token.
    interval: Duration,
}

impl<K: Clone + Eq + Hash> Limiter<K> {
    /// Creates buckets of `burst` tokens, refilled at the quota's rate.
    pub(super) fn new(quota: Quota, burst: u32) -> Self {
        let quota = quota.allow_burst(non_zero(burst));
        let store = LruStore::default();
        Self {
            buckets: RateLimiter::new(quota, store.clone(), DefaultClock::default()),
            store,
            interval: quota.replenish_interval(),
        }
    }

    /// Creates buckets of `number` tokens, refilled within a minute.
    pub(super) fn per_minute(number: u32) -> Self {
        Self::new(Quota::per_minute(non_zero(number)), number)
    }

    /// Takes a token of `key`. If there is none, returns `RateLimited` and counts that in `refused`.
    pub(super) fn count(&self, key: &K, refused: &Counter) -> Result<(), Error> {
        self.buckets.check_key(key).map_err(|denied| {
            refused.increment(1);
            Error::RateLimited {
                retry_after: denied.wait_time_from(self.buckets.clock().now()),
            }
        })
    }

    /// Takes a token of `key`, runs `action`, and gives the token back if nothing was changed. A limit
    /// that is checked only afterwards would let any number of concurrent actions pass.
    pub(super) async fn count_success<T>(
        &self,
        key: &K,
        refused: &Counter,
        action: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        self.count(key, refused)?;
        let result = action.await;
        if result.as_ref().is_err_and(Error::has_changed_nothing) {
            self.store.give_back(key, self.interval);
        }
        result
    }

    /// Drops the state of keys whose bucket is full.
    pub(super) fn drop_inactive(&self) {
        self.buckets.retain_recent();
        self.buckets.shrink_to_fit();
    }
}
