//! The last places of deleted posts.
//!
//! A post that is opened under the id of a deleted one goes on where that one ended. So a cursor of the deleted
//! post misses nothing of the new one, and no cached response of the deleted post is taken for the new one's.

use std::time::Duration;

use sea_orm::{
    ColumnTrait, DatabaseTransaction, DbErr, EntityTrait, IntoActiveModel, QueryFilter,
    sea_query::OnConflict,
};

use crate::{
    error::Error,
    model::{PostId, Timestamp},
    store::{
        Store,
        entity::{
            deleted_post::{Column, Entity, Model},
            post,
        },
    },
};

/// Time for which the places are kept. No page is open for longer.
const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The places at which a post begins.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Places {
    pub(super) seq: i64,
    pub(super) version: i64,
}

impl Store {
    /// Forgets the places of posts that were deleted long ago. Idempotent.
    pub async fn forget_deleted_posts(&self, now: Timestamp) -> Result<(), Error> {
        let is_old = Column::DeletedAt.lt(now.minus(KEPT).0);
        let query = Entity::find().filter(is_old.clone());
        // Most of the time there is none, and a reader finds that out.
        let found = self.read(move |connection| {
            let query = query.clone();
            async move { Ok(query.one(&connection).await?) }
        });
        if found.await?.is_none() {
            return Ok(());
        }
        self.writer
            .write(move |transaction| {
                let delete = Entity::delete_many().filter(is_old.clone());
                Box::pin(async move {
                    delete.exec(transaction).await?;
                    Ok(())
                })
            })
            .await
    }
}

/// Records the places at which a post ends, under each of its ids. Its row is locked.
pub(super) async fn record(
    transaction: &DatabaseTransaction,
    post: &post::Model,
    old_ids: Vec<String>,
    at: Timestamp,
) -> Result<(), DbErr> {
    let rows = std::iter::once(post.id.clone()).chain(old_ids).map(|id| {
        let row = Model {
            id,
            seq: post.seq,
            // The deletion has a version of its own, which caches may know.
            version: post.version + 2,
            deleted_at: at.0,
        };
        row.into_active_model()
    });
    let replaced = [Column::Seq, Column::Version, Column::DeletedAt];
    let on_conflict = OnConflict::column(Column::Id)
        .update_columns(replaced)
        .to_owned();
    Entity::insert_many(rows)
        .on_conflict(on_conflict)
        .exec_without_returning(transaction)
        .await?;
    Ok(())
}

/// Returns the places at which a new post of this id begins: zeros, unless one was deleted.
pub(super) async fn first_places(
    transaction: &DatabaseTransaction,
    id: &PostId,
) -> Result<Places, DbErr> {
    let rows = Entity::find_by_id(id.as_str()).all(transaction).await?;
    let last = rows.into_iter().next();
    Ok(last.map_or_else(Places::default, |row| Places {
        seq: row.seq,
        version: row.version,
    }))
}
