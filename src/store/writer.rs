//! Writing: what waits is done in one transaction, and answered when that is committed.
//!
//! Where each commit is synced to the disk, the sync is most of what a write costs. Many writers
//! share one: the writer takes all that waits at this moment, does it in one transaction, commits,
//! and answers everybody. It waits for nobody: one who writes alone is committed at once, and those
//! who come meanwhile are the next batch.
//!
//! What is refused leaves nothing behind, and does not touch the others: additions are looked at
//! before anything is changed for them, and any other job of a batch has a savepoint of its own.

use std::{
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::{FutureExt, future::BoxFuture};
use sea_orm::{DatabaseConnection, DatabaseTransaction, DbErr, RuntimeErr, TransactionTrait, sqlx};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout_at},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    additions::{self, NewComment},
    connect,
};
use crate::{error::Error, metrics::StoreMetrics, model::Change};

/// How many jobs wait before those who bring more wait for a place among them.
const MAX_WAITING: usize = 256;
/// How many jobs share a commit. It bounds how long the last of them waits for the first.
const MAX_BATCH: usize = 64;

/// What is to be done in a transaction.
type Work<T> =
    Box<dyn for<'a> FnOnce(&'a DatabaseTransaction) -> BoxFuture<'a, Result<T, Error>> + Send>;

/// Where jobs are brought to. Cloning it gives the same.
#[derive(Clone, Debug)]
pub(super) struct Writer {
    jobs: mpsc::Sender<Job>,
    /// How long a job waits before it is begun.
    patience: Duration,
    commits: Arc<AtomicU64>,
    closing: CancellationToken,
}

impl Writer {
    /// Starts a task that writes through this connection. It ends when the writer is closed, or
    /// nobody is left who could bring a job.
    pub(super) fn start(
        connection: DatabaseConnection,
        patience: Duration,
        metrics: StoreMetrics,
        tasks: &TaskTracker,
    ) -> Self {
        let (jobs, waiting) = mpsc::channel(MAX_WAITING);
        let writer = Self {
            jobs,
            patience,
            commits: Arc::default(),
            closing: CancellationToken::new(),
        };
        let desk = Desk {
            connection,
            waiting,
            commits: Arc::clone(&writer.commits),
            closing: writer.closing.clone(),
            metrics,
        };
        tasks.spawn(desk.run());
        writer
    }

    /// Takes no more jobs. Those that were accepted are done; the task that was started ends then.
    pub(super) fn end(&self) {
        self.closing.cancel();
    }

    /// How many jobs wait to be begun.
    pub(super) fn waiting(&self) -> usize {
        self.jobs.max_capacity() - self.jobs.capacity()
    }

    /// How many transactions were committed so far, those at least whose jobs were answered.
    pub(super) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Acquire)
    }

    /// Adds a comment, as [`Self::write`] does work.
    pub(super) async fn add(&self, new: NewComment) -> Result<Change, Error> {
        self.bring(|ticket| Job::Add(Some(new), ticket)).await
    }

    /// Has `work` done in a transaction. A result of it was committed; of what failed, nothing was.
    ///
    /// A job that is not begun within the patience is given up, and not done any more. One that was
    /// begun is waited for: how long it may take is the database's own patience.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        work: impl for<'a> FnOnce(&'a DatabaseTransaction) -> BoxFuture<'a, Result<T, Error>>
        + Send
        + 'static,
    ) -> Result<T, Error> {
        let work: Work<T> = Box::new(work);
        self.bring(|ticket| Job::Other(Box::new((Some(work), ticket))))
            .await
    }

    async fn bring<T>(&self, job: impl FnOnce(Ticket<T>) -> Job) -> Result<T, Error> {
        let deadline = Instant::now() + self.patience;
        let place = match timeout_at(deadline, self.jobs.reserve()).await {
            Ok(Ok(place)) => place,
            Ok(Err(_closed)) => return Err(refusal(sqlx::Error::PoolClosed)),
            Err(_elapsed) => return Err(refusal(sqlx::Error::PoolTimedOut)),
        };
        let turn = Turn::default();
        let (answer, mut answered) = oneshot::channel();
        place.send(job(Ticket {
            turn: turn.clone(),
            done: None,
            answer,
        }));
        let answer = match timeout_at(deadline, &mut answered).await {
            Ok(answer) => answer,
            Err(_elapsed) if turn.give_up() => return Err(refusal(sqlx::Error::PoolTimedOut)),
            Err(_elapsed) => answered.await,
        };
        answer.unwrap_or_else(|_| Err(Error::Internal("the writer has ended".into())))
    }
}

/// The error of one who waits in vain for a connection, as readers have it.
fn refusal(why: sqlx::Error) -> Error {
    DbErr::Conn(RuntimeErr::SqlxError(Arc::new(why))).into()
}

/// Whether a job was begun or given up: one of the two, once.
#[derive(Clone, Default)]
struct Turn(Arc<AtomicU8>);

impl Turn {
    const WAITING: u8 = 0;
    const BEGUN: u8 = 1;
    const GIVEN_UP: u8 = 2;

    fn begin(&self) -> bool {
        self.turn_to(Self::BEGUN)
    }

    fn give_up(&self) -> bool {
        self.turn_to(Self::GIVEN_UP)
    }

    fn turn_to(&self, state: u8) -> bool {
        let (success, failure) = (Ordering::AcqRel, Ordering::Acquire);
        let turned = self
            .0
            .compare_exchange(Self::WAITING, state, success, failure);
        turned.is_ok()
    }
}

