//! Metrics of the limits.

use metrics::Counter;

use crate::telemetry::Registry;

/// Counters of refusals, one a limit.
#[derive(Clone, Debug)]
pub(super) struct LimitMetrics {
    pub(super) typing: Counter,
    pub(super) comments: Counter,
    pub(super) comments_from_address: Counter,
    pub(super) guests: Counter,
    pub(super) pages: Counter,
    pub(super) mutations: Counter,
    pub(super) reports: Counter,
    pub(super) reactions: Counter,
    pub(super) checks: Counter,
    /// Mutations beyond the number that may be under way at once.
    pub(super) under_way: Counter,
}

impl LimitMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        let refused = |limit| refused(registry, limit);
        Self {
            typing: refused("typing"),
            comments: refused("comments"),
            comments_from_address: refused("comments_from_address"),
            guests: refused("guests"),
            pages: refused("pages"),
            mutations: refused("mutations"),
            reports: refused("reports"),
            reactions: refused("reactions"),
            checks: refused("checks"),
            under_way: refused("under_way"),
        }
    }
}

/// Registers the counter of operations on sockets.
pub(super) fn operations(registry: &Registry) -> Counter {
    refused(registry, "operations")
}

fn refused(registry: &Registry, limit: &'static str) -> Counter {
    registry.counter(
        "causerie_rate_limited_total",
        &[("limit", limit)],
        "Requests that a limit refused.",
    )
}
