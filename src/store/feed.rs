//! A post's feed, as a client that was away reads it.

use std::sync::Arc;

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QueryResult};

use super::{
    Store,
    entity::comment::{Column, Entity},
    page::{Allowance, Bodies, Page},
    query::select_page,
    rows,
};
use crate::{
    error::Error,
    model::{ClientId, Comment, PostId, Seq},
};

/// A comment's latest state, with the clients that made it.
#[derive(Clone, Debug)]
pub struct FeedEntry {
    /// The comment's current state.
    pub comment: Arc<Comment>,
    /// The client that added the comment, if it named itself.
    pub added_by: Option<ClientId>,
    /// The client that made the latest change, if it named itself.
    pub changed_by: Option<ClientId>,
}

impl Store {
    /// Returns at most `first` of the comments that were added after `after`, ordered by `added_seq`.
    /// Each is in its latest state. The page ends early where `allowance` does.
    pub async fn added_after(
        &self,
        post: &PostId,
        after: Seq,
        first: u64,
        allowance: Arc<dyn Allowance>,
    ) -> Result<Page<FeedEntry>, Error> {
        self.entries_after(post, Column::AddedSeq, after, first, allowance)
            .await
    }

    /// Returns at most `first` of the comments that were last changed after `after`, ordered by
    /// `changed_seq`. Each is in its latest state. The page ends early where `allowance` does.
    pub async fn changed_after(
        &self,
        post: &PostId,
        after: Seq,
        first: u64,
        allowance: Arc<dyn Allowance>,
    ) -> Result<Page<FeedEntry>, Error> {
        self.entries_after(post, Column::ChangedSeq, after, first, allowance)
            .await
    }

    async fn entries_after(
        &self,
        post: &PostId,
        seq: Column,
        after: Seq,
        first: u64,
        allowance: Arc<dyn Allowance>,
    ) -> Result<Page<FeedEntry>, Error> {
        let query = Entity::find()
            .filter(Column::PostId.eq(post.as_str()))
            .filter(seq.gt(after.0))
            .order_by_asc(seq);
        let query = Arc::new(rows::with_authors(query, Bodies::Read));
        self.read(move |connection| {
            let (query, allowance) = (Arc::clone(&query), Arc::clone(&allowance));
            async move {
                let bytes_of = |entry: &FeedEntry| entry.comment.bytes();
                select_page(&query, first, &*allowance, &connection, entry, bytes_of).await
            }
        })
        .await
    }
}

fn entry(row: &QueryResult) -> Result<FeedEntry, Error> {
    let [added_by, changed_by] = rows::origins(row)?;
    Ok(FeedEntry {
        comment: Arc::new(rows::comment(row)?),
        added_by,
        changed_by,
    })
}
