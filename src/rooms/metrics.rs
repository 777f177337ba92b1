//! Metrics of the rooms.

use metrics::Counter;

use crate::telemetry::Registry;

/// Metrics of the rooms.
#[derive(Clone, Debug)]
pub(super) struct RoomMetrics {
    pub(super) published: Counter,
    /// Changes that the resequencer dropped.
    pub(super) dropped: Counter,
    pub(super) gaps: Counter,
}

impl RoomMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        Self {
            published: registry.counter(
                "causerie_events_published_total",
                &[],
                "Changes to comments that were published on this node.",
            ),
            dropped: registry.counter(
                "causerie_events_forgotten_total",
                &[],
                "Changes that came early and were dropped because too many waited. They are read from the store.",
            ),
            gaps: registry.counter(
                "causerie_feed_gaps_total",
                &[],
                "Rooms that were found behind the store. Their members then read it.",
            ),
        }
    }
}
