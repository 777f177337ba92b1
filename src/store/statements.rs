//! The count and duration of SQL statements.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use metrics::Histogram;

use super::pool::Pools;

/// A counter of the statements of one store. Clones share the count.
#[derive(Clone, Debug)]
pub(super) struct StatementCounter {
    count: Arc<AtomicU64>,
    duration: Histogram,
}

impl StatementCounter {
    pub(super) fn new(duration: Histogram) -> Self {
        let count = Arc::default();
        Self { count, duration }
    }

    pub(super) fn get(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Counts and times every statement of `pools` from now on.
    pub(super) fn observe(&self, pools: &mut Pools) {
        for connection in [&mut pools.write, &mut pools.read] {
            let counter = self.clone();
            connection.set_metric_callback(move |statement| {
                counter.count.fetch_add(1, Ordering::Relaxed);
                counter.duration.record(statement.elapsed);
            });
        }
    }
}
