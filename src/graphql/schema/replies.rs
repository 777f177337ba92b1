//! Batching of replies: the replies of many comments in one statement.

use std::{collections::HashMap, sync::Arc};

use async_graphql::{
    dataloader::{DataLoader, Loader},
    runtime::TokioTimer,
};
use futures_util::task::{FutureObj, Spawn, SpawnError};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use crate::{
    error::Error,
    graphql::execute::ResponseBudget,
    model::{Comment, CommentId, Seq},
    store::{Bodies, Page, Slice, Store},
};

/// Loads the replies of comments for one execution.
#[derive(Debug)]
pub(crate) struct Replies {
    store: Store,
    budget: Arc<ResponseBudget>,
}

impl Replies {
    /// Creates a loader that collects requests for a millisecond. Dropping it ends its tasks.
    pub(crate) fn loader(
        store: Store,
        budget: Arc<ResponseBudget>,
        tasks: TaskTracker,
    ) -> DataLoader<Self> {
        let spawner = Spawner {
            tasks,
            stop: CancellationToken::new().drop_guard(),
        };
        let replies = Self { store, budget };
        DataLoader::new(replies, spawner, TokioTimer::default())
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

/// A slice of the replies of one comment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct RepliesOf {
    /// The comment.
    pub parent: CommentId,
    /// The slice of its replies.
    pub slice: Slice<Seq>,
    /// The place in the feed after which replies are left out.
    pub as_of: Option<Seq>,
    /// The treatment of their bodies.
    pub bodies: Bodies,
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
#[error("replies could not be loaded")]
struct SharedCause(#[source] Arc<Error>);

impl Loader<RepliesOf> for Replies {
    type Value = Page<Arc<Comment>>;
    type Error = SharedError;

    async fn load(
        &self,
        keys: &[RepliesOf],
    ) -> Result<HashMap<RepliesOf, Self::Value>, Self::Error> {
        // Most requests are for the same slice of many comments: the field of one selection.
        let mut parents: HashMap<_, Vec<CommentId>> = HashMap::new();
        for key in keys {
            let part = (key.slice, key.as_of, key.bodies);
            parents.entry(part).or_default().push(key.parent);
        }
        let mut pages = HashMap::with_capacity(keys.len());
        for ((slice, as_of, bodies), parents) in parents {
            let allowance = Arc::<ResponseBudget>::clone(&self.budget);
            let replies = self
                .store
                .replies(&parents, slice, as_of, bodies, allowance);
            let replies = self.budget.in_turn(replies).await;
            let replies = replies.map_err(|error| SharedError(Arc::new(error)))?;
            pages.extend(replies.into_iter().map(|(parent, page)| {
                (
                    RepliesOf {
                        parent,
                        slice,
                        as_of,
                        bodies,
                    },
                    page.map(Arc::new),
                )
            }));
        }
        Ok(pages)
    }
}
