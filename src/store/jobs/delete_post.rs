//! The job that deletes a post with its comments. The post is invisible from before the first batch.

use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, QueryFilter, QuerySelect,
    QueryTrait, sea_query::Expr,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    Progress,
    batch::{BATCH, Done, Next},
};
use crate::{
    error::Error,
    store::{
        entity::{
            comment::{Column, Entity},
            idempotency_key, post, reaction_count, report,
        },
        query::{Parameters, is_any_of, select_limited},
    },
};

/// Maximum number of reactions that one batch deletes. The comments are deleted after all of theirs.
const MAX_REACTIONS: u64 = 5_000;

/// A post that is to be deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::store) struct DeletePostJob {
    /// The post.
    pub(in crate::store) post: String,
}

/// Deletes the next comments of the post, in no order, and after the last ones the post.
pub(super) async fn batch(
    transaction: &DatabaseTransaction,
    job: &DeletePostJob,
    progress: Progress,
) -> Result<Done, Error> {
    let comments = next(transaction, job).await?;
    let count = comments.len() as u64;
    if delete_reactions(transaction, &comments).await? == MAX_REACTIONS {
        return Ok(Done {
            effects: Vec::new(),
            rejected: 0,
            next: Next::Batch(progress),
        });
    }
    delete(transaction, comments).await?;
    if count == BATCH {
        let done = progress.done + count;
        return Ok(Done {
            effects: Vec::new(),
            rejected: 0,
            next: Next::Batch(Progress { done, ..progress }),
        });
    }
    post::Entity::delete_by_id(&job.post)
        .exec(transaction)
        .await?;
    Ok(Done {
        effects: Vec::new(),
        rejected: 0,
        next: Next::Nothing,
    })
}

async fn next(transaction: &DatabaseTransaction, job: &DeletePostJob) -> Result<Vec<Uuid>, Error> {
    let query = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::PostId.eq(&job.post))
        .into_query();
    let rows = select_limited(&query, BATCH, transaction).await?;
    let ids = rows.iter().map(|row| Ok(row.try_get_by_index(0)?));
    ids.collect()
}

/// Deletes reactions to these comments, at most [`MAX_REACTIONS`]. Returns their number.
async fn delete_reactions(
    transaction: &DatabaseTransaction,
    comments: &[Uuid],
) -> Result<u64, Error> {
    if comments.is_empty() {
        return Ok(0);
    }
    let mut parameters = Parameters::new(transaction.get_database_backend());
    let is_one = parameters.any_of(comments.to_vec());
    let sql = format!(
        "DELETE FROM reaction WHERE (comment_id, user_id, content) IN (\
         SELECT comment_id, user_id, content FROM reaction WHERE comment_id {is_one} \
         LIMIT {MAX_REACTIONS})"
    );
    let deleted = transaction.execute_raw(parameters.statement(sql)).await?;
    Ok(deleted.rows_affected())
}

/// Deletes comments without reactions, and the rows that name them.
async fn delete(transaction: &DatabaseTransaction, ids: Vec<Uuid>) -> Result<(), Error> {
    if ids.is_empty() {
        return Ok(());
    }
    let backend = transaction.get_database_backend();
    report::Entity::delete_many()
        .filter(is_any_of(report::Column::CommentId, ids.clone(), backend))
        .exec(transaction)
        .await?;
    let of_comments = is_any_of(reaction_count::Column::CommentId, ids.clone(), backend);
    reaction_count::Entity::delete_many()
        .filter(of_comments)
        .exec(transaction)
        .await?;
    let keys = is_any_of(idempotency_key::Column::CommentId, ids.clone(), backend);
    idempotency_key::Entity::delete_many()
        .filter(keys)
        .exec(transaction)
        .await?;
    // Replies that are deleted later name them still.
    Entity::update_many()
        .col_expr(Column::ParentId, Expr::cust("NULL"))
        .filter(is_any_of(Column::ParentId, ids.clone(), backend))
        .exec(transaction)
        .await?;
    Entity::delete_many()
        .filter(is_any_of(Column::Id, ids, backend))
        .exec(transaction)
        .await?;
    Ok(())
}
