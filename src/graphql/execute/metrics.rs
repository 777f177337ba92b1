//! Metrics of the caches.

use metrics::Counter;

use crate::telemetry::Registry;

/// Hits and misses of a cache.
#[derive(Clone, Debug)]
pub(super) struct CacheMetrics {
    hits: Counter,
    misses: Counter,
}

impl CacheMetrics {
    /// Registers the metrics of the response cache.
    pub(super) fn responses(registry: &Registry) -> Self {
        Self::new(
            registry,
            "causerie_kept_answers_total",
            "Lookups of queries in the response cache.",
        )
    }

    /// Registers the metrics of the document cache.
    pub(super) fn documents(registry: &Registry) -> Self {
        Self::new(
            registry,
            "causerie_parsed_documents_total",
            "Lookups of documents in the document cache.",
        )
    }

    /// Registers the metrics of persisted queries.
    pub(super) fn persisted(registry: &Registry) -> Self {
        Self::new(
            registry,
            "causerie_persisted_queries_total",
            "Lookups of persisted queries by their hash alone.",
        )
    }

    fn new(registry: &Registry, name: &'static str, help: &'static str) -> Self {
        Self {
            hits: registry.counter(name, &[("result", "hit")], help),
            misses: registry.counter(name, &[("result", "miss")], help),
        }
    }

    /// Counts a lookup.
    pub(super) fn record(&self, is_hit: bool) {
        let counter = if is_hit { &self.hits } else { &self.misses };
        counter.increment(1);
    }
}
