//! Writing: what waits is done in one transaction, and answered when that is committed.
//!
//! Where each commit is synced to the disk, the sync is most of what a write costs. Many writers
//! share one: the writer takes all that waits at this moment, does it in one transaction, commits,
//! and answers everybody. It waits for nobody: one who writes alone is committed at once, and those
//! who come meanwhile are the next batch.
//!
//! What is refused leaves nothing behind, and does not touch the others: additions are looked at
//! before anything is changed for them, and any other job of a batch has a savepoint of its own.
//!
//! SQLite has one writer at a time, so one desk does all. PostgreSQL has several, each with a
//! connection of its own, and only additions share a commit there: they know the order in which to
//! take their locks, where any other job, behind a job that holds something already, might not.

use std::{
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::{FutureExt, future::BoxFuture};
use sea_orm::{DatabaseConnection, DatabaseTransaction, DbErr, TransactionTrait, sqlx};
use tokio::{
    sync::{Mutex, mpsc, oneshot},
    time::{Instant, timeout_at},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    additions::{self, NewComment},
    db_error::{self, AsDbErr},
    pool::Connections,
    sqlite,
};
use crate::{error::Error, metrics::StoreMetrics, model::Change};

/// How many jobs wait before those who bring more wait for a place among them.
const MAX_WAITING: usize = 256;
/// How many jobs share a commit. It bounds how long the last of them waits for the first.
const MAX_BATCH: usize = 64;

/// How often at most a transaction is begun of which nothing was committed: its connection broke, or
/// it and another waited for each other.
const ATTEMPTS: u32 = 4;

/// What is to be done in a transaction. It may be done again where that one was undone.
type Work<T> =
    Box<dyn for<'a> Fn(&'a DatabaseTransaction) -> BoxFuture<'a, Result<T, Error>> + Send>;

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
    /// Starts the tasks that write. They end when the writer is closed, or nobody is left who could
    /// bring a job.
    pub(super) fn start(
        connections: &Connections,
        desks: u32,
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
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..desks {
            let desk = Desk {
                connections: connections.clone(),
                waiting: Arc::clone(&waiting),
                commits: Arc::clone(&writer.commits),
                closing: writer.closing.clone(),
                metrics: metrics.clone(),
            };
            tasks.spawn(desk.run());
        }
        writer
    }

    /// Takes no more jobs. Those that were accepted are done; the task that was started ends then.
    pub(super) fn close(&self) {
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
        self.bring(|ticket| Job::Add(new, ticket)).await
    }

    /// Has `work` done in a transaction. A result of it was committed; of what failed, nothing was,
    /// but for `OutcomeUnknown`. It may be done more than once, of which one counts.
    ///
    /// A job that is not begun within the patience is given up, and not done any more. One that was
    /// begun is waited for: how long it may take is the database's own patience.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        work: impl for<'a> Fn(&'a DatabaseTransaction) -> BoxFuture<'a, Result<T, Error>>
        + Send
        + 'static,
    ) -> Result<T, Error> {
        let work: Work<T> = Box::new(work);
        self.bring(|ticket| Job::Other(Box::new((work, ticket))))
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
    db_error::connection_error(why).into()
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
    fn answer(self, committed: &Result<(), Failure>) {
        let answer = match (committed, self.done) {
            (Ok(()), Some(done)) => done,
            (Ok(()), None) => Err(Error::Internal("a job was left undone".into())),
            // What was refused would have been left out of what may be committed.
            (Err(Failure::Unknown(_)), Some(Err(refusal))) => Err(refusal),
            (Err(Failure::Unknown(error)), _) => {
                Err(Error::OutcomeUnknown(Box::new(error.clone())))
            }
            // What broke the transaction, if this did, is the better account of it.
            (Err(Failure::Undone(_)), Some(Err(cause @ Error::Internal(_)))) => Err(cause),
            // What the job found may have been another's doing, which is undone.
            (Err(Failure::Undone(error)), _) => Err(error.clone().into()),
        };
        let _ = self.answer.send(answer);
    }
}

/// Why a transaction is not known to be committed.
enum Failure {
    /// Nothing of it was.
    Undone(DbErr),
    /// The database was lost before it said whether it was.
    Unknown(DbErr),
}

/// What is to be done.
enum Job {
    /// A comment to be added.
    Add(NewComment, Ticket<Change>),
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

    fn answer(self, committed: &Result<(), Failure>) {
        match self {
            Self::Add(_, ticket) => ticket.answer(committed),
            Self::Other(job) => job.answer(committed),
        }
    }
}

/// Work of any result.
trait Other: Send {
    fn begin(&self) -> bool;
    /// Does the work. Whether it succeeded, and is to be kept; an error where the whole transaction
    /// is to be tried again.
    fn work<'a>(
        &'a mut self,
        transaction: &'a DatabaseTransaction,
    ) -> BoxFuture<'a, Result<bool, DbErr>>;
    fn answer(self: Box<Self>, committed: &Result<(), Failure>);
}

impl<T: Send> Other for (Work<T>, Ticket<T>) {
    fn begin(&self) -> bool {
        self.1.turn.begin()
    }

