//! Settings of the database.

use std::time::Duration;

use clap::{Args, value_parser};

use super::parse::duration;

/// Settings of the database.
#[derive(Args, Clone, Debug)]
pub struct StoreConfig {
    /// Database URL: `sqlite://` and a path (`?mode=rwc` creates a missing file), or
    /// `postgres://user:password@host/database`, which several servers may share.
    #[arg(
        long,
        env = "DATABASE_URL",
        hide_env_values = true,
        default_value = "sqlite://causerie.db?mode=rwc"
    )]
    pub database_url: String,
    /// Number of connections that read.
    #[arg(long, env = "DATABASE_READERS", default_value = "4", value_parser = value_parser!(u32).range(1..=64))]
    pub database_readers: u32,
    /// Number of PostgreSQL connections that write; SQLite always has one.
    #[arg(long, env = "DATABASE_WRITERS", default_value = "4", value_parser = value_parser!(u32).range(1..=64))]
    pub database_writers: u32,
    /// Timeout of a request for a free connection, and again for a lock or PostgreSQL's answer to one
    /// statement.
    #[arg(long, env = "DATABASE_TIMEOUT", default_value = "5s", value_parser = duration)]
    pub database_timeout: Duration,
    /// Time that the start waits for a PostgreSQL that is unreachable, or that another server is
    /// migrating.
    #[arg(long, env = "DATABASE_WAIT", default_value = "30s", value_parser = duration)]
    pub database_wait: Duration,
    /// Time after which an idle PostgreSQL connection is closed.
    #[arg(long, env = "DATABASE_IDLE_TIMEOUT", default_value = "10m", value_parser = duration)]
    pub database_idle_timeout: Duration,
    /// Age at which a PostgreSQL connection is replaced.
    #[arg(long, env = "DATABASE_MAX_LIFETIME", default_value = "30m", value_parser = duration)]
    pub database_max_lifetime: Duration,
}
