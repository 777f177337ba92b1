//! Batching of replies: the replies of many comments in one statement.

use std::{collections::HashMap, sync::Arc};

use async_graphql::dataloader::Loader;

use super::loader::{SharedError, StoreLoader};
use crate::{
    model::{Comment, CommentId, Seq},
    store::{Bodies, Page, Slice},
};

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

impl Loader<RepliesOf> for StoreLoader {
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
            let (store, allowance) = (self.store(), self.allowance());
            let replies = store.replies(&parents, slice, as_of, bodies, allowance);
            let replies = self.in_turn(replies).await?;
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
