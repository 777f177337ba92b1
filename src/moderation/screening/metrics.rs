//! Metrics of checks.

use std::time::Duration;

use metrics::{Counter, Histogram};

use super::verdict::Verdict;
use crate::telemetry::Registry;

/// Counters of checks, one an outcome, and the time that they took.
#[derive(Clone, Debug)]
pub(super) struct CheckMetrics {
    published: Counter,
    held: Counter,
    rejected: Counter,
    failed: Counter,
    busy: Counter,
    seconds: Histogram,
}

impl CheckMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        let outcome = |outcome| {
            registry.counter(
                "causerie_checks_total",
                &[("outcome", outcome)],
                "Comments that CHECK_URL was to be asked about.",
            )
        };
        Self {
            published: outcome("publish"),
            held: outcome("hold"),
            rejected: outcome("reject"),
            failed: outcome("failed"),
            busy: outcome("busy"),
            seconds: registry.histogram(
                "causerie_check_seconds",
                &[],
                "Duration of requests to CHECK_URL.",
            ),
        }
    }

    /// Counts a request; `verdict` is `None` if it failed.
    pub(super) fn asked(&self, verdict: Option<Verdict>, time: Duration) {
        self.seconds.record(time.as_secs_f64());
        let counter = match verdict {
            Some(Verdict::Publish) => &self.published,
            Some(Verdict::Hold) => &self.held,
            Some(Verdict::Reject) => &self.rejected,
            None => &self.failed,
        };
        counter.increment(1);
    }

    /// Counts a comment that no request was sent about, because too many were under way.
    pub(super) fn busy(&self) {
        self.busy.increment(1);
    }
}
