//! The way to a database that is a server of its own: it may be lost at any moment, with a word or
//! in silence, and it comes back.
//!
//! A connection of the pool may be dead long before anybody writes into it. So one that nobody has
//! used for a while is asked first whether it lives, and, once the database was found lost, every
//! one that was not used since. A statement has a time here too: the server's own limit says nothing
//! where the network is gone.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use sea_orm::{
    ConnAcquireErr, DbErr, RuntimeErr,
    sqlx::{
        self, Connection as _, Postgres, pool::PoolConnectionMetadata, postgres::PgPoolOptions,
    },
};
use tokio::time::timeout;

use crate::error::Error;

/// A connection that was used less long ago is taken to live.
const FRESH: Duration = Duration::from_secs(1);
/// How long a connection may take at most to say that it lives.
const LONGEST_PING: Duration = Duration::from_secs(1);

/// What is known of the way to the database. Cloning it gives the same.
#[derive(Clone, Debug)]
pub(super) struct Link {
    /// How long a connection is waited for, and how long the server lets a statement take.
    patience: Duration,
    /// When the database was last found lost.
    lost_at: Arc<Mutex<Option<Instant>>>,
}

impl Link {
    pub(super) fn new(patience: Duration) -> Self {
        Self {
            patience,
            lost_at: Arc::default(),
        }
    }

    /// Reads; once more, where it turns out that the connection was dead.
    pub(super) async fn read<T, Reading>(&self, attempt: impl Fn() -> Reading) -> Result<T, Error>
    where
        Reading: Future<Output = Result<T, Error>>,
    {
        let begun = Instant::now();
        let in_time = async || {
            let done = timeout(self.longest(), attempt()).await;
            let done = done.unwrap_or_else(|_| Err(silence().into()));
            if let Err(Error::Unavailable(_)) = &done {
                self.suspect();
            }
            done
        };
        match in_time().await {
            Err(Error::Unavailable(_)) if begun.elapsed() < self.patience / 2 => in_time().await,
            done => done,
        }
    }

    /// Waits for the database, but not for ever.
    pub(super) async fn in_time<T>(
        &self,
        done: impl Future<Output = Result<T, DbErr>>,
    ) -> Result<T, DbErr> {
        let done = timeout(self.longest(), done).await;
        let done = done.unwrap_or_else(|_| Err(silence()));
        if done.as_ref().is_err_and(is_lost) {
            self.suspect();
        }
        done
    }

    /// Has the connections of this pool tested.
    pub(super) fn watch(&self, pool: PgPoolOptions) -> PgPoolOptions {
        let link = self.clone();
        // Far less than a connection is waited for: who finds one dead is to be given another.
        let ping = LONGEST_PING.min(self.patience / 4);
        pool.test_before_acquire(false)
            .before_acquire(move |connection, usage| {
                let is_in_doubt = link.is_in_doubt(&usage);
                Box::pin(async move {
                    if is_in_doubt {
                        lives(connection, ping).await?;
                    }
                    Ok(true)
                })
            })
            // The pool asks each connection that it takes back, without limit: one that fell silent
            // would keep its place until the system gives it up, a quarter of an hour later.
            .after_release(move |connection, _| {
                Box::pin(async move { lives(connection, ping).await.map(|()| true) })
            })
    }

    fn is_in_doubt(&self, usage: &PoolConnectionMetadata) -> bool {
        let used_at = Instant::now().checked_sub(usage.idle_for);
        usage.idle_for >= FRESH
            || self
                .lost_at
                .lock()
                .is_some_and(|lost| used_at <= Some(lost))
    }

    /// From now on no connection is trusted that was used last before now.
    fn suspect(&self) {
        *self.lost_at.lock() = Some(Instant::now());
    }

    /// How long the server, if it is there, can take at most: to give a connection and to answer.
    fn longest(&self) -> Duration {
        self.patience * 2 + LONGEST_PING
    }
}

/// An error where the connection does not say within this time that it lives.
async fn lives(
    connection: &mut <Postgres as sqlx::Database>::Connection,
    patience: Duration,
) -> Result<(), sqlx::Error> {
    let answered = timeout(patience, connection.ping()).await;
    answered.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()))
}

/// The error of one to whom the database does not answer at all.
fn silence() -> DbErr {
    let silence = io::Error::from(io::ErrorKind::TimedOut);
    DbErr::Conn(RuntimeErr::SqlxError(Arc::new(silence.into())))
}

/// Whether the database cannot be reached, or has no connection to give: what failed may go well
/// later, and was not done.
pub(super) fn is_lost(error: &DbErr) -> bool {
    if let DbErr::ConnectionAcquire(ConnAcquireErr::Timeout | ConnAcquireErr::ConnectionClosed) =
        error
    {
        return true;
    }
    match cause(error) {
        Some(sqlx::Error::Database(said)) => said.code().is_some_and(|code| {
            // Connection exceptions, a server that goes down, starts, is full, or only reads.
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

/// Whether what failed, of which nothing was committed, is worth another attempt at once: its
/// connection broke, or another transaction stood in its way.
pub(super) fn is_transient(error: &DbErr) -> bool {
    match cause(error) {
        Some(sqlx::Error::Io(error)) if error.kind() == io::ErrorKind::TimedOut => false,
        Some(sqlx::Error::Database(said)) => said
            .code()
            .is_some_and(|code| matches!(&*code, "40001" | "40P01" | "57P01" | "57P02" | "25P03")),
        Some(error) => is_broken(error),
        None => false,
    }
}

/// Whether a commit that failed so may have been done all the same: the server has not said that it
/// was not.
pub(super) fn is_unknown(error: &DbErr) -> bool {
    match cause(error) {
        Some(sqlx::Error::Database(said)) => said.code().is_none_or(|code| {
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

fn cause(error: &DbErr) -> Option<&sqlx::Error> {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(cause))
        | DbErr::Exec(RuntimeErr::SqlxError(cause))
        | DbErr::Query(RuntimeErr::SqlxError(cause)) => Some(cause),
        _ => None,
    }
}
