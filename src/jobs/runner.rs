//! The task that works on jobs.

use std::{sync::Arc, time::Duration};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::metrics::JobMetrics;
use crate::{
    error::Error,
    feed,
    model::Timestamp,
    rooms::Hub,
    store::{JobOwner, Lease, Store},
    telemetry::Registry,
};

/// Interval at which a node looks for jobs that no node works on. With the lease of a dead node, it bounds
/// the time after which another takes its job over.
const POLL_INTERVAL: Duration = Duration::from_secs(2);

/// A handle that wakes this node's task. Clones wake the same one.
#[derive(Clone, Debug, Default)]
pub struct JobsHandle(Arc<Notify>);

impl JobsHandle {
    /// Tells the task that a job was committed. It finds it by itself too, some seconds later.
    pub fn wake(&self) {
        self.0.notify_one();
    }
}

/// This node's part in the jobs of the store.
#[derive(Debug)]
pub struct Jobs {
    store: Store,
    hub: Hub,
    handle: JobsHandle,
    owner: JobOwner,
    metrics: JobMetrics,
}

impl Jobs {
    /// Creates the task's state. Effects of jobs are published to `hub`.
    pub fn new(store: Store, hub: Hub, handle: JobsHandle, registry: &Registry) -> Self {
        Self {
            store,
            hub,
            handle,
            owner: JobOwner::new(),
            metrics: JobMetrics::new(registry),
        }
    }

    /// Returns the handle that wakes the task.
    pub fn handle(&self) -> JobsHandle {
        self.handle.clone()
    }

    /// Works on one job after the other until `stop`, and then leaves its job to another node.
    pub async fn run(self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            match self.store.lease_job(self.owner, Timestamp::now()).await {
                Ok(Some(lease)) => self.work(lease, &stop).await,
                Ok(None) => self.wait(&stop).await,
                Err(error) => {
                    tracing::warn!(?error, "cannot look for jobs");
                    self.wait(&stop).await;
                }
            }
        }
    }

    async fn wait(&self, stop: &CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.handle.0.notified() => {}
            () = tokio::time::sleep(POLL_INTERVAL) => {}
        }
    }

    /// Does the batches of a job. After an error the job is left until the lease has expired.
    async fn work(&self, lease: Lease, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            match self.batch(lease).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    tracing::warn!(?error, "a job failed and is tried again");
                    self.metrics.failures.increment(1);
                    return;
                }
            }
        }
        if let Err(error) = self.store.release_job(lease).await {
            tracing::warn!(?error, "another node goes on with a job some seconds later");
        }
    }

    /// Does a batch and publishes its effects. Returns true if more follow.
    async fn batch(&self, lease: Lease) -> Result<bool, Error> {
        let Some(batch) = self.store.do_batch(lease, Timestamp::now()).await? else {
            return Ok(false);
        };
        self.metrics.batches.increment(1);
        for effects in batch.effects {
            feed::publish(&self.hub, effects);
        }
        Ok(!batch.is_last)
    }
}
