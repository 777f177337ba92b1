//! A queued write, and the reply to its caller.

use std::{
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use futures_util::{FutureExt, future::BoxFuture};
use sea_orm::{DatabaseTransaction, DbErr};
use tokio::sync::oneshot;

use super::BatchInsert;
use crate::{
    error::Error,
    store::{
        db_error::{self, AsDbErr},
        error::CommitError,
    },
};

/// A queued write.
pub(super) enum Job<I: BatchInsert> {
    /// An insert, which runs in a batch with others.
    Insert(I, Reply<I::Inserted>),
    /// Any other write, which runs in a savepoint.
    Task(Box<dyn Task>),
}

impl<I: BatchInsert> Job<I> {
    /// Returns a job that runs `work`, and again if its transaction is retried.
    pub(super) fn task<T: Send + 'static>(
        work: impl for<'a> Fn(&'a DatabaseTransaction) -> BoxFuture<'a, Result<T, Error>>
        + Send
        + 'static,
        reply: Reply<T>,
    ) -> Self {
        let work = Box::new(work);
        Self::Task(Box::new(Work { work, reply }))
    }

    /// Claims the job for a worker. Returns false if its caller has timed out.
    pub(super) fn begin(&self) -> bool {
        match self {
            Self::Insert(_, reply) => reply.claim.take(),
            Self::Task(task) => task.begin(),
        }
    }

    /// Sends the job's result to its caller, as the outcome of its transaction allows.
    pub(super) fn answer(self, outcome: &Result<(), CommitError>) {
        match self {
            Self::Insert(_, reply) => reply.answer(outcome),
            Self::Task(task) => task.answer(outcome),
        }
    }
}

/// A write of any result type.
pub(super) trait Task: Send {
    /// Claims the task, as [`Job::begin`] does.
    fn begin(&self) -> bool;

    /// Runs the task in `savepoint`. Returns true to keep its changes, false to roll them back, and an
    /// error if the whole transaction has failed: it may be retried, or SQLite has rolled it back.
    fn run<'a>(
        &'a mut self,
        savepoint: &'a DatabaseTransaction,
    ) -> BoxFuture<'a, Result<bool, DbErr>>;

    /// Answers the caller, as [`Job::answer`] does.
    fn answer(self: Box<Self>, outcome: &Result<(), CommitError>);
}

/// A repeatable closure that writes.
type WorkFn<T> =
    Box<dyn for<'a> Fn(&'a DatabaseTransaction) -> BoxFuture<'a, Result<T, Error>> + Send>;

struct Work<T> {
    work: WorkFn<T>,
    reply: Reply<T>,
}

impl<T: Send> Task for Work<T> {
    fn begin(&self) -> bool {
        self.reply.claim.take()
    }

    fn run<'a>(
        &'a mut self,
        savepoint: &'a DatabaseTransaction,
    ) -> BoxFuture<'a, Result<bool, DbErr>> {
        let work = (self.work)(savepoint);
        let reply = &mut self.reply;
        Box::pin(async move {
            // A panic must not fail the other jobs of the batch, nor stop the worker.
            let result = AssertUnwindSafe(work).catch_unwind().await;
            let result = result.unwrap_or_else(|_| Err(Error::Internal("a job panicked".into())));
            let failed = result
                .as_ref()
                .err()
                .and_then(Error::as_db_err)
                .filter(|error| db_error::is_transient(error) || db_error::is_obstructed(error))
                .cloned();
            let has_succeeded = result.is_ok();
            reply.result = Some(result);
            failed.map_or(Ok(has_succeeded), Err)
        })
    }

    fn answer(self: Box<Self>, outcome: &Result<(), CommitError>) {
        self.reply.answer(outcome);
    }
}

/// The right to decide over a job. The worker takes it to begin the job, and the caller to abandon it.
#[derive(Clone, Default)]
pub(super) struct Claim(Arc<AtomicBool>);

impl Claim {
    /// Takes the claim. Returns false if it was already taken.
    pub(super) fn take(&self) -> bool {
        !self.0.swap(true, Ordering::AcqRel)
    }
}

/// The handle that answers a job's caller.
pub(super) struct Reply<T> {
    claim: Claim,
    /// The job's result, valid if its transaction commits.
    pub(super) result: Option<Result<T, Error>>,
    sender: oneshot::Sender<Result<T, Error>>,
}

impl<T> Reply<T> {
    /// Returns a handle that answers through `sender`, and the claim on its job.
    pub(super) fn new(sender: oneshot::Sender<Result<T, Error>>) -> (Self, Claim) {
        let claim = Claim::default();
        let reply = Self {
            claim: claim.clone(),
            result: None,
            sender,
        };
        (reply, claim)
    }

    fn answer(self, outcome: &Result<(), CommitError>) {
        let answer = match (outcome, self.result) {
            (Ok(()), Some(result)) => result,
            (Ok(()), None) => Err(Error::Internal("a job has no result".into())),
            // A refused job has changed nothing, whatever became of the transaction.
            (Err(CommitError::OutcomeUnknown(_)), Some(Err(refusal))) => Err(refusal),
            (Err(CommitError::OutcomeUnknown(error)), _) => {
                Err(Error::OutcomeUnknown(Box::new(error.clone())))
            }
            // If this job broke the transaction, its own error explains more.
            (Err(CommitError::RolledBack(_)), Some(Err(cause @ Error::Internal(_)))) => Err(cause),
            // The result may rest on another job's changes, which were rolled back.
            (Err(CommitError::RolledBack(error)), _) => Err(error.clone().into()),
        };
        // The caller may have gone.
        let _ = self.sender.send(answer);
    }
}
