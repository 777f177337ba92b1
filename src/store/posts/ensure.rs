//! Opening posts that may be open already.

use sea_orm::DatabaseTransaction;

use super::{
    create::{NewPost, insert},
    lock::LockedPost,
    update::Field,
};
use crate::{
    error::Error,
    model::{Post, PostId, Profile, Timestamp},
    store::{Effects, Store, rows},
};

/// A post that is to be open under its id.
#[derive(Clone, Debug)]
pub struct EnsurePost {
    /// The host site's own id.
    pub id: PostId,
    /// The host site's title.
    pub title: String,
    /// The URL of the page, http or https.
    pub url: Field<Option<String>>,
    /// The author or moderator, whose row is updated to match.
    pub by: Profile,
    /// The current time.
    pub at: Timestamp,
}

/// A post that is open under its id.
#[derive(Clone, Debug)]
pub struct Ensured {
    /// The post.
    pub post: Post,
    /// True if it was opened now.
    pub was_created: bool,
    /// The effects that others are to hear of.
    pub effects: Effects,
}

impl Ensured {
    /// Returns the result for a post that is open already, and that nothing changes.
    pub(super) fn unchanged(post: Post) -> Self {
        Self {
            post,
            was_created: false,
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
        let new = NewPost {
            id: ensure.id,
            title: ensure.title,
            url: match ensure.url {
                Field::Keep => None,
                Field::Set(url) => url,
            },
            at: ensure.at,
            by: Some(ensure.by),
        };
        return Ok(Ensured {
            post: rows::post(insert(transaction, &new, None).await?)?,
            was_created: true,
            effects: Effects::default(),
        });
    };
    post.set_title(ensure.title);
    if let Field::Set(url) = ensure.url {
        post.set_url(url);
    }
    post.list();
    let (post, effects) = post.save(transaction, Some(&ensure.by)).await?;
    Ok(Ensured {
        post,
        was_created: false,
        effects,
    })
}
