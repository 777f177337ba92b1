//! The way to a database that is a server of its own: it may be lost at any moment, with a word or
//! in silence, and it comes back.
//!
//! A connection may be dead long before anybody writes into it. One that nobody has used for a while
//! is asked first whether it lives. Where one that was in use breaks or falls silent, the pool is
//! given up with all that are in it, and another takes its place. Whoever waits for the database has
//! a deadline here too: the server's own says nothing where the network is gone.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use sea_orm::{
    ConnAcquireErr, DatabaseConnection, DbErr, RuntimeErr,
    sqlx::{self, Connection as _, Postgres, postgres::PgPoolOptions},
};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use crate::error::Error;

/// A connection that was used less long ago is taken to live.
const FRESH: Duration = Duration::from_secs(1);
/// How long a connection may take at most to say that it lives.
const LONGEST_PING: Duration = Duration::from_secs(1);

/// Connections that are given up together.
#[derive(Clone, Debug)]
pub(super) struct Pools {
    /// What is written goes through these.
    pub writing: DatabaseConnection,
    /// What is read comes through these, which write nothing.
    pub reading: DatabaseConnection,
}

/// What is known of the way to the database. Cloning it gives the same.
#[derive(Clone)]
pub(super) struct Link {
    /// How long a connection is waited for, and how long the server lets a statement take.
    patience: Duration,
    /// Makes pools, which connect when they are used.
    make: Arc<dyn Fn() -> Pools + Send + Sync>,
    state: Arc<Mutex<State>>,
    /// Where pools that were given up are closed.
    tasks: TaskTracker,
}

struct State {
    pools: Arc<Pools>,
    /// When the database answered last.
    answered_at: Option<Instant>,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").finish_non_exhaustive()
    }
}

impl Link {
    pub(super) fn new(
        patience: Duration,
        make: impl Fn() -> Pools + Send + Sync + 'static,
        tasks: TaskTracker,
    ) -> Self {
        let pools = Arc::new(make());
        Self {
            patience,
            make: Arc::new(make),
            state: Arc::new(Mutex::new(State {
                pools,
                answered_at: None,
            })),
            tasks,
        }
    }

    /// The connections of this moment.
    pub(super) fn pools(&self) -> Arc<Pools> {
        Arc::clone(&self.state.lock().pools)
    }

    /// Reads; once more, where it turns out that the connection was dead.
    pub(super) async fn read<T, Reading>(
        &self,
        attempt: impl Fn(DatabaseConnection) -> Reading,
    ) -> Result<T, Error>
    where
        Reading: Future<Output = Result<T, Error>>,
    {
        let begun = Instant::now();
        let attempt = async || {
            let pools = self.pools();
            self.in_time(&pools, attempt(pools.reading.clone())).await
        };
        match attempt().await {
            Err(Error::Unavailable(_)) if begun.elapsed() < self.patience / 2 => attempt().await,
            done => done,
        }
    }

    /// Waits for the database, but not for ever; gives these pools up where it was lost.
    pub(super) async fn in_time<T, E: Failed>(
        &self,
        pools: &Arc<Pools>,
        done: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let begun = Instant::now();
        let done = timeout(self.longest(), done).await;
        let done = done.unwrap_or_else(|_| Err(silence().into()));
        match done.as_ref().err().and_then(E::database) {
            None => self.state.lock().answered_at = Some(Instant::now()),
            Some(error) if is_dead(error) => self.give_up(pools),
            // Where nobody has been answered meanwhile, all connections may hang.
            Some(error) if is_lost(error) => {
                let answered_at = self.state.lock().answered_at;
                if answered_at.is_none_or(|answered| answered < begun) {
                    self.give_up(pools);
                }
            }
            Some(_) => self.state.lock().answered_at = Some(Instant::now()),
        }
        done
    }

    /// Closes all connections, as far as they still hear of it.
    pub(super) async fn close(&self) {
        close(self.pools(), self.longest()).await;
    }

    /// Has another pool take the place of this one, unless one has already.
    fn give_up(&self, pools: &Arc<Pools>) {
        let mut state = self.state.lock();
        // The server is going down: no pool is needed any more.
        if !Arc::ptr_eq(&state.pools, pools) || self.tasks.is_closed() {
            return;
        }
        state.pools = Arc::new((self.make)());
        drop(state);
        self.tasks.spawn(close(Arc::clone(pools), self.longest()));
    }

    /// How long the server, if it is there, can take at most: to give a connection and to answer.
    fn longest(&self) -> Duration {
        self.patience * 2 + LONGEST_PING
    }
}

/// An error that may be the database's.
pub(super) trait Failed: From<DbErr> {
    /// What the database said, if it is.
    fn database(&self) -> Option<&DbErr>;
}

impl Failed for DbErr {
    fn database(&self) -> Option<&DbErr> {
        Some(self)
    }
}

impl Failed for Error {
    fn database(&self) -> Option<&DbErr> {
        match self {
            Self::Internal(cause) | Self::Unavailable(cause) => cause.downcast_ref(),
            _ => None,
        }
    }
}

/// Closes pools. Those who wait for one of their connections are told at once; connections that hear
/// nothing are left to the system after a while.
async fn close(pools: Arc<Pools>, patience: Duration) {
    let both =
        futures_util::future::join(pools.reading.close_by_ref(), pools.writing.close_by_ref());
    match timeout(patience, both).await {
        Ok((Ok(()), Ok(()))) => {}
        _ => tracing::debug!("connections to the database did not close cleanly"),
    }
}

/// Has the connections of this pool asked whether they live, when nobody has used them for a while.
pub(super) fn tested(pool: PgPoolOptions, patience: Duration) -> PgPoolOptions {
    // Far less than a connection is waited for: who finds one dead is to be given another.
    let ping = LONGEST_PING.min(patience / 4);
    pool.test_before_acquire(false)
        .before_acquire(move |connection, usage| {
            Box::pin(async move {
                if usage.idle_for >= FRESH {
                    lives(connection, ping).await?;
                }
                Ok(true)
            })
        })
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

/// Whether the connection is of no use any more, and those beside it may not be either.
fn is_dead(error: &DbErr) -> bool {
    match cause(error) {
        Some(sqlx::Error::Database(said)) => said.code().is_some_and(|code| {
            code.starts_with("08") || matches!(&*code, "57P01" | "57P02" | "57P05" | "25006")
        }),
        Some(error) => is_broken(error),
        None => false,
    }
}

/// Whether what failed, of which nothing was committed, is worth another attempt at once: its
/// connection broke, or another transaction stood in its way.
pub(super) fn is_transient(error: &DbErr) -> bool {
    // The pool was given up while this waited for one of its connections.
    if let DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed) = error {
        return true;
    }
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
