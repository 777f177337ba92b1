//! A post that a transaction changes.

use sea_orm::{DatabaseTransaction, EntityTrait, IntoActiveModel};

use super::old_ids::is_named;
use crate::{
    error::Error,
    model::{ModerationMode, Post, PostId, Profile, Timestamp},
    store::{
        Effects,
        comments::lock_posts,
        entity::post::{Column, Entity, Model},
        rows, users,
    },
};

/// A post whose row is locked until the transaction ends.
pub(super) struct LockedPost {
    /// The row as it is stored.
    stored: Model,
    /// The row as it will be.
    now: Model,
}

impl LockedPost {
    /// Locks the post that `id` names. Returns `None` if there is none.
    pub(super) async fn find(
        transaction: &DatabaseTransaction,
        id: &PostId,
    ) -> Result<Option<Self>, Error> {
        // A statement that has waited for a move finds nothing. The next one finds the post.
        for _ in 0..2 {
            let posts = lock_posts(transaction, is_named(Column::Id, id)).await?;
            if let Some(post) = posts.into_iter().next() {
                return Ok(Some(Self::of(post)));
            }
        }
        Ok(None)
    }

    /// Creates the state of a row that is locked.
    pub(super) fn of(stored: Model) -> Self {
        let now = stored.clone();
        Self { stored, now }
    }

    /// Returns the row as it is stored.
    pub(super) fn stored(&self) -> &Model {
        &self.stored
    }

    /// Returns the row as it is stored, and drops the changes.
    pub(super) fn into_stored(self) -> Model {
        self.stored
    }

    /// Gives it a new title.
    pub(super) fn set_title(&mut self, title: String) {
        self.now.title = title;
    }

    /// Gives it a new URL, or none.
    pub(super) fn set_url(&mut self, url: Option<String>) {
        self.now.url = url;
    }

    /// Opens it to new comments, or closes it. Opening a closed post is recorded with its time.
    pub(super) fn set_open(&mut self, is_open: bool, at: Timestamp) {
        if is_open && !self.now.is_open {
            self.now.opened_at = at.0;
        }
        self.now.is_open = is_open;
    }

    /// Sets the comments that wait for a moderator. `None`: as the server's setting says.
    pub(super) fn set_moderation(&mut self, mode: Option<ModerationMode>) {
        self.now.moderation = mode.map(Into::into);
    }

    /// Puts it into the list of posts, whether it has comments or not.
    pub(super) fn list(&mut self) {
        self.now.unlisted_since = None;
    }

    /// Stores what `by` changed, or the server itself, and returns the post with the effects that others are
    /// to hear of. Stores nothing if nothing changed.
    pub(super) async fn save(
        mut self,
        transaction: &DatabaseTransaction,
        by: Option<&Profile>,
    ) -> Result<(Post, Effects), Error> {
        if self.now == self.stored {
            return Ok((rows::post(self.stored)?, Effects::default()));
        }
        self.now.version += 1;
        self.now.detail_version = self.now.version;
        let mut update = self.stored.into_active_model();
        let now = self.now.clone();
        update.title.set_if_not_equals(now.title);
        update.url.set_if_not_equals(now.url);
        update.is_open.set_if_not_equals(now.is_open);
        update.opened_at.set_if_not_equals(now.opened_at);
        update.moderation.set_if_not_equals(now.moderation);
        update.unlisted_since.set_if_not_equals(now.unlisted_since);
        update.version.set_if_not_equals(now.version);
        update.detail_version.set_if_not_equals(now.detail_version);
        Entity::update(update)
            .validate()?
            .exec_without_returning(transaction)
            .await?;
        if let Some(by) = by {
            users::upsert(transaction, [by]).await?;
        }
        let post = rows::post(self.now)?;
        let effects = Effects::of_details(&post);
        Ok((post, effects))
    }
}
