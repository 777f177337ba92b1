//! Batching of reads: what many fields of an execution ask for at once is one statement.
//!
//! Each key is in a file of its own, beside what it loads.

use std::sync::Arc;

use async_graphql::{dataloader::DataLoader, runtime::TokioTimer};
use futures_util::task::{FutureObj, Spawn, SpawnError};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use crate::{
    error::Error,
    graphql::execute::ResponseBudget,
    store::{Allowance, Store},
};

/// Reads the store for one execution.
#[derive(Debug)]
pub(crate) struct StoreLoader {
    store: Store,
    budget: Arc<ResponseBudget>,
}

impl StoreLoader {
    /// Creates a loader that collects requests for a millisecond. Dropping it ends its tasks.
    pub(crate) fn new(
        store: Store,
        budget: Arc<ResponseBudget>,
        tasks: TaskTracker,
    ) -> DataLoader<Self> {
        let spawner = Spawner {
            tasks,
            stop: CancellationToken::new().drop_guard(),
        };
        let loader = Self { store, budget };
        DataLoader::new(loader, spawner, TokioTimer::default())
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    /// Returns what the execution may still read.
    pub(super) fn allowance(&self) -> Arc<dyn Allowance> {
        Arc::<ResponseBudget>::clone(&self.budget)
    }

    /// Runs a statement in its turn.
    pub(super) async fn in_turn<T>(
        &self,
        reading: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, SharedError> {
        let read = self.budget.in_turn(reading).await;
        read.map_err(|error| SharedError(Arc::new(error)))
    }
}

/// Spawns the loader's tasks on the server's tracker. They end when it is dropped.
struct Spawner {
    tasks: TaskTracker,
    stop: DropGuard,
}

impl Spawn for Spawner {
    fn spawn_obj(&self, task: FutureObj<'static, ()>) -> Result<(), SpawnError> {
        let stop = self.stop.token().clone();
        self.tasks.spawn(stop.run_until_cancelled_owned(task));
        Ok(())
    }
}

/// An error of a statement that several fields wait for.
#[derive(Clone, Debug)]
pub struct SharedError(Arc<Error>);

impl From<SharedError> for Error {
    fn from(SharedError(error): SharedError) -> Self {
        let cause = Box::new(SharedCause(Arc::clone(&error)));
        match &*error {
            Self::Unavailable(_) => Self::Unavailable(cause),
            Self::Overloaded => Self::Overloaded,
            Self::TooLarge(limit) => Self::TooLarge(limit),
            Self::RateLimited { retry_after } => Self::RateLimited {
                retry_after: *retry_after,
            },
            _ => Self::Internal(cause),
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("a statement for several fields failed")]
struct SharedCause(#[source] Arc<Error>);
