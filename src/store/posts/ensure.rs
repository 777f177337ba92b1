//! Opening posts that may be open already.

use sea_orm::{DatabaseTransaction, EntityTrait, QueryFilter};

use super::{
    create::{NewPost, insert},
    lock::LockedPost,
    old_ids::is_named,
    update::Field,
};
use crate::{
    error::Error,
    model::{Post, PostId, Profile, Timestamp},
    store::{
        Effects, Store,
        entity::post::{Column, Entity, Model},
        rows,
    },
};

/// A post that is to be open under its id.
#[derive(Clone, Debug)]
pub struct EnsurePost {
    /// The host site's own id.
    pub id: PostId,
    /// The host site's title.
    pub title: EnsuredTitle,
    /// The URL of the page, http or https.
    pub url: Field<Option<String>>,
    /// The author or moderator, whose row is updated to match. `None`: the operator.
    pub by: Option<Profile>,
    /// The current time.
    pub at: Timestamp,
}

/// The title of a post that is to be open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnsuredTitle {
    /// The title of the post, whether it exists or not.
    Always(String),
    /// The title of a new post. An existing one keeps its own.
    IfNew(String),
}

/// The outcome of ensuring that a post is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnsureOutcome {
    /// The post was opened.
    Opened,
    /// The title or the URL of the post changed, or it came into the list of posts.
    Updated,
    /// Nothing changed.
    Unchanged,
}

/// A post that is open under its id.
#[derive(Clone, Debug)]
pub struct Ensured {
    /// The post.
    pub post: Post,
    /// The outcome.
    pub outcome: EnsureOutcome,
    /// The effects that others are to hear of.
    pub effects: Effects,
}

impl Ensured {
    /// Returns the result for a post that is open already, and that nothing changes.
    pub(super) fn unchanged(post: Post) -> Self {
        Self {
            post,
            outcome: EnsureOutcome::Unchanged,
            effects: Effects::default(),
        }
    }
}

impl Store {
    /// Opens a post, or updates the title and the URL of the one that is open under its id. Idempotent.
    pub async fn ensure_post(&self, ensure: EnsurePost) -> Result<Ensured, Error> {
        match self.ensure_once(ensure.clone()).await {
            // Another node opened it at the same time.
            Err(Error::Conflict(_)) => self.ensure_once(ensure).await,
            ensured => ensured,
        }
    }

    /// Returns the outcome that [`ensure_post`](Self::ensure_post) would have now, and the present id of the
    /// post. Writes nothing.
    ///
    /// Fails with `Conflict` if a deleted post has the id still.
    pub async fn preview_ensure(
        &self,
        ensure: &EnsurePost,
    ) -> Result<(PostId, EnsureOutcome), Error> {
        let query = Entity::find().filter(is_named(Column::Id, &ensure.id));
        let rows = self
            .read(move |connection| {
                let query = query.clone();
                async move { Ok(query.all(&connection).await?) }
            })
            .await?;
        match rows.first() {
            None => Ok((ensure.id.clone(), EnsureOutcome::Opened)),
            Some(row) if row.deleted_at.is_some() => {
                Err(Error::Conflict("A deleted post has this id still."))
            }
            Some(row) if is_as_ensured(row, ensure) => {
                Ok((rows::post_id(&row.id)?, EnsureOutcome::Unchanged))
            }
            Some(row) => Ok((rows::post_id(&row.id)?, EnsureOutcome::Updated)),
        }
    }

    async fn ensure_once(&self, ensure: EnsurePost) -> Result<Ensured, Error> {
        self.writer
            .write(move |transaction| {
                let ensure = ensure.clone();
                Box::pin(async move { apply(transaction, ensure).await })
            })
            .await
    }
}

async fn apply(transaction: &DatabaseTransaction, ensure: EnsurePost) -> Result<Ensured, Error> {
    let Some(mut post) = LockedPost::find(transaction, &ensure.id).await? else {
        let (EnsuredTitle::Always(title) | EnsuredTitle::IfNew(title)) = ensure.title;
        let new = NewPost {
            id: ensure.id,
            title,
            url: match ensure.url {
                Field::Keep => None,
                Field::Set(url) => url,
            },
            at: ensure.at,
            by: ensure.by,
        };
        return Ok(Ensured {
            post: rows::post(insert(transaction, &new, None).await?)?,
            outcome: EnsureOutcome::Opened,
            effects: Effects::default(),
        });
    };
    let outcome = match is_as_ensured(post.stored(), &ensure) {
        true => EnsureOutcome::Unchanged,
        false => EnsureOutcome::Updated,
    };
    if let EnsuredTitle::Always(title) = ensure.title {
        post.set_title(title);
    }
    if let Field::Set(url) = ensure.url {
        post.set_url(url);
    }
    post.list();
    let (post, effects) = post.save(transaction, ensure.by.as_ref()).await?;
    Ok(Ensured {
        post,
        outcome,
        effects,
    })
}

/// Returns true if the post is listed, and has the title and the URL already.
fn is_as_ensured(row: &Model, ensure: &EnsurePost) -> bool {
    let has_title = match &ensure.title {
        EnsuredTitle::Always(title) => row.title == *title,
        EnsuredTitle::IfNew(_) => true,
    };
    let has_url = match &ensure.url {
        Field::Keep => true,
        Field::Set(url) => row.url == *url,
    };
    has_title && has_url && row.unlisted_since.is_none()
}
