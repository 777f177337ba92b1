//! The job that rejects the comments of a user, live for readers.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DatabaseTransaction, EntityTrait, QueryFilter,
    QueryOrder, QuerySelect, QueryTrait,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    Progress,
    batch::{BATCH, Done, Next},
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
            codes::CommentStatus,
            comment::{Column, Entity},
            post,
        },
        query::{is_any_of, select_limited},
        rows,
    },
};

/// Time for which the comments' posts are locked by one batch. Other writes of these posts wait for it.
const MAX_LOCKED: Duration = Duration::from_millis(300);
/// Times after the ban at which the job looks again. The last is later than any write that began before it ends.
const LOOKS_AGAIN: [Duration; 2] = [Duration::from_secs(3), UNDER_WAY];
/// Time after a ban by which each node knows it, and no write that it knew too late for is under way.
const UNDER_WAY: Duration = Duration::from_secs(30);

/// A user whose published and pending comments are to be rejected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::store) struct RejectCommentsJob {
    /// The user.
    pub(in crate::store) author: String,
    /// The moderator who decided it.
    pub(in crate::store) by: String,
}

/// Rejects the next comments, in the order in which they were written, until it has held their posts long enough.
///
/// After the last one it looks again, because a comment may be under way when its author is banned.
pub(super) async fn batch(
    transaction: &DatabaseTransaction,
    job: &RejectCommentsJob,
    progress: Progress,
    banned_at: Timestamp,
    now: Timestamp,
) -> Result<Done, Error> {
    let by = rows::user_id(&job.by)?;
    let comments = next(transaction, job, progress.after, banned_at).await?;
    // All posts are locked before any is changed, in the order in which other writers lock them.
    let posts: BTreeSet<&str> = comments.iter().map(|next| next.post.as_str()).collect();
    let posts = posts.into_iter().map(str::to_owned);
    let backend = transaction.get_database_backend();
    lock_posts(transaction, is_any_of(post::Column::Id, posts, backend)).await?;
    let (mut effects, mut after, mut done) = (Vec::new(), progress.after, progress.done);
    let deadline = Instant::now() + MAX_LOCKED;
    let mut is_last = (comments.len() as u64) < BATCH;
    for comment in &comments {
        if done > progress.done && Instant::now() >= deadline {
            is_last = false;
            break;
        }
        effects.extend(reject_as(transaction, comment.id, &by, now).await?);
        after = Some((comment.created_at, comment.id.0));
        done += 1;
    }
    let next = if is_last {
        let looks = LOOKS_AGAIN.into_iter().map(|time| banned_at.plus(time));
        let again = looks.into_iter().find(|look| *look > now);
        again.map_or(Next::Nothing, |due| {
            Next::Later(Progress { done, after: None }, due)
        })
    } else {
        Next::Batch(Progress { done, after })
    };
    Ok(Done {
        rejected: effects.len() as u64,
        effects,
        next,
    })
}

/// A comment to be rejected.
struct Comment {
    id: CommentId,
    created_at: i64,
    post: String,
}

/// Returns the next published and pending comments that were written before the ban was known everywhere. Later
/// ones are those of a user whose ban was lifted.
async fn next(
    transaction: &DatabaseTransaction,
    job: &RejectCommentsJob,
    after: Option<(i64, Uuid)>,
    banned_at: Timestamp,
) -> Result<Vec<Comment>, Error> {
    let mut query = Entity::find()
        .select_only()
        .columns([Column::Id, Column::CreatedAt, Column::PostId])
        .filter(Column::AuthorId.eq(&job.author))
        .filter(Column::CreatedAt.lte(banned_at.plus(UNDER_WAY).0))
        .filter(Column::Status.ne(CommentStatus::Rejected))
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
        Ok(Comment {
            id: CommentId(row.try_get_by_index(0)?),
            created_at: row.try_get_by_index(1)?,
            post: row.try_get_by_index(2)?,
        })
    });
    comments.collect()
}
