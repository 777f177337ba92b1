//! Posts that pages open by themselves, on behalf of their first visitor.
//!
//! Such a post is in no list before its first published comment. It is removed if there is none for long, because
//! any visitor can open it.

use std::time::Duration;

use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DatabaseTransaction, DbBackend, EntityTrait,
    PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait, sea_query::Expr,
};

use super::{
    create::{NewPost, insert},
    delete,
    ensure::{EnsureOutcome, Ensured},
};
use crate::{
    error::Error,
    model::{PostId, Timestamp},
    store::{
        Effects, Store,
        comments::lock_posts,
        entity::post::{Column, Entity},
        query::{is_any_of, select_limited},
        rows,
    },
};

/// Maximum number of posts without a published comment that pages have opened.
const MAX_UNLISTED: u64 = 10_000;
/// Retry hint for a page beyond the maximum.
const RETRY_AFTER: Duration = Duration::from_secs(60);
/// Time after which such a post is removed.
const LIFETIME: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Maximum number of posts that a transaction removes.
const MAX_REMOVED: u64 = 100;
/// Key of the advisory lock for opening, so that no two nodes count at once. Its value is arbitrary.
const OPENING_LOCK: i64 = 0x6361_7573_7061_6765;

impl Store {
    /// Returns the post of a page, and opens it if there is none.
    ///
    /// Fails with `RateLimited` if there are too many without a published comment.
    pub async fn open_page(&self, page: NewPost) -> Result<Ensured, Error> {
        // Most of the time it is open, and a reader finds that out.
        if let Some(post) = self.post(&page.id).await? {
            return Ok(Ensured::unchanged(post));
        }
        let id = page.id.clone();
        let opened = self.writer.write(move |transaction| {
            let page = page.clone();
            Box::pin(async move { open(transaction, &page).await })
        });
        match opened.await {
            // Another visitor opened it at the same time.
            Err(conflict @ Error::Conflict(_)) => {
                let post = self.post(&id).await?;
                post.map(Ensured::unchanged).ok_or(conflict)
            }
            opened => opened,
        }
    }

    /// Removes posts that pages opened long ago and that no published comment has followed, unless an author
    /// closed or moderates them. Returns the posts, whose rooms are to end. They are empty if no such post is
    /// left. Idempotent.
    pub async fn remove_unlisted_posts(&self, now: Timestamp) -> Result<Vec<PostId>, Error> {
        let before = now.minus(LIFETIME);
        let ids = self.unlisted_posts(before).await?;
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        self.writer
            .write(move |transaction| {
                let ids = ids.clone();
                Box::pin(async move { remove(transaction, ids, before, now).await })
            })
            .await
    }

    async fn unlisted_posts(&self, before: Timestamp) -> Result<Vec<String>, Error> {
        let query = Entity::find()
            .select_only()
            .column(Column::Id)
            .filter(is_unlisted())
            .filter(is_removable(before))
            .order_by_asc(Column::UnlistedSince)
            .into_query();
        self.read(move |connection| {
            let query = query.clone();
            async move {
                let rows = select_limited(&query, MAX_REMOVED, &connection).await?;
                let ids = rows.iter().map(|row| Ok(row.try_get_by_index(0)?));
                ids.collect()
            }
        })
        .await
    }
}

async fn open(transaction: &DatabaseTransaction, page: &NewPost) -> Result<Ensured, Error> {
    // On SQLite a writing transaction holds the whole database.
    if transaction.get_database_backend() == DbBackend::Postgres {
        let lock = format!("SELECT pg_advisory_xact_lock({OPENING_LOCK})");
        transaction.execute_unprepared(&lock).await?;
    }
    let unlisted = Entity::find().filter(is_unlisted());
    if unlisted.count(transaction).await? >= MAX_UNLISTED {
        return Err(Error::RateLimited {
            retry_after: RETRY_AFTER,
        });
    }
    let post = insert(transaction, page, Some(page.at)).await?;
    Ok(Ensured {
        post: rows::post(post)?,
        outcome: EnsureOutcome::Opened,
        effects: Effects::default(),
    })
}

/// Removes those of the posts that are unlisted still.
async fn remove(
    transaction: &DatabaseTransaction,
    ids: Vec<String>,
    before: Timestamp,
    now: Timestamp,
) -> Result<Vec<PostId>, Error> {
    let is_one = is_any_of(Column::Id, ids, transaction.get_database_backend());
    let is_due = Condition::all().add(is_one).add(is_removable(before));
    let mut removed = Vec::new();
    for row in lock_posts(transaction, is_due.into()).await? {
        delete::begin(transaction, &row, now).await?;
        removed.push(rows::post_id(&row.id)?);
    }
    Ok(removed)
}

/// Returns the condition that an unlisted post is to be removed. What an author decided about a page stays, or a
/// visitor would open a closed one again.
fn is_removable(before: Timestamp) -> Condition {
    Condition::all()
        .add(Column::UnlistedSince.lt(before.0))
        .add(Column::IsOpen.eq(true))
        .add(Column::Moderation.is_null())
}

/// Returns the condition that a post is unlisted, in the words of the index.
fn is_unlisted() -> Expr {
    Expr::cust("post.unlisted_since IS NOT NULL AND post.deleted_at IS NULL")
}