    fn work<'a>(
        &'a mut self,
        transaction: &'a DatabaseTransaction,
    ) -> BoxFuture<'a, Result<bool, DbErr>> {
        let (work, ticket) = self;
        let work = work(transaction);
        Box::pin(async move {
            // A job that panics must not take the others with it, nor those that come after.
            let done = AssertUnwindSafe(work).catch_unwind().await;
            let done = done.unwrap_or_else(|_| Err(Error::Internal("a job panicked".into())));
            let transient = done
                .as_ref()
                .err()
                .and_then(Error::as_db_err)
                .filter(|error| db_error::is_transient(error))
                .cloned();
            let has_succeeded = done.is_ok();
            ticket.done = Some(done);
            transient.map_or(Ok(has_succeeded), Err)
        })
    }

    fn answer(self: Box<Self>, committed: &Result<(), Failure>) {
        self.1.answer(committed);
    }
}

/// Where the jobs are done, each time by a connection that does nothing else meanwhile.
struct Desk {
    connections: Connections,
    /// What all desks take from.
    waiting: Arc<Mutex<mpsc::Receiver<Job>>>,
    commits: Arc<AtomicU64>,
    closing: CancellationToken,
    metrics: StoreMetrics,
}

impl Desk {
    async fn run(self) {
        let mut batch = Vec::new();
        while self.take(&mut batch).await {
            if let Connections::Sqlite(_) = self.connections {
                batch.retain(Job::begin);
                self.settle(std::mem::take(&mut batch)).await;
                continue;
            }
            let additions = batch.extract_if(.., |job| matches!(job, Job::Add(..)));
            self.settle(additions.filter(Job::begin).collect()).await;
            // Each has its own turn: while one waits for the database, the next may give up.
            for other in batch.drain(..).filter(Job::begin) {
                self.settle(vec![other]).await;
            }
        }
    }

    /// Takes what waits, and waits for it; false where nothing comes any more.
    async fn take(&self, batch: &mut Vec<Job>) -> bool {
        let mut waiting = self.waiting.lock().await;
        loop {
            tokio::select! {
                biased;
                () = self.closing.cancelled(), if !waiting.is_closed() => waiting.close(),
                taken = waiting.recv_many(batch, MAX_BATCH) => return taken > 0,
            }
        }
    }

    /// Does the jobs in one transaction, and answers them.
    async fn settle(&self, mut jobs: Vec<Job>) {
        if jobs.is_empty() {
            return;
        }
        let (begun, writes) = (Instant::now(), u32::try_from(jobs.len()));
        let mut attempt = 1;
        let committed = loop {
            // One that panics must not take with it those who come after.
            let committed = AssertUnwindSafe(self.commit(&mut jobs)).catch_unwind();
            let panicked = || DbErr::Custom("a transaction panicked".to_owned());
            match committed.await {
                Err(_panic) => break Err(Failure::Undone(panicked())),
                Ok(Err(Failure::Undone(error)))
                    if matches!(self.connections, Connections::Postgres(_))
                        && attempt < ATTEMPTS
                        && db_error::is_transient(&error) =>
                {
                    tracing::debug!(?error, attempt, "a transaction is begun anew");
                    attempt += 1;
                }
                Ok(committed) => break committed,
            }
        };
        match &committed {
            Ok(()) => self.metrics.transaction.record(begun.elapsed()),
            Err(_) => self.metrics.failed.increment(1),
        }
        self.metrics.batch.record(writes.unwrap_or(u32::MAX));
        jobs.into_iter().for_each(|job| job.answer(&committed));
    }

    /// Does the jobs in one transaction. After an error nothing of any of them is kept, or that is
    /// unknown.
    async fn commit(&self, jobs: &mut [Job]) -> Result<(), Failure> {
        let pools = self.connections.pools();
        let work = work(&pools.write, jobs);
        match &self.connections {
            // SQLite has patience of its own, and says what became of a commit.
            Connections::Sqlite(_) => {
                let transaction = work.await.map_err(Failure::Undone)?;
                transaction.commit().await.map_err(Failure::Undone)?;
            }
            Connections::Postgres(supervisor) => {
                let transaction = supervisor.supervise(&pools, work).await;
                let transaction = transaction.map_err(Failure::Undone)?;
                let committed = supervisor.supervise(&pools, transaction.commit()).await;
                committed.map_err(|error| {
                    if db_error::is_outcome_unknown(&error) {
                        Failure::Unknown(error)
                    } else {
                        Failure::Undone(error)
                    }
                })?;
            }
        }
        self.commits.fetch_add(1, Ordering::Release);
        Ok(())
    }
}

/// Does the jobs in a transaction that is to be committed, or after an error is no more.
async fn work(
    connection: &DatabaseConnection,
    jobs: &mut [Job],
) -> Result<DatabaseTransaction, DbErr> {
    let transaction = connection.begin_with_options(sqlite::immediate()).await?;
    let (mut additions, mut tickets) = (Vec::new(), Vec::new());
    for job in jobs {
        match job {
            Job::Add(new, ticket) => {
                additions.push(new.clone());
                tickets.push(ticket);
            }
            Job::Other(job) => {
                // Where a savepoint cannot be made, kept or undone, the transaction is gone, as
                // it may be on a full disk. What would come behind would not be in it.
                let savepoint = transaction.begin().await?;
                if job.work(&savepoint).await? {
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
    Ok(transaction)
}
