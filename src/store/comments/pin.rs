//! Pinning comments.

use sea_orm::{
    ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter,
    sea_query::{Expr, ExprTrait},
};

use super::{effects::Effects, locked::LockedComment};
use crate::{
    error::{Error, Kind},
    model::{CommentId, Post, Profile, Timestamp},
    store::{
        Store,
        entity::post::{Column, Entity},
        rows, users,
    },
};

/// The state of a comment's pin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pin {
    /// The comment is shown above the others.
    Pinned,
    /// The comment is shown among the others.
    Unpinned,
}

/// A comment to pin or unpin.
#[derive(Clone, Debug)]
pub struct PinComment {
    /// The comment's id.
    pub id: CommentId,
    /// The new state of its pin.
    pub pin: Pin,
    /// The moderator, whose row is updated to match.
    pub by: Profile,
    /// The current time.
    pub at: Timestamp,
}

impl Store {
    /// Pins a comment, in place of the post's pinned one, or unpins it. Returns the post, and the effects
    /// that others are to hear of. Idempotent.
    ///
    /// Fails with `NotFound` if readers see no such comment.
    pub async fn pin_comment(&self, pin: PinComment) -> Result<(Post, Effects), Error> {
        self.writer
            .write(move |transaction| {
                let pin = pin.clone();
                Box::pin(async move { set(transaction, pin).await })
            })
            .await
    }
}

async fn set(transaction: &DatabaseTransaction, pin: PinComment) -> Result<(Post, Effects), Error> {
    let comment = LockedComment::find(transaction, pin.id, &pin.by, pin.at, None).await?;
    let post = &comment.now.post;
    let is_pinned = post.pinned_comment == Some(pin.id.0);
    let pinned = match pin.pin {
        Pin::Pinned if !comment.now.is_visible() => return Err(Error::NotFound(Kind::Comment)),
        Pin::Pinned if !is_pinned => Some(pin.id.0),
        Pin::Unpinned if is_pinned => None,
        Pin::Pinned | Pin::Unpinned => return Ok((rows::post(post.clone())?, Effects::default())),
    };
    users::upsert(transaction, [&pin.by]).await?;
    let changed = Entity::update_many()
        .col_expr(Column::PinnedComment, Expr::value(pinned))
        .col_expr(Column::Version, Expr::col(Column::Version).add(1))
        .col_expr(Column::DetailVersion, Expr::col(Column::Version).add(1))
        .filter(Column::Id.eq(&post.id))
        .exec_with_returning(transaction)
        .await?;
    let post = changed.into_iter().next();
    let post = rows::post(post.ok_or(Error::NotFound(Kind::Post))?)?;
    let effects = Effects::of_details(&post);
    Ok((post, effects))
}
