//! Opening the database: its connections and what they are set to.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use migration::{Migrator, MigratorTrait};
use sea_orm::{
    ConnectOptions, Database, DatabaseConnection, DbErr, SqliteTransactionMode, TransactionOptions,
    TransactionTrait,
    sqlx::{
        Connection as _,
        sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
    },
};

use tokio_util::task::TaskTracker;

use super::{Store, writer::Writer};
use crate::{config::StoreConfig, metrics::StoreMetrics};

/// Why the database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The URL names no database that this server can use.
    #[error("DATABASE_URL (--database-url): it must begin with sqlite:")]
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
}

/// Counts the statements of all connections of one store.
#[derive(Clone, Debug, Default)]
pub(super) struct StatementCounter(Arc<AtomicU64>);

impl StatementCounter {
    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn watch(&self, connection: &mut DatabaseConnection, metrics: &StoreMetrics) {
        let (count, took) = (Arc::clone(&self.0), metrics.statement.clone());
        connection.set_metric_callback(move |statement| {
            count.fetch_add(1, Ordering::Relaxed);
            took.record(statement.elapsed);
        });
    }
}

impl Store {
    /// Opens the database, makes the file where the URL says so, and runs the migrations that it
    /// lacks.
    pub async fn open(config: &StoreConfig) -> Result<Self, OpenError> {
        Self::open_measured(config, StoreMetrics::default()).await
    }

    /// As [`Self::open`], with what it is measured by.
    pub async fn open_measured(
        config: &StoreConfig,
        metrics: StoreMetrics,
    ) -> Result<Self, OpenError> {
        let url = config.database_url.as_str();
        if !url.starts_with("sqlite:") {
            return Err(OpenError::UnknownScheme);
        }
        let path = url.trim_start_matches("sqlite:").trim_start_matches("//");
        if path.split('?').next().is_none_or(str::is_empty) {
            return Err(OpenError::NoFile);
        }
        if url.contains(":memory:") || url.contains("mode=memory") {
            return Err(OpenError::InMemory);
        }

        let mut connection = Database::connect(options(config, Access::Write)).await?;
        migrate(&connection).await?;
        let mut readers = Database::connect(options(config, Access::Read)).await?;

        let statements = StatementCounter::default();
        statements.watch(&mut connection, &metrics);
        statements.watch(&mut readers, &metrics);
        let tasks = TaskTracker::new();
        Ok(Self {
            writer: Writer::start(connection.clone(), config.database_timeout, metrics, &tasks),
            connection,
            readers,
            statements,
            tasks,
        })
    }

    /// Finishes what was accepted to be written and what is being read, and closes every connection;
    /// the last one folds the write-ahead log into the file.
    pub async fn close(&self) {
        self.writer.end();
        self.tasks.close();
        self.tasks.wait().await;
        for connection in [&self.readers, &self.connection] {
            if let Err(error) = connection.close_by_ref().await {
                tracing::warn!(%error, "the database did not close cleanly");
            }
        }
    }
}

/// All steps or none, so that a start that was killed can be tried again; and one server at a time.
async fn migrate(connection: &DatabaseConnection) -> Result<(), DbErr> {
    let transaction = connection.begin_with_options(immediate()).await?;
    Migrator::up(&transaction, None).await?;
    transaction.commit().await
}

/// A transaction that holds the write lock from its first moment. A deferred one would fail with
/// BUSY_SNAPSHOT where it turns from reading to writing.
pub(super) fn immediate() -> TransactionOptions {
    TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    }
}

/// How many prepared statements a connection keeps.
const STATEMENTS: usize = 256;
/// How many rows a connection reads ahead.
const ROWS: usize = 128;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Write,
    Read,
}

fn options(config: &StoreConfig, access: Access) -> ConnectOptions {
    let busy_timeout = config.database_timeout;
    let connections = match access {
        Access::Write => 1,
        Access::Read => config.database_readers,
    };
    let mut options = ConnectOptions::new(config.database_url.as_str());
    options
        .max_connections(connections)
        .min_connections(1)
        .acquire_timeout(busy_timeout)
        // A file's connections do not go stale; closing idle ones would only lose their caches.
        .idle_timeout(None::<Duration>)
        .max_lifetime(None::<Duration>)
        .test_before_acquire(false)
        // Statements carry what people wrote: they are neither logged nor put into spans.
        .sqlx_logging(false)
        .record_stmt_in_spans(false)
        .map_sqlx_sqlite_opts(move |sqlite: SqliteConnectOptions| {
            sqlite
                .journal_mode(SqliteJournalMode::Wal)
                // An acknowledged comment survives a power loss: each commit is synced.
                .synchronous(SqliteSynchronous::Full)
                .busy_timeout(busy_timeout)
                .foreign_keys(true)
                // Comments are added as many at a time as there are: each number is a statement.
                .statement_cache_capacity(STATEMENTS)
                // A whole page: the database's thread does not wait for its reader in between.
                .row_buffer_size(ROWS)
                .pragma(
                    "query_only",
                    if access == Access::Read { "ON" } else { "OFF" },
                )
        });
    if access == Access::Write {
        options.map_sqlx_sqlite_pool_opts(without_transactions);
    }
    options
}

/// A pool that hands out only connections that are in no transaction; any other is closed, which
/// undoes what it began.
///
/// Where a commit fails (a full disk), SQLite undoes the transaction by itself and the library
/// still counts it. What is begun next on that connection is then nested into a transaction that
/// nobody commits: it would be acknowledged, and lost with the process.
fn without_transactions(pool: SqlitePoolOptions) -> SqlitePoolOptions {
    // A transaction that was dropped is undone in the background. That is over: the pool takes a
    // connection back when it has answered a ping, which stands behind that in the queue.
    pool.before_acquire(|connection, _| {
        Box::pin(async move { Ok(!connection.is_in_transaction()) })
    })
}
