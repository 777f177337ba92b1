//! The locks on posts, and what a change of their comments counts.

use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, EntityTrait, QueryFilter,
    QueryOrder, QuerySelect,
    sea_query::{Expr, ExprTrait, Func, LockType, Query},
};

use super::visibility::{PUBLISHED, holds};
use crate::{
    model::{PostId, Seq, Timestamp},
    store::entity::{
        comment,
        post::{Column, Entity, Model},
    },
};

/// Locks the posts, not deleted, that match `condition`, and thereby their comments, until the transaction
/// ends. Returns them.
///
/// Locks are taken in the order of ids, so two transactions never deadlock over posts. On SQLite a writing
/// transaction holds the whole database from its begin.
pub(in crate::store) async fn lock_posts(
    transaction: &DatabaseTransaction,
    condition: Expr,
) -> Result<Vec<Model>, DbErr> {
    let posts = Entity::find()
        .filter(condition)
        .filter(Column::DeletedAt.is_null())
        .order_by_asc(Column::Id);
    let posts = match transaction.get_database_backend() {
        DbBackend::Postgres => posts.lock(LockType::NoKeyUpdate),
        _ => posts,
    };
    posts.all(transaction).await
}

/// The changes of a post's feed that one transaction makes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Advance {
    /// Number of changes.
    pub(super) changes: i64,
    /// Number of comments that become visible, less those that become invisible.
    pub(super) comments: i64,
    /// The latest time at which one of the comments that become visible was first published.
    pub(super) published_at: Option<Timestamp>,
}

/// Advances the post's seq, and counts its comments. Returns the new seq, or `None` if there is no such
/// post.
pub(super) async fn advance(
    transaction: &DatabaseTransaction,
    post: &PostId,
    advance: Advance,
) -> Result<Option<Seq>, DbErr> {
    let add = |column: Column, value: i64| Expr::col(column).add(value);
    let mut update = Entity::update_many()
        .col_expr(Column::Seq, add(Column::Seq, advance.changes))
        .col_expr(Column::Version, add(Column::Version, 1))
        .col_expr(
            Column::CommentCount,
            add(Column::CommentCount, advance.comments),
        );
    if let Some(Timestamp(at)) = advance.published_at {
        let last = Expr::col(Column::LastCommentAt);
        let newest = Expr::case(last.clone().gt(at), last).finally(at);
        update = update
            .col_expr(Column::LastCommentAt, newest.into())
            .col_expr(Column::UnlistedSince, Expr::cust("NULL"));
    }
    let rows = update
        .filter(Column::Id.eq(post.as_str()))
        .exec_with_returning(transaction)
        .await?;
    Ok(rows.first().map(|row| Seq(row.seq)))
}

/// Sets the time of the post's newest comment to that of the newest one which is still published.
pub(super) async fn find_last_comment(
    transaction: &DatabaseTransaction,
    post: &PostId,
) -> Result<(), DbErr> {
    let newest = Query::select()
        .expr(Func::max(Expr::col(comment::Column::PublishedAt)))
        .from(comment::Entity)
        .and_where(comment::Column::PostId.eq(post.as_str()))
        .and_where(holds(PUBLISHED))
        .take();
    Entity::update_many()
        .col_expr(
            Column::LastCommentAt,
            Expr::SubQuery(None, Box::new(newest.into())),
        )
        .filter(Column::Id.eq(post.as_str()))
        .exec(transaction)
        .await?;
    Ok(())
}
