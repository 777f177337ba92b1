//! Errors of the store.

use std::time::Duration;

use sea_orm::{DbErr, sqlx};

/// The reason why the database could not be opened. Each message names the setting.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A URL whose scheme is neither SQLite's nor PostgreSQL's.
    #[error("DATABASE_URL (--database-url): it must begin with sqlite: or postgres:")]
    UnknownScheme,
    /// A SQLite URL without a file name, which SQLite opens as a private, temporary database.
    #[error("DATABASE_URL (--database-url): it names no file")]
    NoFile,
    /// An in-memory SQLite database, which would be a new, empty one for each connection.
    #[error("DATABASE_URL (--database-url): name a file, sqlite::memory: cannot be shared")]
    InMemory,
    /// A connection or a migration that the database refused.
    #[error("DATABASE_URL (--database-url): {0}")]
    Database(#[from] DbErr),
    /// A PostgreSQL URL that is invalid, or credentials or a certificate that were refused.
    #[error("DATABASE_URL (--database-url): {0}")]
    Refused(#[source] sqlx::Error),
    /// A PostgreSQL server that could not be reached before the timeout.
    #[error(
        "DATABASE_URL (--database-url): the database was not reached within {} (DATABASE_WAIT): {cause}",
        humantime::format_duration(*.waited)
    )]
    Unreachable {
        /// The timeout that expired.
        waited: Duration,
        /// The error of the last attempt.
        cause: sqlx::Error,
    },
}

/// The reason why a transaction is not known to be committed.
#[derive(Debug)]
pub(super) enum CommitError {
    /// A transaction that was rolled back.
    RolledBack(DbErr),
    /// A database that was lost before it confirmed the commit.
    OutcomeUnknown(DbErr),
}

impl CommitError {
    /// Returns the error of the database.
    pub(super) fn cause(&self) -> &DbErr {
        match self {
            Self::RolledBack(cause) | Self::OutcomeUnknown(cause) => cause,
        }
    }
}
