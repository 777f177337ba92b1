//! Giving posts another id.

use sea_orm::{
    ColumnTrait, DatabaseTransaction, EntityTrait, IntoActiveModel, QueryFilter, QuerySelect,
    QueryTrait, SqlErr, sea_query::Expr,
};

use super::{create::taken, deleted::first_places, lock::LockedPost, old_ids};
use crate::{
    error::{Error, Kind},
    model::{Post, PostId, Profile},
    store::{
        Store,
        entity::{
            comment,
            post::{Entity, Model},
            reaction,
        },
        rows, users,
    },
};

/// A post to be moved to another id.
#[derive(Clone, Debug)]
pub struct MovePost {
    /// The post's id.
    pub id: PostId,
    /// The id that it is to have.
    pub new_id: PostId,
    /// The user who makes the change, whose row is updated to match.
    pub by: Profile,
}

/// A post under its new id.
#[derive(Clone, Debug)]
pub struct Moved {
    /// The post.
    pub post: Post,
    /// The id that it had; `None` if that is the new one.
    pub from: Option<PostId>,
}

impl Store {
    /// Gives a post another id. Its old id goes on naming it.
    ///
    /// Fails with `NotFound` if there is no such post, and with `Conflict` if the new id is one of another
    /// post, present or old.
    pub async fn move_post(&self, moving: MovePost) -> Result<Moved, Error> {
        self.writer
            .write(move |transaction| {
                let moving = moving.clone();
                Box::pin(async move { apply(transaction, moving).await })
            })
            .await
    }
}

async fn apply(transaction: &DatabaseTransaction, moving: MovePost) -> Result<Moved, Error> {
    let MovePost { id, new_id, by } = moving;
    let post = LockedPost::find(transaction, &id).await?;
    let old = post.ok_or(Error::NotFound(Kind::Post))?.into_stored();
    if old.id == new_id.as_str() {
        let post = rows::post(old)?;
        return Ok(Moved { post, from: None });
    }
    // The comments of a post and their reactions have its id, so the new row is there before the old one goes.
    let new = insert_copy(transaction, &old, &new_id).await?;
    old_ids::claim(transaction, &new_id, Some(&old.id)).await?;
    old_ids::add(transaction, &old.id, &new_id).await?;
    comment::Entity::update_many()
        .col_expr(comment::Column::PostId, Expr::val(new_id.as_str()))
        .filter(comment::Column::PostId.eq(&old.id))
        .exec(transaction)
        .await?;
    let comments = comment::Entity::find()
        .select_only()
        .column(comment::Column::Id)
        .filter(comment::Column::PostId.eq(new_id.as_str()))
        .into_query();
    reaction::Entity::update_many()
        .col_expr(reaction::Column::PostId, Expr::val(new_id.as_str()))
        .filter(reaction::Column::CommentId.in_subquery(comments))
        .exec(transaction)
        .await?;
    Entity::delete_by_id(&old.id).exec(transaction).await?;
    users::upsert(transaction, [&by]).await?;
    Ok(Moved {
        post: rows::post(new)?,
        from: Some(rows::post_id(&old.id)?),
    })
}

/// Inserts a copy of a post under another id.
///
/// Fails with `Conflict` if a post has that id.
async fn insert_copy(
    transaction: &DatabaseTransaction,
    post: &Model,
    id: &PostId,
) -> Result<Model, Error> {
    let version = post
        .version
        .max(first_places(transaction, id).await?.version)
        + 1;
    let copy = Model {
        id: id.to_string(),
        version,
        detail_version: version,
        ..post.clone()
    };
    let row = copy.clone().into_active_model();
    let inserted = Entity::insert(row)
        .exec_without_returning(transaction)
        .await;
    match inserted {
        Ok(_) => Ok(copy),
        Err(error) => Err(match error.sql_err() {
            Some(SqlErr::UniqueConstraintViolation(_)) => taken(),
            _ => error.into(),
        }),
    }
}
