//! The locks on posts and their sequence numbers.

use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, EntityTrait, QueryFilter,
    QueryOrder, QuerySelect, QueryTrait,
    sea_query::{Expr, ExprTrait, LockType},
};

use crate::{
    model::{PostId, Seq},
    store::entity::post::{Column, Entity},
};

/// Locks the posts that match `condition`, and thereby their comments, until the transaction ends.
///
/// Locks are taken in the order of ids, so two transactions never deadlock over posts. No-op on SQLite,
/// where a writing transaction holds the whole database from its begin.
pub(super) async fn lock_posts(
    transaction: &DatabaseTransaction,
    condition: Expr,
) -> Result<(), DbErr> {
    if transaction.get_database_backend() != DbBackend::Postgres {
        return Ok(());
    }
    let posts = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(condition)
        .order_by_asc(Column::Id)
        .lock(LockType::NoKeyUpdate);
    transaction.query_all(&posts.into_query()).await?;
    Ok(())
}

/// Advances the post's seq by `changes` and its comment count by `comments`. Returns the new seq, or
/// `None` if there is no such post.
pub(super) async fn advance_seq(
    transaction: &DatabaseTransaction,
    post: &PostId,
    changes: i64,
    comments: i64,
) -> Result<Option<Seq>, DbErr> {
    let rows = Entity::update_many()
        .col_expr(Column::Seq, Expr::col(Column::Seq).add(changes))
        .col_expr(
            Column::CommentCount,
            Expr::col(Column::CommentCount).add(comments),
        )
        .filter(Column::Id.eq(post.as_str()))
        .exec_with_returning(transaction)
        .await?;
    Ok(rows.first().map(|row| Seq(row.seq)))
}
