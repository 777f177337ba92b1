//! PostgreSQL: a server that several nodes read and write.

use std::{io, time::Duration};

use migration::{Migrator, MigratorTrait};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbErr, SqlxPostgresConnector, TransactionTrait,
    sqlx::{
        self, ConnectOptions, Connection as _,
        postgres::{PgConnectOptions, PgConnection, PgPoolOptions},
    },
};
use tokio::time::{Instant, timeout_at};
use tokio_util::task::TaskTracker;

use super::{
    connect::{Connections, OpenError, StatementCounter},
    link::{self, Link, Pools},
};
use crate::config::StoreConfig;

/// How many prepared statements a connection keeps.
const STATEMENTS: usize = 256;
/// What all nodes that migrate lock, so that one does and the others find it done. Any number, as
/// long as it stays the same.
const MIGRATING: i64 = 0x6361_7573_6572_6965;
/// How long the start waits before it looks for the server again.
const PAUSE: Duration = Duration::from_millis(200);

/// Waits for the server, brings the database up to date, and leaves connecting to those who need it.
pub(super) async fn open(
    config: &StoreConfig,
    statements: &StatementCounter,
    tasks: &TaskTracker,
) -> Result<Connections, OpenError> {
    let named: PgConnectOptions = config.database_url.parse().map_err(OpenError::Refused)?;
    let named = match named.get_application_name() {
        Some(_) => named,
        None => named.application_name("causerie"),
    };
    // Statements carry what people wrote: they are not logged.
    let named = named
        .disable_statement_logging()
        .statement_cache_capacity(STATEMENTS);
    until_reached(&named, config.database_wait).await?;
    migrate(&named, config.database_wait).await?;

    let limit = config.database_timeout.as_millis().to_string();
    let session = named.options([
        // What is relied on: a statement sees what was committed when it began.
        ("default_transaction_isolation", "read committed"),
        ("statement_timeout", &limit),
        // A node that stands still in a transaction must not hold up the others.
        ("idle_in_transaction_session_timeout", &limit),
    ]);
    let reading = session
        .clone()
        .options([("default_transaction_read_only", "on")]);
    let (config, statements) = (config.clone(), statements.clone());
    let patience = config.database_timeout;
    let make = move || {
        let mut pools = Pools {
            writing: pool(&config, config.database_writers, &session),
            reading: pool(&config, config.database_readers, &reading),
        };
        statements.watch(&mut pools);
        pools
    };
    Ok(Connections::Server(Link::new(
        patience,
        make,
        tasks.clone(),
    )))
}

/// Connections that are made when they are needed.
fn pool(config: &StoreConfig, most: u32, session: &PgConnectOptions) -> DatabaseConnection {
    let pool = PgPoolOptions::new()
        .max_connections(most)
        // To keep some open, the pool would wait for them for minutes, and with them hold places.
        .min_connections(0)
        .acquire_timeout(config.database_timeout)
        .idle_timeout(config.database_idle_timeout)
        .max_lifetime(config.database_max_lifetime);
    let pool = link::tested(pool, config.database_timeout).connect_lazy_with(session.clone());
    SqlxPostgresConnector::from_sqlx_postgres_pool(pool)
}

/// Waits until the server takes a connection, where it is not there yet: it may have been started at
/// the same moment. What it says no to will not become better.
async fn until_reached(named: &PgConnectOptions, patience: Duration) -> Result<(), OpenError> {
    let deadline = Instant::now() + patience;
    let mut cause = sqlx::Error::PoolTimedOut;
    loop {
        match timeout_at(deadline, PgConnection::connect_with(named)).await {
            Ok(Ok(connection)) => {
                let _ = connection.close().await;
                return Ok(());
            }
            Ok(Err(error)) if may_come(&error) => cause = error,
            Ok(Err(error)) => return Err(OpenError::Refused(error)),
            Err(_elapsed) => {}
        }
        if Instant::now() + PAUSE >= deadline {
            let waited = patience;
            return Err(OpenError::Unreachable { waited, cause });
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Whether a server that does not take a connection may be one that is not there yet.
fn may_come(error: &sqlx::Error) -> bool {
    match error {
        // That is what the library calls a certificate that is not trusted.
        sqlx::Error::Io(error) => error.kind() != io::ErrorKind::InvalidData,
        sqlx::Error::Database(said) => {
            let code = said.code();
            matches!(code.as_deref(), Some("53300" | "57P01" | "57P02" | "57P03"))
        }
        _ => false,
    }
}

/// All steps or none, and one node at a time: the others wait for it, as long as they would for the
/// server, and find it done.
async fn migrate(named: &PgConnectOptions, patience: Duration) -> Result<(), DbErr> {
    let limit = patience.as_millis().to_string();
    // A step may take as long as it takes; only the turn is waited for no longer than that.
    let session = named
        .clone()
        .options([("lock_timeout", limit.as_str()), ("statement_timeout", "0")]);
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(patience)
        .connect_lazy_with(session);
    let connection = SqlxPostgresConnector::from_sqlx_postgres_pool(pool);
    let migrated = migrate_through(&connection).await;
    connection.close().await?;
    migrated
}

async fn migrate_through(connection: &DatabaseConnection) -> Result<(), DbErr> {
    let transaction = connection.begin().await?;
    let lock = format!("SELECT pg_advisory_xact_lock({MIGRATING})");
    transaction.execute_unprepared(&lock).await?;
    Migrator::up(&transaction, None).await?;
    transaction.commit().await
}
