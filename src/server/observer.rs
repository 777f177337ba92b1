//! Numbers about a running server, for metrics, tests and programs that embed it.

use tokio_util::task::TaskTracker;

use super::metrics::SampledMetrics;
use crate::{
    cluster::{BackplaneStatus, ClusterObserver},
    error::Error,
    graphql::{Counts, Executor},
    memory::MemoryBudget,
    rooms::{Hub, RoomStats},
    store::Store,
    telemetry::{Checks, Health, Registry},
};

/// A view of a running server. Clones observe the same server.
#[derive(Clone, Debug)]
pub struct Observer {
    pub(super) hub: Hub,
    pub(super) cluster: ClusterObserver,
    pub(super) store: Store,
    pub(super) executor: Executor,
    pub(super) memory: MemoryBudget,
    pub(super) tasks: TaskTracker,
    pub(super) registry: Registry,
    pub(super) sampled: SampledMetrics,
}

impl Observer {
    /// Returns the number of rooms, and of members in them.
    pub fn rooms(&self) -> RoomStats {
        self.hub.stats()
    }

    /// Returns the state of the connection to other nodes.
    pub fn cluster(&self) -> &ClusterObserver {
        &self.cluster
    }

    /// Returns the number of running tasks: sockets, streams, mutations, and what they have spawned.
    pub fn tasks(&self) -> usize {
        self.tasks.len()
    }

    /// Returns the number of events executed, and of their deliveries.
    pub fn events(&self) -> Counts {
        self.executor.counts()
    }

    /// Returns the budget of memory.
    pub fn memory(&self) -> &MemoryBudget {
        &self.memory
    }

    /// Returns the number of SQL statements run so far.
    pub fn statements(&self) -> u64 {
        self.store.statements()
    }

    /// Returns the number of transactions committed so far. With group commit, waiting writes share
    /// one.
    pub fn commits(&self) -> u64 {
        self.store.commits()
    }

    /// Renders the metrics in Prometheus's text format. Takes at most a second if the database does not
    /// answer.
    pub async fn metrics(&self) -> String {
        self.sampled.sample(self).await;
        self.registry.render()
    }

    /// Returns the store, for programs that embed the server.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Returns the checks of `/readyz`.
    pub(super) fn health(&self) -> Health {
        let (store, cluster) = (self.store.clone(), self.cluster.clone());
        let checks = Checks::default()
            .with("store", move || {
                let store = store.clone();
                async move { store.ping().await }
            })
            .with("backplane", move || {
                std::future::ready(match cluster.status() {
                    BackplaneStatus::Standalone | BackplaneStatus::Connected => Ok(()),
                    BackplaneStatus::Disconnected => {
                        Err(Error::Unavailable("the backplane is disconnected".into()))
                    }
                })
            });
        Health::new(checks)
    }
}
