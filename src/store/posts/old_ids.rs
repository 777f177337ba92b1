//! The ids that posts had before they were moved. Each goes on naming its post.
//!
//! No id is an old one and a present one at once.

use std::{collections::HashMap, sync::Arc};

use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait, PaginatorTrait,
    QueryFilter, QuerySelect, QueryTrait,
    sea_query::{Expr, ExprTrait, Func},
};

use crate::{
    error::Error,
    model::PostId,
    store::{
        Store,
        entity::old_post_id::{ActiveModel, Column, Entity},
        query::is_any_of,
        rows,
    },
};

/// Maximum number of old ids of a post.
const MAX_OLD_IDS: u64 = 100;

/// Returns the condition that `column` has the present id of the post that `id` names.
pub(in crate::store) fn is_named(column: impl ColumnTrait, id: &PostId) -> Expr {
    let present = Entity::find_by_id(id.as_str())
        .select_only()
        .column(Column::PostId)
        .into_query();
    let present = Expr::SubQuery(None, Box::new(present.into()));
    column
        .into_expr()
        .eq(Func::coalesce([present, Expr::val(id.as_str())]))
}

impl Store {
    /// Returns the ids that the post had before.
    pub async fn old_ids(&self, post: &PostId) -> Result<Vec<PostId>, Error> {
        let query = Entity::find().filter(Column::PostId.eq(post.as_str()));
        self.read(move |connection| {
            let query = query.clone();
            async move {
                let rows = query.all(&connection).await?;
                let ids = rows.iter().map(|row| rows::post_id(&row.old_id));
                Ok(ids.collect::<Result<_, _>>()?)
            }
        })
        .await
    }

    /// Returns the present ids of the posts that were moved, of those with these ids.
    pub async fn moved(&self, ids: &[PostId]) -> Result<HashMap<PostId, PostId>, Error> {
        let ids: Arc<[PostId]> = ids.into();
        self.read(move |connection| {
            let ids = Arc::clone(&ids);
            async move { Ok(moved(&connection, &ids).await?) }
        })
        .await
    }
}

/// Returns the present ids of the posts that were moved, of those with these ids.
pub(in crate::store) async fn moved(
    connection: &impl ConnectionTrait,
    ids: &[PostId],
) -> Result<HashMap<PostId, PostId>, DbErr> {
    let ids = ids.iter().map(|id| id.as_str().to_owned());
    let is_one = is_any_of(Column::OldId, ids, connection.get_database_backend());
    let rows = Entity::find().filter(is_one).all(connection).await?;
    let ids = rows
        .iter()
        .map(|row| Ok((rows::post_id(&row.old_id)?, rows::post_id(&row.post_id)?)));
    ids.collect()
}

/// Claims `id` for `post`, whose row has it already, so no other transaction makes it an old id now.
///
/// Fails with `Conflict` if it is an old id of another post.
pub(super) async fn claim(
    transaction: &DatabaseTransaction,
    id: &PostId,
    post: Option<&str>,
) -> Result<(), Error> {
    let rows = Entity::find_by_id(id.as_str()).all(transaction).await?;
    match rows.into_iter().next() {
        None => Ok(()),
        Some(row) if Some(row.post_id.as_str()) == post => {
            Entity::delete_by_id(id.as_str()).exec(transaction).await?;
            Ok(())
        }
        Some(_) => Err(super::create::taken()),
    }
}

/// Gives the old ids of `old` to `new`, and makes `old` one of them.
///
/// Fails with `Conflict` if there are too many.
pub(super) async fn add(
    transaction: &DatabaseTransaction,
    old: &str,
    new: &PostId,
) -> Result<(), Error> {
    let count = Entity::find().filter(Column::PostId.eq(old));
    if count.count(transaction).await? >= MAX_OLD_IDS {
        return Err(Error::Conflict("This post was moved too often."));
    }
    Entity::update_many()
        .col_expr(Column::PostId, Expr::val(new.as_str()))
        .filter(Column::PostId.eq(old))
        .exec(transaction)
        .await?;
    let row = ActiveModel {
        old_id: Set(old.to_owned()),
        post_id: Set(new.to_string()),
    };
    Entity::insert(row)
        .exec_without_returning(transaction)
        .await?;
    Ok(())
}
