//! Opening the database that the URL names, and closing it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use metrics::Histogram;
use sea_orm::{DbErr, sqlx};
use tokio_util::task::TaskTracker;

use super::{
    Store,
    link::{Link, Pools},
    postgres, sqlite,
    writer::Writer,
};
use crate::{config::StoreConfig, metrics::StoreMetrics};

/// Why the database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The URL names no database that this server can use.
    #[error("DATABASE_URL (--database-url): it must begin with sqlite: or postgres:")]
    UnknownScheme,
    /// SQLite takes no name for a private, temporary database.
    #[error("DATABASE_URL (--database-url): it names no file")]
    NoFile,
    /// An in-memory database is a new, empty one for each connection.
    #[error("DATABASE_URL (--database-url): name a file, sqlite::memory: cannot be shared")]
    InMemory,
    /// The database refused the connection or a migration.
    #[error("DATABASE_URL (--database-url): {0}")]
    Database(#[from] DbErr),
    /// The URL cannot be read, or the database server does not take this server in.
    #[error("DATABASE_URL (--database-url): {0}")]
    Refused(#[source] sqlx::Error),
    /// The database server is not there.
    #[error(
        "DATABASE_URL (--database-url): the database was not reached within {} (DATABASE_WAIT): {cause}",
        humantime::format_duration(*.waited)
    )]
    Unreachable {
        /// For how long it was waited for.
        waited: Duration,
        /// What the last attempt said.
        cause: sqlx::Error,
    },
}

/// The connections to a database that is open and up to date. Cloning gives the same.
#[derive(Clone, Debug)]
pub(super) enum Connections {
    /// To a file, which this process alone writes.
    File(Arc<Pools>),
    /// To a server, which may be lost, and to which other nodes write as well.
    Server(Link),
}

impl Connections {
    /// Those of this moment.
    pub(super) fn pools(&self) -> Arc<Pools> {
        match self {
            Self::File(pools) => Arc::clone(pools),
            Self::Server(link) => link.pools(),
        }
    }
}

/// Counts the statements of all connections of one store, and measures them.
#[derive(Clone, Debug)]
pub(super) struct StatementCounter {
    count: Arc<AtomicU64>,
    took: Histogram,
}

impl StatementCounter {
    fn new(took: Histogram) -> Self {
        let count = Arc::default();
        Self { count, took }
    }

    pub(super) fn get(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Counts what goes through these from now on.
    pub(super) fn watch(&self, pools: &mut Pools) {
        for connection in [&mut pools.writing, &mut pools.reading] {
            let counter = self.clone();
            connection.set_metric_callback(move |statement| {
                counter.count.fetch_add(1, Ordering::Relaxed);
                counter.took.record(statement.elapsed);
            });
        }
    }
}

impl Store {
    /// Opens the database that the URL names, makes SQLite's file where the URL says so, waits for
    /// PostgreSQL's server where it is not there yet, and runs the migrations that are lacking.
    pub async fn open(config: &StoreConfig) -> Result<Self, OpenError> {
        Self::open_measured(config, StoreMetrics::default()).await
    }

    /// As [`Self::open`], with what it is measured by.
    pub async fn open_measured(
        config: &StoreConfig,
        metrics: StoreMetrics,
    ) -> Result<Self, OpenError> {
        let scheme = config
            .database_url
            .split_once(':')
            .map(|(scheme, _)| scheme);
        let (statements, tasks) = (
            StatementCounter::new(metrics.statement.clone()),
            TaskTracker::new(),
        );
        let (connections, desks) = match scheme {
            Some("sqlite") => (sqlite::open(config, &statements).await?, 1),
            Some("postgres" | "postgresql") => (
                postgres::open(config, &statements, &tasks).await?,
                config.database_writers,
            ),
            _ => return Err(OpenError::UnknownScheme),
        };
        Ok(Self {
            writer: Writer::start(
                &connections,
                desks,
                config.database_timeout,
                metrics,
                &tasks,
            ),
            connections,
            statements,
            tasks,
        })
    }

    /// Finishes what was accepted to be written and what is being read, and closes every connection;
    /// SQLite's last one folds the write-ahead log into the file.
    pub async fn close(&self) {
        self.writer.end();
        self.tasks.close();
        self.tasks.wait().await;
        let pools = match &self.connections {
            Connections::File(pools) => pools,
            Connections::Server(link) => return link.close().await,
        };
        for connection in [&pools.reading, &pools.writing] {
            if let Err(error) = connection.close_by_ref().await {
                tracing::warn!(%error, "the database did not close cleanly");
            }
        }
    }
}
