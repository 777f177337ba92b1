//! Opening posts.

use sea_orm::{ActiveValue::Set, DatabaseTransaction, EntityTrait, SqlErr};

use super::{deleted::first_places, old_ids};
use crate::{
    error::Error,
    model::{Post, PostId, Profile, Timestamp},
    store::{
        Store,
        entity::post::{ActiveModel, Entity, Model},
        rows, users,
    },
};

/// A post to open for comments.
#[derive(Clone, Debug)]
pub struct NewPost {
    /// The host site's own id.
    pub id: PostId,
    /// The host site's title.
    pub title: String,
    /// The URL of the page, http or https.
    pub url: Option<String>,
    /// The current time.
    pub at: Timestamp,
    /// The user who opens it, if any.
    pub by: Option<Profile>,
}

impl Store {
    /// Opens a post for comments. Fails with `Conflict` if its id is one of another post,
    /// present or old.
    pub async fn create_post(&self, new: NewPost) -> Result<Post, Error> {
        self.writer
            .write(move |transaction| {
                let new = new.clone();
                Box::pin(async move { rows::post(insert(transaction, &new, None).await?) })
            })
            .await
    }
}

/// Inserts the row of a new post, and updates the row of the user who opens it. If it has `unlisted_since`, it
/// is in no list before its first published comment. It goes on where a deleted post of this id ended.
///
/// Fails with `Conflict` if its id is one of another post, present or old.
pub(super) async fn insert(
    transaction: &DatabaseTransaction,
    new: &NewPost,
    unlisted_since: Option<Timestamp>,
) -> Result<Model, Error> {
    let first = first_places(transaction, &new.id).await?;
    let row = ActiveModel {
        id: Set(new.id.to_string()),
        title: Set(new.title.clone()),
        url: Set(new.url.clone()),
        created_at: Set(new.at.0),
        comment_count: Set(0),
        seq: Set(first.seq),
        version: Set(first.version),
        detail_version: Set(first.version),
        reaction_version: Set(0),
        is_open: Set(true),
        moderation: Set(None),
        pinned_comment: Set(None),
        last_comment_at: Set(None),
        opened_at: Set(new.at.0),
        unlisted_since: Set(unlisted_since.map(|at| at.0)),
        deleted_at: Set(None),
    };
    let inserted = Entity::insert(row).exec_with_returning(transaction).await;
    let row = inserted.map_err(|error| match error.sql_err() {
        Some(SqlErr::UniqueConstraintViolation(_)) => taken(),
        _ => error.into(),
    })?;
    old_ids::claim(transaction, &new.id, None).await?;
    if let Some(by) = &new.by {
        users::upsert(transaction, [by]).await?;
    }
    Ok(row)
}

/// Returns the error for an id that another post has.
pub(super) fn taken() -> Error {
    Error::Conflict("A post with this id already exists.")
}
