//! Group commit: waiting writes share a transaction, and are answered after its commit.
//!
//! Each commit is synced to the disk, and the sync is most of what a write costs. A worker takes all
//! jobs that wait at this moment, runs them in one transaction, commits, and answers their callers.
//! It never waits for more: a lone write commits at once, and jobs that arrive meanwhile are the next
//! batch.
//!
//! A refused job changes nothing and does not affect the others of its batch: inserts are validated
//! before they write, and each task has a savepoint.
//!
//! SQLite has one writer at a time, so it has one worker. PostgreSQL has several, each with a
//! connection of its own. There only inserts share a commit, because they take their locks in a fixed
//! order. A task that ran after another one, in a transaction that already holds locks, could
//! deadlock.

mod job;
mod worker;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::future::BoxFuture;
use sea_orm::{DatabaseTransaction, DbErr, sqlx};
use tokio::{
    sync::{Mutex, mpsc, oneshot},
    time::{Instant, timeout_at},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{
    job::{Job, Reply},
    worker::Worker,
};
use super::{db_error, pool::Connections};
use crate::{error::Error, store::metrics::StoreMetrics};

/// Maximum number of queued jobs. At the bound, callers wait for a free slot.
const QUEUE_CAPACITY: usize = 256;

/// A write whose waiting instances share their statements, and not only their commit.
pub(super) trait BatchInsert: Clone + Send + Sync + 'static {
    /// The result of one insert.
    type Inserted: Send;

    /// Inserts `batch` in order, and returns one result for each, in the same order.
    ///
    /// A refused insert changes nothing. After an `Err` the transaction is rolled back. Batches take
    /// their locks in one fixed order, so two of them never deadlock.
    fn insert_batch(
        transaction: &DatabaseTransaction,
        batch: Vec<Self>,
    ) -> impl Future<Output = Result<Vec<Result<Self::Inserted, Error>>, DbErr>> + Send;
}

/// The sending half of the queue of jobs. Clones share the queue.
#[derive(Clone, Debug)]
pub(super) struct Writer<I: BatchInsert> {
    queue: mpsc::Sender<Job<I>>,
    /// The longest time that a job waits before it begins.
    timeout: Duration,
    commits: Arc<AtomicU64>,
    is_obstructed: Arc<AtomicBool>,
    closing: CancellationToken,
}

impl<I: BatchInsert> Writer<I> {
    /// Spawns `workers` tasks that run jobs until the writer is closed or dropped.
    pub(super) fn start(
        connections: &Connections,
        workers: u32,
        timeout: Duration,
        metrics: StoreMetrics,
        tasks: &TaskTracker,
    ) -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE_CAPACITY);
        let writer = Self {
            queue: sender,
            timeout,
            commits: Arc::default(),
            is_obstructed: Arc::default(),
            closing: CancellationToken::new(),
        };
        let queue = Arc::new(Mutex::new(receiver));
        for _ in 0..workers {
            let worker = Worker {
                connections: connections.clone(),
                queue: Arc::clone(&queue),
                commits: Arc::clone(&writer.commits),
                is_obstructed: Arc::clone(&writer.is_obstructed),
                closing: writer.closing.clone(),
                metrics: metrics.clone(),
            };
            tasks.spawn(worker.run());
        }
        writer
    }

    /// Stops accepting jobs. The workers finish the accepted ones and end.
    pub(super) fn close(&self) {
        self.closing.cancel();
    }

    /// Returns the number of queued jobs.
    pub(super) fn queued(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity()
    }

    /// Returns the number of commits. A commit counts before its jobs are answered.
    pub(super) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Acquire)
    }

    /// Returns true if the last transaction failed because the database is locked or full.
    pub(super) fn is_obstructed(&self) -> bool {
        self.is_obstructed.load(Ordering::Acquire)
    }

    /// Inserts `new` in a batch with other waiting inserts. Guarantees what [`Self::write`] does.
    pub(super) async fn insert(&self, new: I) -> Result<I::Inserted, Error> {
        self.submit(|reply| Job::Insert(new, reply)).await
    }

    /// Runs `work` in a transaction. `Ok` means committed; any error but `OutcomeUnknown` means rolled
    /// back. `work` may run several times, and only its last run takes effect.
    ///
    /// A job that does not begin before the timeout fails and never runs. A job that has begun is
    /// awaited, because the database limits its duration.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        work: impl for<'a> Fn(&'a DatabaseTransaction) -> BoxFuture<'a, Result<T, Error>>
        + Send
        + 'static,
    ) -> Result<T, Error> {
        self.submit(|reply| Job::task(work, reply)).await
    }

    async fn submit<T>(&self, job: impl FnOnce(Reply<T>) -> Job<I>) -> Result<T, Error> {
        let deadline = Instant::now() + self.timeout;
        let slot = match timeout_at(deadline, self.queue.reserve()).await {
            Ok(Ok(slot)) => slot,
            Ok(Err(_closed)) => return Err(unavailable(sqlx::Error::PoolClosed)),
            Err(_elapsed) => return Err(unavailable(sqlx::Error::PoolTimedOut)),
        };
        let (sender, mut receiver) = oneshot::channel();
        let (reply, claim) = Reply::new(sender);
        slot.send(job(reply));
        let result = match timeout_at(deadline, &mut receiver).await {
            Ok(result) => result,
            Err(_elapsed) if claim.take() => return Err(unavailable(sqlx::Error::PoolTimedOut)),
            Err(_elapsed) => receiver.await,
        };
        result.unwrap_or_else(|_| Err(Error::Internal("the writer has stopped".into())))
    }
}

/// Returns the error that a read has when its pool fails with `cause`.
fn unavailable(cause: sqlx::Error) -> Error {
    db_error::connection_error(cause).into()
}
