//! Metrics of the feeds.

use metrics::{Counter, Gauge};

use crate::telemetry::Registry;

/// Metrics of the feeds.
#[derive(Clone, Debug)]
pub(super) struct FeedMetrics {
    pub(super) catching_up: Gauge,
    /// Catch-ups from a cursor.
    pub(super) resumed: Counter,
    /// Catch-ups of subscribers that were too slow.
    pub(super) slow: Counter,
    /// Catch-ups of subscribers whose room had a gap.
    pub(super) missed: Counter,
}

impl FeedMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        let catch_ups = |reason| {
            registry.counter(
                "causerie_catch_ups_total",
                &[("reason", reason)],
                "Catch-ups of subscribers, by reason.",
            )
        };
        Self {
            catching_up: registry.gauge(
                "causerie_catching_up",
                &[],
                "Subscribers that are being caught up now.",
            ),
            resumed: catch_ups("resumed"),
            slow: catch_ups("slow"),
            missed: catch_ups("missed"),
        }
    }
}
