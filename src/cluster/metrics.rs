//! Metrics of the backplane.

use metrics::{Counter, Gauge};

use crate::telemetry::Registry;

/// Metrics of the backplane.
#[derive(Clone, Debug)]
pub(super) struct BackplaneMetrics {
    /// 1 while it is connected or none is configured, else 0.
    pub(super) connected: Gauge,
    pub(super) published: Counter,
    pub(super) received: Counter,
    /// Messages dropped because a queue was full.
    pub(super) dropped: Counter,
    /// Other nodes that are alive.
    pub(super) nodes: Gauge,
}

impl BackplaneMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        let connected = registry.gauge(
            "causerie_backplane_connected",
            &[],
            "1 while the backplane is connected or none is configured, else 0.",
        );
        connected.set(1.0);
        let messages = |direction| {
            registry.counter(
                "causerie_backplane_messages_total",
                &[("direction", direction)],
                "Messages to and from other nodes.",
            )
        };
        Self {
            connected,
            published: messages("published"),
            received: messages("received"),
            dropped: registry.counter(
                "causerie_backplane_dropped_total",
                &[("reason", "queue_full")],
                "Messages to other nodes that were dropped. Their content is sent again in another form.",
            ),
            nodes: registry.gauge(
                "causerie_backplane_nodes",
                &[],
                "Other nodes that are known to be alive.",
            ),
        }
    }
}
