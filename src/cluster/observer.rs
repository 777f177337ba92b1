//! A node's connection to the others, as health checks and metrics read it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use super::backplane::Topology;

/// A read handle to a node's connection. Clones are cheap.
#[derive(Clone, Debug)]
pub struct ClusterObserver {
    topology: Topology,
    connection: Arc<ConnectionState>,
}

/// The state of a node's backplane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackplaneStatus {
    /// The node is standalone and has no backplane.
    Standalone,
    /// Messages of other nodes arrive.
    Connected,
    /// The connection is lost. The node serves its own readers as before.
    Disconnected,
}

/// The observed values, which the node's task writes.
#[derive(Debug, Default)]
pub(super) struct ConnectionState {
    is_connected: AtomicBool,
    peers: AtomicUsize,
}

impl ClusterObserver {
    pub(super) fn new(topology: Topology, connection: Arc<ConnectionState>) -> Self {
        Self {
            topology,
            connection,
        }
    }

    /// Returns the state of the backplane.
    pub fn status(&self) -> BackplaneStatus {
        match self.topology {
            Topology::Standalone => BackplaneStatus::Standalone,
            Topology::Cluster if self.connection.is_connected() => BackplaneStatus::Connected,
            Topology::Cluster => BackplaneStatus::Disconnected,
        }
    }

    /// Returns the number of other nodes that are known to be alive.
    pub fn nodes(&self) -> usize {
        self.connection.peers.load(Ordering::Relaxed)
    }
}

impl ConnectionState {
    pub(super) fn is_connected(&self) -> bool {
        self.is_connected.load(Ordering::Relaxed)
    }

    pub(super) fn set_connected(&self, is_connected: bool) {
        self.is_connected.store(is_connected, Ordering::Relaxed);
    }

    pub(super) fn set_peers(&self, count: usize) {
        self.peers.store(count, Ordering::Relaxed);
    }
}
