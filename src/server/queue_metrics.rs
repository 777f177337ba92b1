//! The lists that wait for moderators, sampled when metrics are scraped.

use std::{sync::Arc, time::Duration};

use metrics::Gauge;
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};

use crate::{store::Store, telemetry::Registry};

/// Age at which a sample is replaced, so that frequent scrapes do not load the database.
const MAX_AGE: Duration = Duration::from_secs(1);
/// Timeout of the query.
const TIMEOUT: Duration = Duration::from_secs(1);

/// The lengths of the lists. While the database does not answer they are not a number, which no alarm compares.
#[derive(Clone, Debug)]
pub(super) struct QueueMetrics {
    pending: Gauge,
    reported: Gauge,
    /// Time of the latest sample. Locked while one is taken, so that concurrent scrapes share it.
    sampled_at: Arc<Mutex<Option<Instant>>>,
}

impl QueueMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        let list = |list| {
            registry.gauge(
                "causerie_moderation_queue",
                &[("list", list)],
                "Comments in the database that wait for a moderator.",
            )
        };
        Self {
            pending: list("pending"),
            reported: list("reported"),
            sampled_at: Arc::default(),
        }
    }

    /// Reads the lengths, unless they were read within the last second. Takes at most a second.
    pub(super) async fn sample(&self, store: &Store) {
        let mut sampled_at = self.sampled_at.lock().await;
        if sampled_at.is_some_and(|at| at.elapsed() < MAX_AGE) {
            return;
        }
        let (pending, reported) = match timeout(TIMEOUT, store.moderation_queue()).await {
            Ok(Ok(queue)) => (queue.pending as f64, queue.reported as f64),
            Ok(Err(_)) | Err(_) => (f64::NAN, f64::NAN),
        };
        self.pending.set(pending);
        self.reported.set(reported);
        *sampled_at = Some(Instant::now());
    }
}
