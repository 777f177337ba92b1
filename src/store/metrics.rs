//! Metrics of the store.

use metrics::{Counter, Histogram};

use crate::telemetry::Registry;

/// Metrics of the store.
#[derive(Clone, Debug)]
pub(super) struct StoreMetrics {
    pub(super) statement: Histogram,
    pub(super) transaction: Histogram,
    pub(super) batch: Histogram,
    pub(super) failed: Counter,
}

impl StoreMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        Self {
            statement: registry.histogram(
                "causerie_store_statement_seconds",
                &[],
                "Duration of a SQL statement.",
            ),
            transaction: registry.histogram(
                "causerie_store_transaction_seconds",
                &[],
                "Duration of a writing transaction, from its begin to its commit.",
            ),
            batch: registry.histogram(
                "causerie_store_batch_writes",
                &[],
                "Number of writes in a transaction.",
            ),
            failed: registry.counter(
                "causerie_store_failed_transactions_total",
                &[],
                "Writing transactions that failed.",
            ),
        }
    }
}
