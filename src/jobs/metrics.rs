//! Metrics of jobs.

use metrics::Counter;

use crate::telemetry::Registry;

#[derive(Clone, Debug)]
pub(super) struct JobMetrics {
    pub(super) batches: Counter,
    pub(super) failures: Counter,
}

impl JobMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        Self {
            batches: registry.counter(
                "causerie_job_batches_total",
                &[],
                "Batches of long work that this node has done.",
            ),
            failures: registry.counter(
                "causerie_job_failures_total",
                &[],
                "Batches of long work that failed. They are tried again.",
            ),
        }
    }
}