/// What somebody who brought a job waits with.
struct Ticket<T> {
    turn: Turn,
    /// What became of the job, if the batch is committed.
    done: Option<Result<T, Error>>,
    answer: oneshot::Sender<Result<T, Error>>,
}

impl<T> Ticket<T> {
    /// Answers; nobody may wait for it any more.
    fn answer(self, committed: &Result<(), DbErr>) {
        let answer = match (committed, self.done) {
            (Ok(()), Some(done)) => done,
            (Ok(()), None) => Err(Error::Internal("a job was left undone".into())),
            // What broke the transaction, if this did, is the better account of it.
            (Err(_), Some(Err(cause @ Error::Internal(_)))) => Err(cause),
            // What the job found may have been another's doing, which is undone.
            (Err(error), _) => Err(error.clone().into()),
        };
        let _ = self.answer.send(answer);
    }
}

/// What is to be done.
enum Job {
    /// A comment to be added.
    Add(Option<NewComment>, Ticket<Change>),
    /// Anything else.
    Other(Box<dyn Other>),
}

impl Job {
    /// Whether the job is to be done: nobody has given it up.
    fn begin(&self) -> bool {
        match self {
            Self::Add(_, ticket) => ticket.turn.begin(),
            Self::Other(job) => job.begin(),
        }
    }

    fn answer(self, committed: &Result<(), DbErr>) {
        match self {
            Self::Add(_, ticket) => ticket.answer(committed),
            Self::Other(job) => job.answer(committed),
        }
    }
}

/// Work of any result.
trait Other: Send {
    fn begin(&self) -> bool;
    /// Does the work, once. Whether it succeeded, and is to be kept.
    fn work<'a>(&'a mut self, transaction: &'a DatabaseTransaction) -> BoxFuture<'a, bool>;
    fn answer(self: Box<Self>, committed: &Result<(), DbErr>);
}

impl<T: Send> Other for (Option<Work<T>>, Ticket<T>) {
    fn begin(&self) -> bool {
        self.1.turn.begin()
    }

    fn work<'a>(&'a mut self, transaction: &'a DatabaseTransaction) -> BoxFuture<'a, bool> {
        let (work, ticket) = self;
        let work = work.take();
        Box::pin(async move {
            let Some(work) = work else {
                return false;
            };
            // A job that panics must not take the others with it, nor those that come after.
            let done = AssertUnwindSafe(work(transaction)).catch_unwind().await;
            let done = done.unwrap_or_else(|_| Err(Error::Internal("a job panicked".into())));
            let has_succeeded = done.is_ok();
            ticket.done = Some(done);
            has_succeeded
        })
    }

    fn answer(self: Box<Self>, committed: &Result<(), DbErr>) {
        self.1.answer(committed);
    }
}

/// Where the jobs are done, by the one who owns the connection.
struct Desk {
    connection: DatabaseConnection,
    waiting: mpsc::Receiver<Job>,
    commits: Arc<AtomicU64>,
    closing: CancellationToken,
    metrics: StoreMetrics,
}

impl Desk {
    async fn run(mut self) {
        let mut batch = Vec::with_capacity(MAX_BATCH);
        loop {
            let taken = tokio::select! {
                biased;
                () = self.closing.cancelled(), if !self.waiting.is_closed() => {
                    self.waiting.close();
                    continue;
                }
                taken = self.waiting.recv_many(&mut batch, MAX_BATCH) => taken,
            };
            if taken == 0 {
                break;
            }
            batch.retain(Job::begin);
            if batch.is_empty() {
                continue;
            }
            let (begun, writes) = (Instant::now(), u32::try_from(batch.len()));
            // One that panics must not take with it those who come after.
            let committed = AssertUnwindSafe(self.commit(&mut batch)).catch_unwind();
            let committed = committed
                .await
                .unwrap_or_else(|_| Err(DbErr::Custom("a transaction panicked".to_owned())));
            match &committed {
                Ok(()) => self.metrics.transaction.record(begun.elapsed()),
                Err(_) => self.metrics.failed.increment(1),
            }
            self.metrics.batch.record(writes.unwrap_or(u32::MAX));
            batch.drain(..).for_each(|job| job.answer(&committed));
        }
    }

    /// Does the jobs in one transaction. After an error nothing of any of them is kept.
    async fn commit(&self, batch: &mut [Job]) -> Result<(), DbErr> {
        let immediate = connect::immediate();
        let transaction = self.connection.begin_with_options(immediate).await?;
        let (mut additions, mut tickets) = (Vec::new(), Vec::new());
        for job in batch {
            match job {
                Job::Add(new, ticket) => {
                    additions.extend(new.take());
                    tickets.push(ticket);
                }
                Job::Other(job) => {
                    // Where a savepoint cannot be made, kept or undone, the transaction is gone, as
                    // it may be on a full disk. What would come behind would not be in it.
                    let savepoint = transaction.begin().await?;
                    if job.work(&savepoint).await {
                        savepoint.commit().await?;
                    } else {
                        savepoint.rollback().await?;
                    }
                }
            }
        }
        if !additions.is_empty() {
            let added = additions::add(&transaction, additions).await?;
            for (ticket, done) in tickets.into_iter().zip(added) {
                ticket.done = Some(done);
            }
        }
        transaction.commit().await?;
        self.commits.fetch_add(1, Ordering::Release);
        Ok(())
    }
}
