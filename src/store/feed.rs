//! A post's feed, as a client that was away reads it.

use std::sync::Arc;

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QueryResult};

use super::{
    Store,
    entity::comment::{Column, Entity},
    page::{Bodies, Page, PageLimit},
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
    /// Returns a page of the comments that were added after `after`, ordered by `added_seq`. Each is in
    /// its latest state.
    pub async fn added_after(
        &self,
        post: &PostId,
        after: Seq,
        limit: PageLimit,
    ) -> Result<Page<FeedEntry>, Error> {
        self.entries_after(post, Column::AddedSeq, after, limit)
            .await
    }

    /// Returns a page of the comments that were last changed after `after`, ordered by `changed_seq`.
    /// Each is in its latest state.
    pub async fn changed_after(
        &self,
        post: &PostId,
        after: Seq,
        limit: PageLimit,
    ) -> Result<Page<FeedEntry>, Error> {
        self.entries_after(post, Column::ChangedSeq, after, limit)
            .await
    }

    async fn entries_after(
        &self,
        post: &PostId,
        seq: Column,
        after: Seq,
        limit: PageLimit,
    ) -> Result<Page<FeedEntry>, Error> {
        let query = Entity::find()
            .filter(Column::PostId.eq(post.as_str()))
            .filter(seq.gt(after.0))
            .order_by_asc(seq);
        let query = Arc::new(rows::with_authors(query, Bodies::Read));
        self.read(move |connection| {
            let query = Arc::clone(&query);
            async move {
                let bytes_of = |entry: &FeedEntry| entry.comment.body.len();
                select_page(&query, limit, &connection, entry, bytes_of).await
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
