//! The job that rejects the comments of a user, live for readers.

use std::collections::BTreeSet;

use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DatabaseTransaction, EntityTrait, QueryFilter,
    QueryOrder, QuerySelect, QueryTrait,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    Progress,
    batch::{BATCH, Done},
};
use crate::{
    error::Error,
    model::{CommentId, Timestamp},
    store::{
        comments::{
            lock_posts, reject_as,
            visibility::{KEPT, holds},
        },
        entity::{
            comment::{Column, Entity},
            post,
        },
        query::{is_any_of, select_limited},
        rows,
    },
};

/// A user whose published and pending comments are to be rejected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::store) struct RejectCommentsJob {
    /// The user.
    pub(in crate::store) author: String,
    /// The moderator who decided it.
    pub(in crate::store) by: String,
}

/// Rejects the next comments, in the order in which they were written.
pub(super) async fn batch(
    transaction: &DatabaseTransaction,
    job: &RejectCommentsJob,
    progress: Progress,
    now: Timestamp,
) -> Result<Done, Error> {
    let by = rows::user_id(&job.by)?;
    let comments = next(transaction, job, progress.after).await?;
    // All posts are locked before any is changed, in the order in which other writers lock them.
    let posts: BTreeSet<&str> = comments.iter().map(|next| next.post.as_str()).collect();
    let posts = posts.into_iter().map(str::to_owned);
    let backend = transaction.get_database_backend();
    lock_posts(transaction, is_any_of(post::Column::Id, posts, backend)).await?;
    let mut effects = Vec::new();
    for comment in &comments {
        effects.extend(reject_as(transaction, comment.id, &by, now).await?);
    }
    let is_last = (comments.len() as u64) < BATCH;
    let progress = comments.last().filter(|_| !is_last).map(|last| Progress {
        done: progress.done + comments.len() as u64,
        after: Some((last.created_at, last.id.0)),
    });
    Ok(Done {
        rejected: effects.len() as u64,
        effects,
        progress,
    })
}

/// A comment to be rejected.
struct Next {
    id: CommentId,
    created_at: i64,
    post: String,
}

/// Returns the next comments that are not rejected.
async fn next(
    transaction: &DatabaseTransaction,
    job: &RejectCommentsJob,
    after: Option<(i64, Uuid)>,
) -> Result<Vec<Next>, Error> {
    let mut query = Entity::find()
        .select_only()
        .columns([Column::Id, Column::CreatedAt, Column::PostId])
        .filter(Column::AuthorId.eq(&job.author))
        .filter(holds(KEPT))
        .order_by_asc(Column::CreatedAt)
        .order_by_asc(Column::Id);
    if let Some((created_at, id)) = after {
        let same_time = Condition::all()
            .add(Column::CreatedAt.eq(created_at))
            .add(Column::Id.gt(id));
        let later = Condition::any()
            .add(Column::CreatedAt.gt(created_at))
            .add(same_time);
        query = query.filter(later);
    }
    let rows = select_limited(&query.into_query(), BATCH, transaction).await?;
    let comments = rows.iter().map(|row| {
        Ok(Next {
            id: CommentId(row.try_get_by_index(0)?),
            created_at: row.try_get_by_index(1)?,
            post: row.try_get_by_index(2)?,
        })
    });
    comments.collect()
}
