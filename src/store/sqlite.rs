//! SQLite: one file, which only this process writes.

use std::{fs::OpenOptions, path::Path, time::Duration};

use migration::{Migrator, MigratorTrait};
use sea_orm::{
    ConnectOptions, Database, DatabaseConnection, DbErr, SqliteTransactionMode, TransactionOptions,
    TransactionTrait,
    sqlx::{
        Connection as _,
        sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
    },
};

use super::{error::OpenError, pool::Pools, statements::StatementCounter};
use crate::config::StoreConfig;

/// Number of prepared statements that a connection caches.
const STATEMENT_CACHE: usize = 256;
/// Number of rows that a connection reads ahead.
const ROW_BUFFER: usize = 128;

/// Opens and migrates the file. Creates it if the URL says so.
///
/// One connection writes: SQLite has one writer at a time, and waiting for it in this process is
/// fair, while SQLite itself polls. Several read and never wait for the writer (WAL).
pub(super) async fn open(
    config: &StoreConfig,
    statements: &StatementCounter,
) -> Result<Pools, OpenError> {
    let url = config.database_url.as_str();
    let path = url.trim_start_matches("sqlite:").trim_start_matches("//");
    if path.split('?').next().is_none_or(str::is_empty) {
        return Err(OpenError::NoFile);
    }
    if url.contains(":memory:") || url.contains("mode=memory") {
        return Err(OpenError::InMemory);
    }
    if url.contains("mode=rwc")
        && let Ok(options) = url.parse::<SqliteConnectOptions>()
    {
        create_private(options.get_filename());
    }
    let write = Database::connect(options(config, Access::Write)).await?;
    migrate(&write).await?;
    let read = Database::connect(options(config, Access::Read)).await?;
    let mut pools = Pools { write, read };
    statements.observe(&mut pools);
    Ok(pools)
}

/// Creates the file if it is missing, for its owner alone: it has reasons of bans and ids of clients.
/// SQLite gives its other files the same mode, and reports an error better than this could.
fn create_private(path: &Path) {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let _ = options.open(path);
}

/// Runs the missing migrations in one transaction. A start that was killed can be repeated, and two
/// processes never migrate at once.
async fn migrate(connection: &DatabaseConnection) -> Result<(), DbErr> {
    let transaction = connection.begin_with_options(immediate()).await?;
    Migrator::up(&transaction, None).await?;
    transaction.commit().await
}

/// Returns the options of a transaction that takes SQLite's write lock when it begins.
///
/// A deferred one would fail with `SQLITE_BUSY_SNAPSHOT` when it turns from reading to writing. No-op
/// on PostgreSQL.
pub(super) fn immediate() -> TransactionOptions {
    TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    }
}

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
        // Connections to a file do not go stale. Closing idle ones would only lose their caches.
        .idle_timeout(None::<Duration>)
        .max_lifetime(None::<Duration>)
        .test_before_acquire(false)
        // Statements carry user content: they are neither logged nor recorded in spans.
        .sqlx_logging(false)
        .record_stmt_in_spans(false)
        .map_sqlx_sqlite_opts(move |sqlite: SqliteConnectOptions| {
            sqlite
                .journal_mode(SqliteJournalMode::Wal)
                // An acknowledged comment survives a power loss: each commit is synced.
                .synchronous(SqliteSynchronous::Full)
                .busy_timeout(busy_timeout)
                .foreign_keys(true)
                // Inserts are batched, and each batch size is a statement of its own.
                .statement_cache_capacity(STATEMENT_CACHE)
                // More than a page, so the database's thread never waits for its reader.
                .row_buffer_size(ROW_BUFFER)
                .pragma(
                    "query_only",
                    if access == Access::Read { "ON" } else { "OFF" },
                )
        });
    if access == Access::Write {
        options.map_sqlx_sqlite_pool_opts(reject_open_transactions);
    }
    options
}

/// Makes the pool close connections that are still in a transaction, which rolls it back.
///
/// If a commit fails, for example on a full disk, SQLite rolls back by itself. The driver still counts
/// that transaction as open. The connection's next transaction would be nested into one that never
/// commits: it would be acknowledged, and lost when the process ends.
fn reject_open_transactions(pool: SqlitePoolOptions) -> SqlitePoolOptions {
    // A dropped transaction is rolled back in the background. That rollback has finished by now: the
    // pool takes a connection back after a ping, which is queued after the rollback.
    pool.before_acquire(|connection, _| {
        Box::pin(async move { Ok(!connection.is_in_transaction()) })
    })
}
