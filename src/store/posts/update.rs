//! Updating posts.

use sea_orm::DatabaseTransaction;

use super::lock::LockedPost;
use crate::{
    error::{Error, Kind},
    model::{ModerationMode, Post, PostId, Profile, Timestamp},
    store::{Effects, Store},
};

/// A field of an update.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Field<T> {
    /// The field stays as it is.
    #[default]
    Keep,
    /// The field is replaced.
    Set(T),
}

/// An update of a post.
#[derive(Clone, Debug)]
pub struct UpdatePost {
    /// The post's id.
    pub id: PostId,
    /// The title.
    pub title: Field<String>,
    /// The URL of the page, http or https; `None` clears it.
    pub url: Field<Option<String>>,
    /// True if new comments are taken.
    pub is_open: Field<bool>,
    /// The comments that wait for a moderator; `None` for the server's setting.
    pub moderation: Field<Option<ModerationMode>>,
    /// The user who makes the change, whose row is updated to match.
    pub by: Profile,
    /// The current time.
    pub at: Timestamp,
}

impl Store {
    /// Updates a post, and returns it with the effects that others are to hear of. An update that changes
    /// nothing stores nothing.
    ///
    /// Fails with `NotFound` if there is no such post.
    pub async fn update_post(&self, update: UpdatePost) -> Result<(Post, Effects), Error> {
        self.writer
            .write(move |transaction| {
                let update = update.clone();
                Box::pin(async move { apply(transaction, update).await })
            })
            .await
    }
}

async fn apply(
    transaction: &DatabaseTransaction,
    update: UpdatePost,
) -> Result<(Post, Effects), Error> {
    let post = LockedPost::find(transaction, &update.id).await?;
    let mut post = post.ok_or(Error::NotFound(Kind::Post))?;
    if let Field::Set(title) = update.title {
        post.set_title(title);
    }
    if let Field::Set(url) = update.url {
        post.set_url(url);
    }
    if let Field::Set(is_open) = update.is_open {
        post.set_open(is_open, update.at);
    }
    if let Field::Set(mode) = update.moderation {
        post.set_moderation(mode);
    }
    post.save(transaction, Some(&update.by)).await
}
