//! Connection pools, and the supervisor that replaces those of a lost PostgreSQL server.
//!
//! A server may disappear at any moment, with an error or silently, and come back. When a connection
//! in use breaks or times out, the supervisor replaces the pools and closes the old ones. Every
//! operation has a timeout on this side too, because the server's own timeouts cannot report
//! anything over a dead network.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use sea_orm::DatabaseConnection;
use tokio_util::task::TaskTracker;

use super::db_error::{self, AsDbErr};
use crate::error::Error;

/// Longest time to wait for the reply to a connection's ping.
pub(super) const PING_TIMEOUT: Duration = Duration::from_secs(1);

/// The pools of one database. They are replaced and closed together.
#[derive(Clone, Debug)]
pub(super) struct Pools {
    /// Connections for writing transactions.
    pub write: DatabaseConnection,
    /// Read-only connections.
    pub read: DatabaseConnection,
}

/// The connections to an open, migrated database. Clones share the pools.
#[derive(Clone, Debug)]
pub(super) enum Connections {
    /// Connections to a file that only this process writes.
    Sqlite(Arc<Pools>),
    /// Connections to a server that may be lost, and that other nodes write to.
    Postgres(PoolSupervisor),
}

impl Connections {
    /// Returns the current pools.
    pub(super) fn pools(&self) -> Arc<Pools> {
        match self {
            Self::Sqlite(pools) => Arc::clone(pools),
            Self::Postgres(supervisor) => supervisor.pools(),
        }
    }

    /// Closes all connections. SQLite's last one checkpoints the write-ahead log into the file.
    pub(super) async fn close(&self) {
        let pools = match self {
            Self::Sqlite(pools) => pools,
            Self::Postgres(supervisor) => return supervisor.close().await,
        };
        for connection in [&pools.read, &pools.write] {
            if let Err(error) = connection.close_by_ref().await {
                tracing::warn!(%error, "the database did not close cleanly");
            }
        }
    }
}

/// The owner of the current pools, which replaces them when the server is lost. Clones share them.
#[derive(Clone)]
pub(super) struct PoolSupervisor {
    /// Timeout for acquiring a connection, and the server's statement timeout.
    timeout: Duration,
    /// A factory of pools that connect on first use.
    connect: Arc<dyn Fn() -> Pools + Send + Sync>,
    state: Arc<Mutex<State>>,
    /// Tasks that close replaced pools.
    tasks: TaskTracker,
}

struct State {
    pools: Arc<Pools>,
    /// The time of the server's last answer.
    answered_at: Option<Instant>,
}

impl std::fmt::Debug for PoolSupervisor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PoolSupervisor").finish_non_exhaustive()
    }
}

impl PoolSupervisor {
    pub(super) fn new(
        timeout: Duration,
        connect: impl Fn() -> Pools + Send + Sync + 'static,
        tasks: TaskTracker,
    ) -> Self {
        let state = State {
            pools: Arc::new(connect()),
            answered_at: None,
        };
        Self {
            timeout,
            connect: Arc::new(connect),
            state: Arc::new(Mutex::new(state)),
            tasks,
        }
    }

    fn pools(&self) -> Arc<Pools> {
        Arc::clone(&self.state.lock().pools)
    }

    /// Runs `query` on a read-only connection. Retries once if the database was unavailable, because
    /// only that connection may have been dead. It does not retry after half of the timeout.
    pub(super) async fn read<T, Query>(
        &self,
        query: impl Fn(DatabaseConnection) -> Query,
    ) -> Result<T, Error>
    where
        Query: Future<Output = Result<T, Error>>,
    {
        let started = Instant::now();
        let attempt = async || {
            let pools = self.pools();
            self.supervise(&pools, query(pools.read.clone())).await
        };
        match attempt().await {
            Err(Error::Unavailable(_)) if started.elapsed() < self.timeout / 2 => attempt().await,
            result => result,
        }
    }

    /// Awaits `operation` with a timeout. Replaces `pools`, which it runs on, if the server was lost.
    pub(super) async fn supervise<T, E: AsDbErr>(
        &self,
        pools: &Arc<Pools>,
        operation: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let started = Instant::now();
        let result = tokio::time::timeout(self.operation_timeout(), operation)
            .await
            .unwrap_or_else(|_| Err(db_error::timed_out().into()));
        match result.as_ref().err().and_then(E::as_db_err) {
            Some(error) if db_error::is_dead(error) => self.replace(pools),
            // If no operation was answered meanwhile, every connection may hang.
            Some(error) if db_error::is_unavailable(error) => {
                let answered_at = self.state.lock().answered_at;
                if answered_at.is_none_or(|answered_at| answered_at < started) {
                    self.replace(pools);
                }
            }
            _ => self.state.lock().answered_at = Some(Instant::now()),
        }
        result
    }

    async fn close(&self) {
        close(self.pools(), self.operation_timeout()).await;
    }

    /// Replaces `pools` and closes them in the background. No-op if they were replaced already.
    fn replace(&self, pools: &Arc<Pools>) {
        let mut state = self.state.lock();
        // After the tracker is closed the server is shutting down and needs no new pools.
        if !Arc::ptr_eq(&state.pools, pools) || self.tasks.is_closed() {
            return;
        }
        state.pools = Arc::new((self.connect)());
        drop(state);
        self.tasks
            .spawn(close(Arc::clone(pools), self.operation_timeout()));
    }

    /// Returns the longest time in which a live server hands out a connection and answers.
    fn operation_timeout(&self) -> Duration {
        self.timeout * 2 + PING_TIMEOUT
    }
}

/// Closes `pools`. Tasks that wait for one of their connections fail at once. Connections that do not
/// close before `timeout` are left to the operating system.
async fn close(pools: Arc<Pools>, timeout: Duration) {
    let both = futures_util::future::join(pools.read.close_by_ref(), pools.write.close_by_ref());
    match tokio::time::timeout(timeout, both).await {
        Ok((Ok(()), Ok(()))) => {}
        _ => tracing::debug!("connections to the database did not close cleanly"),
    }
}
