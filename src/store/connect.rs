//! Opening and closing the database.

use std::sync::Arc;

use tokio_util::task::TaskTracker;

use super::{
    Store, comments::ModerationMetrics, epoch, error::OpenError, group_commit::Writer, hash_key,
    metrics::StoreMetrics, pool::Connections, postgres, sqlite, statements::StatementCounter,
};
use crate::{config::StoreConfig, telemetry::Registry};

impl Store {
    /// Opens the database and runs the missing migrations.
    ///
    /// Creates a SQLite file if the URL says so. Waits up to `DATABASE_WAIT` for a PostgreSQL server.
    pub async fn open(config: &StoreConfig, registry: &Registry) -> Result<Self, OpenError> {
        let metrics = StoreMetrics::new(registry);
        let statements = StatementCounter::new(metrics.statement.clone());
        let tasks = TaskTracker::new();
        let (scheme, _) = config.database_url.split_once(':').unwrap_or_default();
        let (connections, workers) = match scheme {
            "sqlite" => {
                let pools = sqlite::open(config, &statements).await?;
                (Connections::Sqlite(pools.into()), 1)
            }
            "postgres" | "postgresql" => {
                let supervisor = postgres::open(config, &statements, &tasks).await?;
                (Connections::Postgres(supervisor), config.database_writers)
            }
            _ => return Err(OpenError::UnknownScheme),
        };
        let epoch = epoch::read(&connections.pools().read).await?;
        let hash_key = hash_key::read(&connections.pools().read).await?;
        let writer = Writer::start(
            &connections,
            workers,
            config.database_timeout,
            metrics,
            &tasks,
        );
        Ok(Self {
            writer,
            connections,
            statements,
            epoch,
            hash_key,
            moderation: Arc::new(ModerationMetrics::new(registry)),
            tasks,
        })
    }

    /// Finishes all accepted writes and running reads, then closes every connection. Later writes
    /// fail.
    pub async fn close(&self) {
        self.writer.close();
        self.tasks.close();
        self.tasks.wait().await;
        self.connections.close().await;
    }
}
