//! A task that runs jobs in transactions, on one connection at a time.

use std::{
    mem,
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use futures_util::FutureExt;
use sea_orm::{DatabaseConnection, DatabaseTransaction, DbErr, TransactionTrait};
use tokio::{
    sync::{Mutex, mpsc},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{BatchInsert, job::Job};
use crate::store::{
    db_error, error::CommitError, metrics::StoreMetrics, pool::Connections, sqlite,
};

/// Maximum number of jobs that share a commit. It bounds how long a job waits for the others.
const MAX_BATCH: usize = 64;
/// Maximum number of attempts at a transaction that was rolled back because its connection broke or
/// it conflicted with another transaction.
const MAX_ATTEMPTS: u32 = 4;

pub(super) struct Worker<I: BatchInsert> {
    pub(super) connections: Connections,
    /// The queue that all workers take from.
    pub(super) queue: Arc<Mutex<mpsc::Receiver<Job<I>>>>,
    pub(super) commits: Arc<AtomicU64>,
    /// The last transaction failed because the database is locked or full.
    pub(super) is_obstructed: Arc<AtomicBool>,
    pub(super) closing: CancellationToken,
    pub(super) metrics: StoreMetrics,
}

impl<I: BatchInsert> Worker<I> {
    /// Runs jobs until the queue is closed and empty.
    pub(super) async fn run(self) {
        let mut batch = Vec::new();
        while self.receive(&mut batch).await {
            if let Connections::Sqlite(_) = self.connections {
                batch.retain(Job::begin);
                self.execute(mem::take(&mut batch)).await;
                continue;
            }
            let inserts = batch.extract_if(.., |job| matches!(job, Job::Insert(..)));
            self.execute(inserts.filter(Job::begin).collect()).await;
            // Each task is claimed only when it begins, because it may time out during the one before.
            for task in batch.drain(..).filter(Job::begin) {
                self.execute(vec![task]).await;
            }
        }
    }

    /// Moves all queued jobs into `batch`, at most [`MAX_BATCH`], and waits if there are none. Returns
    /// false if the queue is closed and empty.
    async fn receive(&self, batch: &mut Vec<Job<I>>) -> bool {
        let mut queue = self.queue.lock().await;
        loop {
            tokio::select! {
                biased;
                () = self.closing.cancelled(), if !queue.is_closed() => queue.close(),
                received = queue.recv_many(batch, MAX_BATCH) => return received > 0,
            }
        }
    }

    /// Runs `jobs` in one transaction, with retries, and answers their callers.
    async fn execute(&self, mut jobs: Vec<Job<I>>) {
        if jobs.is_empty() {
            return;
        }
        let (started, writes) = (Instant::now(), u32::try_from(jobs.len()));
        let mut attempt = 1;
        let outcome = loop {
            // A panic must not stop the worker.
            let result = AssertUnwindSafe(self.commit(&mut jobs)).catch_unwind();
            let panicked = || DbErr::Custom("a transaction panicked".to_owned());
            match result.await {
                Err(_panic) => break Err(CommitError::RolledBack(panicked())),
                Ok(Err(CommitError::RolledBack(error)))
                    if matches!(self.connections, Connections::Postgres(_))
                        && attempt < MAX_ATTEMPTS
                        && db_error::is_transient(&error) =>
                {
                    tracing::debug!(?error, attempt, "retrying a transaction");
                    attempt += 1;
                }
                Ok(outcome) => break outcome,
            }
        };
        match &outcome {
            Ok(()) => {
                self.metrics.transaction.record(started.elapsed());
                self.is_obstructed.store(false, Ordering::Release);
            }
            Err(error) => {
                self.metrics.failed.increment(1);
                if db_error::is_obstructed(error.cause()) {
                    self.is_obstructed.store(true, Ordering::Release);
                }
            }
        }
        self.metrics.batch.record(writes.unwrap_or(u32::MAX));
        for job in jobs {
            job.answer(&outcome);
        }
    }

    /// Runs `jobs` in one transaction and commits it.
    async fn commit(&self, jobs: &mut [Job<I>]) -> Result<(), CommitError> {
        let pools = self.connections.pools();
        let running = run_in_transaction(&pools.write, jobs);
        match &self.connections {
            // SQLite has timeouts of its own, and a failed commit is always rolled back.
            Connections::Sqlite(_) => {
                let transaction = running.await.map_err(CommitError::RolledBack)?;
                transaction
                    .commit()
                    .await
                    .map_err(CommitError::RolledBack)?;
            }
            Connections::Postgres(supervisor) => {
                let transaction = supervisor.supervise(&pools, running).await;
                let transaction = transaction.map_err(CommitError::RolledBack)?;
                let committed = supervisor.supervise(&pools, transaction.commit()).await;
                committed.map_err(|error| {
                    if db_error::is_outcome_unknown(&error) {
                        CommitError::OutcomeUnknown(error)
                    } else {
                        CommitError::RolledBack(error)
                    }
                })?;
            }
        }
        self.commits.fetch_add(1, Ordering::Release);
        Ok(())
    }
}

/// Runs `jobs` and returns their transaction, ready to commit. After an error it is rolled back.
async fn run_in_transaction<I: BatchInsert>(
    connection: &DatabaseConnection,
    jobs: &mut [Job<I>],
) -> Result<DatabaseTransaction, DbErr> {
    let transaction = connection.begin_with_options(sqlite::immediate()).await?;
    let (mut inserts, mut replies) = (Vec::new(), Vec::new());
    for job in jobs {
        match job {
            Job::Insert(new, reply) => {
                inserts.push(new.clone());
                replies.push(reply);
            }
            Job::Task(task) => {
                // If a savepoint fails, for example on a full disk, the transaction may be gone. Later
                // statements would run outside of it.
                let savepoint = transaction.begin().await?;
                if task.run(&savepoint).await? {
                    savepoint.commit().await?;
                } else {
                    savepoint.rollback().await?;
                }
            }
        }
    }
    if !inserts.is_empty() {
        let results = I::insert_batch(&transaction, inserts).await?;
        for (reply, result) in replies.into_iter().zip(results) {
            reply.result = Some(result);
        }
    }
    Ok(transaction)
}
