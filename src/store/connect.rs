//! Opening the database that the URL names, and closing it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use sea_orm::{DatabaseConnection, DbErr, sqlx};
use tokio_util::task::TaskTracker;

use super::{Store, link::Link, postgres, sqlite, writer::Writer};
use crate::config::StoreConfig;

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

/// A database that is open and up to date.
pub(super) struct Connections {
    /// What is written goes through these.
    pub writing: DatabaseConnection,
    /// What is read comes through these, which write nothing.
    pub reading: DatabaseConnection,
    /// How many may write at the same time.
    pub writers: u32,
    /// The way to a database that is a server of its own.
    pub link: Option<Link>,
}

/// Counts the statements of all connections of one store.
#[derive(Clone, Debug, Default)]
pub(super) struct StatementCounter(Arc<AtomicU64>);

impl StatementCounter {
    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn watch(&self, connection: &mut DatabaseConnection) {
        let count = Arc::clone(&self.0);
        connection.set_metric_callback(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
        });
    }
}

impl Store {
    /// Opens the database that the URL names, makes SQLite's file where the URL says so, waits for
    /// PostgreSQL's server where it is not there yet, and runs the migrations that are lacking.
    pub async fn open(config: &StoreConfig) -> Result<Self, OpenError> {
        let scheme = config
            .database_url
            .split_once(':')
            .map(|(scheme, _)| scheme);
        let mut connections = match scheme {
            Some("sqlite") => sqlite::open(config).await?,
            Some("postgres" | "postgresql") => postgres::open(config).await?,
            _ => return Err(OpenError::UnknownScheme),
        };
        let statements = StatementCounter::default();
        statements.watch(&mut connections.writing);
        statements.watch(&mut connections.reading);
        let tasks = TaskTracker::new();
        Ok(Self {
            writer: Writer::start(&connections, config.database_timeout, &tasks),
            writing: connections.writing,
            reading: connections.reading,
            link: connections.link,
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
        for connections in [&self.reading, &self.writing] {
            if let Err(error) = connections.close_by_ref().await {
                tracing::warn!(%error, "the database did not close cleanly");
            }
        }
    }
}
