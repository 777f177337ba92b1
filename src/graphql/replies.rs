//! Loading the replies of many comments in one query: no query per row.

use std::{collections::HashMap, sync::Arc};

use async_graphql::{
    dataloader::{DataLoader, Loader},
    runtime::TokioTimer,
};
use futures_util::task::{FutureObj, Spawn, SpawnError};
use tokio_util::task::TaskTracker;

use super::error::Failure;
use crate::{
    error::Error,
    model::{Comment, CommentId, Seq},
    store::{Page, Slice, Store},
};

/// The replies of comments.
#[derive(Debug)]
pub struct Replies(Store);

impl Replies {
    /// A loader that asks the store once for what is asked of it within a millisecond.
    pub fn loader(store: Store, tasks: TaskTracker) -> DataLoader<Self> {
        DataLoader::new(Self(store), Tracked(tasks), TokioTimer::default())
    }
}

/// Starts the loader's tasks where the server counts them.
struct Tracked(TaskTracker);

impl Spawn for Tracked {
    fn spawn_obj(&self, task: FutureObj<'static, ()>) -> Result<(), SpawnError> {
        self.0.spawn(task);
        Ok(())
    }
}

/// A slice of one comment's replies.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RepliesOf {
    /// The comment.
    pub parent: CommentId,
    /// Which of its replies.
    pub slice: Slice<Seq>,
    /// The place behind which replies are left out.
    pub as_of: Option<Seq>,
}

/// An error that all who waited for one query are given.
#[derive(Clone, Debug)]
pub struct SharedError(Arc<Error>);

impl From<SharedError> for Failure {
    fn from(SharedError(error): SharedError) -> Self {
        let cause = Box::new(SharedCause(Arc::clone(&error)));
        match &*error {
            Error::Unavailable(_) => Error::Unavailable(cause),
            _ => Error::Internal(cause),
        }
        .into()
    }
}

#[derive(Debug, thiserror::Error)]
#[error("replies could not be loaded")]
struct SharedCause(#[source] Arc<Error>);

impl Loader<RepliesOf> for Replies {
    type Value = Page<Comment>;
    type Error = SharedError;

    async fn load(
        &self,
        keys: &[RepliesOf],
    ) -> Result<HashMap<RepliesOf, Self::Value>, Self::Error> {
        // The fields of one selection ask for the same slice of many comments.
        let mut parents: HashMap<_, Vec<CommentId>> = HashMap::new();
        for key in keys {
            let part = (key.slice, key.as_of);
            parents.entry(part).or_default().push(key.parent);
        }
        let mut pages = HashMap::with_capacity(keys.len());
        for ((slice, as_of), parents) in parents {
            let replies = self.0.replies(&parents, slice, as_of).await;
            let replies = replies.map_err(|error| SharedError(Arc::new(error)))?;
            pages.extend(replies.into_iter().map(|(parent, page)| {
                (
                    RepliesOf {
                        parent,
                        slice,
                        as_of,
                    },
                    page,
                )
            }));
        }
        Ok(pages)
    }
}
