//! Closing posts that are not commented on any more.

use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DatabaseTransaction, EntityTrait, QueryFilter,
    QuerySelect, QueryTrait, sea_query::Expr,
};

use super::lock::LockedPost;
use crate::{
    error::Error,
    model::Timestamp,
    store::{
        Effects, Store,
        comments::lock_posts,
        entity::post::{Column, Entity},
        query::{is_any_of, select_limited},
    },
};

/// Maximum number of posts that a transaction closes.
const MAX_POSTS: u64 = 500;

impl Store {
    /// Closes posts whose newest comment was published before `before`, and which were opened before it too.
    /// Returns the effects that others are to hear of. They are empty if no such post is left. Idempotent.
    pub async fn close_inactive_posts(
        &self,
        before: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<Effects>, Error> {
        // Most of the time there is none, and a reader finds that out.
        let ids = self.inactive_posts(before).await?;
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        self.writer
            .write(move |transaction| {
                let ids = ids.clone();
                Box::pin(async move { close(transaction, ids, before, now).await })
            })
            .await
    }

    async fn inactive_posts(&self, before: Timestamp) -> Result<Vec<String>, Error> {
        let query = Entity::find()
            .select_only()
            .column(Column::Id)
            .filter(is_inactive(before))
            .into_query();
        self.read(move |connection| {
            let query = query.clone();
            async move {
                let rows = select_limited(&query, MAX_POSTS, &connection).await?;
                let ids = rows.iter().map(|row| Ok(row.try_get_by_index(0)?));
                ids.collect()
            }
        })
        .await
    }
}

/// Closes those of the posts that are inactive still.
async fn close(
    transaction: &DatabaseTransaction,
    ids: Vec<String>,
    before: Timestamp,
    now: Timestamp,
) -> Result<Vec<Effects>, Error> {
    let is_one = is_any_of(Column::Id, ids, transaction.get_database_backend());
    let mut effects = Vec::new();
    for row in lock_posts(transaction, is_one).await? {
        let active_at = row.last_comment_at.unwrap_or(row.opened_at);
        if active_at.max(row.opened_at) < before.0 {
            let mut post = LockedPost::of(row);
            post.set_open(false, now);
            effects.push(post.save(transaction, None).await?.1);
        }
    }
    Ok(effects)
}

/// Returns the condition that a post is open and inactive, in the words of the index.
fn is_inactive(before: Timestamp) -> Condition {
    let has_no_new_comment = Condition::any()
        .add(Column::LastCommentAt.is_null())
        .add(Column::LastCommentAt.lt(before.0));
    Condition::all()
        .add(Expr::cust("post.is_open AND post.deleted_at IS NULL"))
        .add(Column::OpenedAt.lt(before.0))
        .add(has_no_new_comment)
}
