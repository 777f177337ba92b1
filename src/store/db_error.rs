//! Classification of database errors: what to report, retry, or replace the pool for.

use std::{io, sync::Arc};

use sea_orm::{
    ConnAcquireErr, DbErr, RuntimeErr,
    sqlx::{self, sqlite::SqliteError},
};

use crate::error::Error;

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        if is_unavailable(&error) || is_obstructed(&error) {
            Self::Unavailable(Box::new(error))
        } else {
            Self::Internal(Box::new(error))
        }
    }
}

/// An error type that can hold a database error.
pub(super) trait AsDbErr: From<DbErr> {
    /// Returns the database error, or `None` if the error has another cause.
    fn as_db_err(&self) -> Option<&DbErr>;
}

impl AsDbErr for DbErr {
    fn as_db_err(&self) -> Option<&DbErr> {
        Some(self)
    }
}

impl AsDbErr for Error {
    fn as_db_err(&self) -> Option<&DbErr> {
        match self {
            Self::Internal(cause) | Self::Unavailable(cause) => cause.downcast_ref(),
            _ => None,
        }
    }
}

/// Wraps an error of the driver as SeaORM wraps those of its connections.
pub(super) fn connection_error(cause: sqlx::Error) -> DbErr {
    DbErr::Conn(RuntimeErr::SqlxError(Arc::new(cause)))
}

/// Returns the error for a database that did not answer before the timeout.
pub(super) fn timed_out() -> DbErr {
    connection_error(io::Error::from(io::ErrorKind::TimedOut).into())
}

/// Returns true if the database is unreachable or has no free connection. Nothing was done, and a
/// later attempt may succeed.
pub(super) fn is_unavailable(error: &DbErr) -> bool {
    if let DbErr::ConnectionAcquire(ConnAcquireErr::Timeout | ConnAcquireErr::ConnectionClosed) =
        error
    {
        return true;
    }
    match driver_error(error) {
        Some(sqlx::Error::Database(reply)) => reply.code().is_some_and(|code| {
            // Connection exceptions; a server that shuts down, starts, is full, or is read-only.
            code.starts_with("08")
                || matches!(
                    &*code,
                    "57P01" | "57P02" | "57P03" | "57P05" | "53300" | "25006" | "25P03"
                )
        }),
        Some(error) => {
            is_broken(error) || matches!(error, sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed)
        }
        None => false,
    }
}

/// Returns true if the database answers but cannot do its work now: another program holds a lock, or the
/// disk or a quota is full. Nothing was done, and the connections are good.
pub(super) fn is_obstructed(error: &DbErr) -> bool {
    // SQLite's primary result codes; the upper bytes of a code tell more.
    const BUSY: u32 = 5;
    const LOCKED: u32 = 6;
    const FULL: u32 = 13;
    // What a write beyond a quota has for a code.
    const IOERR_WRITE: u32 = 10 | 3 << 8;
    let Some(sqlx::Error::Database(reply)) = driver_error(error) else {
        return false;
    };
    let Some(code) = reply.code() else {
        return false;
    };
    match reply.try_downcast_ref::<SqliteError>() {
        Some(_) => code.parse().is_ok_and(|code: u32| {
            code == IOERR_WRITE || matches!(code & 0xff, BUSY | LOCKED | FULL)
        }),
        // A full disk, too little memory, a lock that was not available, a statement's timeout.
        None => matches!(&*code, "53100" | "53200" | "55P03" | "57014"),
    }
}

/// Returns true if the connection is unusable. Others of its pool may be unusable as well.
pub(super) fn is_dead(error: &DbErr) -> bool {
    match driver_error(error) {
        Some(sqlx::Error::Database(reply)) => reply.code().is_some_and(|code| {
            code.starts_with("08") || matches!(&*code, "57P01" | "57P02" | "57P05" | "25006")
        }),
        Some(error) => is_broken(error),
        None => false,
    }
}

/// Returns true if a transaction that was rolled back should be retried at once: its connection
/// broke, or it conflicted with another transaction.
pub(super) fn is_transient(error: &DbErr) -> bool {
    // The pool was replaced while this transaction waited for one of its connections.
    if let DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed) = error {
        return true;
    }
    match driver_error(error) {
        Some(sqlx::Error::Io(error)) if error.kind() == io::ErrorKind::TimedOut => false,
        Some(sqlx::Error::Database(reply)) => reply
            .code()
            .is_some_and(|code| matches!(&*code, "40001" | "40P01" | "57P01" | "57P02" | "25P03")),
        Some(error) => is_broken(error),
        None => false,
    }
}

/// Returns true if a commit that failed with `error` may have taken effect: the server did not
/// confirm that it rolled back.
pub(super) fn is_outcome_unknown(error: &DbErr) -> bool {
    match driver_error(error) {
        Some(sqlx::Error::Database(reply)) => reply.code().is_none_or(|code| {
            let classes = ["08", "53", "57", "58", "XX"];
            code == "40003" || classes.iter().any(|class| code.starts_with(class))
        }),
        _ => true,
    }
}

fn is_broken(error: &sqlx::Error) -> bool {
    use sqlx::Error::{BeginFailed, Io, Protocol, Tls, WorkerCrashed};
    matches!(
        error,
        Io(_) | Tls(_) | Protocol(_) | WorkerCrashed | BeginFailed
    )
}

fn driver_error(error: &DbErr) -> Option<&sqlx::Error> {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(cause))
        | DbErr::Exec(RuntimeErr::SqlxError(cause))
        | DbErr::Query(RuntimeErr::SqlxError(cause)) => Some(cause),
        _ => None,
    }
}
