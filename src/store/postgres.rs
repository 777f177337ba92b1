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
    error::OpenError,
    pool::{PING_TIMEOUT, PoolSupervisor, Pools},
    statements::StatementCounter,
};
use crate::config::StoreConfig;

/// Number of prepared statements that a connection caches.
const STATEMENT_CACHE: usize = 256;
/// Key of the advisory lock for migrations, so one node migrates and the others find it done. Its
/// value is arbitrary and must never change.
const MIGRATION_LOCK: i64 = 0x6361_7573_6572_6965;
/// Pause between attempts to reach the server at start.
const RETRY_DELAY: Duration = Duration::from_millis(200);
/// Idle time after which a connection is pinged before it is used.
const PING_AFTER: Duration = Duration::from_secs(1);

/// Waits for the server and migrates the database. The pools connect on first use.
pub(super) async fn open(
    config: &StoreConfig,
    statements: &StatementCounter,
    tasks: &TaskTracker,
) -> Result<PoolSupervisor, OpenError> {
    let server: PgConnectOptions = config.database_url.parse().map_err(OpenError::Refused)?;
    let server = match server.get_application_name() {
        Some(_) => server,
        None => server.application_name("causerie"),
    };
    // Statements carry user content: they are not logged.
    let server = server
        .disable_statement_logging()
        .statement_cache_capacity(STATEMENT_CACHE);
    wait_for_server(&server, config.database_wait).await?;
    migrate(&server, config.database_wait).await?;

    let limit = config.database_timeout.as_millis().to_string();
    let write_options = server.options([
        // Queries rely on this level: a statement sees what was committed when it began.
        ("default_transaction_isolation", "read committed"),
        ("statement_timeout", &limit),
        // A node that stalls inside a transaction must not block the others.
        ("idle_in_transaction_session_timeout", &limit),
    ]);
    let read_options = write_options
        .clone()
        .options([("default_transaction_read_only", "on")]);
    let (config, statements) = (config.clone(), statements.clone());
    let timeout = config.database_timeout;
    let connect = move || {
        let mut pools = Pools {
            write: pool(&config, config.database_writers, &write_options),
            read: pool(&config, config.database_readers, &read_options),
        };
        statements.observe(&mut pools);
        pools
    };
    Ok(PoolSupervisor::new(timeout, connect, tasks.clone()))
}

/// Returns a pool of at most `size` connections, each made on demand.
fn pool(config: &StoreConfig, size: u32, options: &PgConnectOptions) -> DatabaseConnection {
    let pool = PgPoolOptions::new()
        .max_connections(size)
        // With a minimum, the pool would wait for minutes to restore it, and occupy slots meanwhile.
        .min_connections(0)
        .acquire_timeout(config.database_timeout)
        .idle_timeout(config.database_idle_timeout)
        .max_lifetime(config.database_max_lifetime);
    let pool = ping_idle(pool, config.database_timeout).connect_lazy_with(options.clone());
    SqlxPostgresConnector::from_sqlx_postgres_pool(pool)
}

/// Makes the pool ping a connection that was idle for [`PING_AFTER`] before it hands it out.
fn ping_idle(pool: PgPoolOptions, acquire_timeout: Duration) -> PgPoolOptions {
    // Far less than `acquire_timeout`, so a caller that gets a dead connection can still get another.
    let limit = PING_TIMEOUT.min(acquire_timeout / 4);
    pool.test_before_acquire(false)
        .before_acquire(move |connection, usage| {
            Box::pin(async move {
                if usage.idle_for >= PING_AFTER {
                    ping(connection, limit).await?;
                }
                Ok(true)
            })
        })
}

async fn ping(connection: &mut PgConnection, limit: Duration) -> Result<(), sqlx::Error> {
    let reply = tokio::time::timeout(limit, connection.ping()).await;
    reply.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()))
}

/// Waits up to `limit` until the server accepts a connection, because it may have been started at the
/// same moment. Fails at once on an error that does not pass, such as a wrong password.
async fn wait_for_server(server: &PgConnectOptions, limit: Duration) -> Result<(), OpenError> {
    let deadline = Instant::now() + limit;
    let mut cause = sqlx::Error::PoolTimedOut;
    loop {
        match timeout_at(deadline, PgConnection::connect_with(server)).await {
            Ok(Ok(connection)) => {
                let _ = connection.close().await;
                return Ok(());
            }
            Ok(Err(error)) if is_not_ready(&error) => cause = error,
            Ok(Err(error)) => return Err(OpenError::Refused(error)),
            Err(_elapsed) => {}
        }
        if Instant::now() + RETRY_DELAY >= deadline {
            return Err(OpenError::Unreachable {
                waited: limit,
                cause,
            });
        }
        tokio::time::sleep(RETRY_DELAY).await;
    }
}

/// Returns true if the server may accept a connection later.
fn is_not_ready(error: &sqlx::Error) -> bool {
    match error {
        // The driver reports an untrusted certificate as `InvalidData`.
        sqlx::Error::Io(error) => error.kind() != io::ErrorKind::InvalidData,
        sqlx::Error::Database(reply) => {
            let code = reply.code();
            matches!(code.as_deref(), Some("53300" | "57P01" | "57P02" | "57P03"))
        }
        _ => false,
    }
}

/// Runs the missing migrations in one transaction. Other nodes wait up to `limit` for the lock, and
/// then find nothing to do.
async fn migrate(server: &PgConnectOptions, limit: Duration) -> Result<(), DbErr> {
    let lock_timeout = limit.as_millis().to_string();
    // Only the wait for the lock is limited: a migration may take any time.
    let options = server.clone().options([
        ("lock_timeout", lock_timeout.as_str()),
        ("statement_timeout", "0"),
    ]);
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(limit)
        .connect_lazy_with(options);
    let connection = SqlxPostgresConnector::from_sqlx_postgres_pool(pool);
    let migrated = migrate_locked(&connection).await;
    connection.close().await?;
    migrated
}

async fn migrate_locked(connection: &DatabaseConnection) -> Result<(), DbErr> {
    let transaction = connection.begin().await?;
    let lock = format!("SELECT pg_advisory_xact_lock({MIGRATION_LOCK})");
    transaction.execute_unprepared(&lock).await?;
    Migrator::up(&transaction, None).await?;
    transaction.commit().await
}
