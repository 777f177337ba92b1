//! Deleting posts.

use sea_orm::{
    ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter,
    sea_query::{Expr, ExprTrait},
};

use super::{deleted, lock::LockedPost};
use crate::{
    error::{Error, Kind},
    model::{PostId, Profile, Timestamp},
    store::{
        Store,
        entity::{
            old_post_id,
            post::{Column, Entity, Model},
        },
        jobs::{self, DeletePostJob, Job},
        rows, users,
    },
};

/// A post to be deleted.
#[derive(Clone, Debug)]
pub struct DeletePost {
    /// The post's id.
    pub id: PostId,
    /// The moderator, whose row is updated to match.
    pub by: Profile,
    /// The current time.
    pub at: Timestamp,
}

impl Store {
    /// Deletes a post. It is invisible from now on, and a job deletes its comments and then its row. Until
    /// then its id is taken. Returns the post's present id.
    ///
    /// Fails with `NotFound` if there is no such post, and with `RateLimited` if too many jobs wait.
    pub async fn delete_post(&self, delete: DeletePost) -> Result<PostId, Error> {
        self.writer
            .write(move |transaction| {
                let delete = delete.clone();
                Box::pin(async move {
                    let post = LockedPost::find(transaction, &delete.id).await?;
                    let post = post.ok_or(Error::NotFound(Kind::Post))?.into_stored();
                    begin(transaction, &post, delete.at).await?;
                    users::upsert(transaction, [&delete.by]).await?;
                    Ok(rows::post_id(&post.id)?)
                })
            })
            .await
    }
}

/// Hides a post whose row is locked, and leaves the rest to a job. Its old ids are free at once.
pub(super) async fn begin(
    transaction: &DatabaseTransaction,
    post: &Model,
    at: Timestamp,
) -> Result<(), Error> {
    Entity::update_many()
        .col_expr(Column::DeletedAt, Expr::val(at.0))
        .col_expr(Column::Version, Expr::col(Column::Version).add(1))
        .filter(Column::Id.eq(&post.id))
        .exec(transaction)
        .await?;
    let old_ids = old_post_id::Entity::delete_many()
        .filter(old_post_id::Column::PostId.eq(&post.id))
        .exec_with_returning(transaction)
        .await?;
    let old_ids = old_ids.into_iter().map(|row| row.old_id).collect();
    deleted::record(transaction, post, old_ids, at).await?;
    let job = Job::DeletePost(DeletePostJob {
        post: post.id.clone(),
    });
    jobs::enqueue(transaction, &job, at).await
}
