//! Reactions of users to comments.
//!
//! A reaction changes no feed. The lock of the post orders reactions, so their numbers and the score are exact.
//! Those of a withdrawn comment are kept and not shown, and its score is 0 until it is published again.

use std::sync::Arc;

use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, DatabaseTransaction, DbErr, EntityTrait, QueryFilter,
    sea_query::{Expr, ExprTrait, OnConflict},
};
use uuid::Uuid;

use super::{
    effects::{ChangedReactions, Effects},
    locked::LockedComment,
};
use crate::{
    error::{Error, Kind},
    model::{Comment, CommentId, Profile, ReactionContent, ReactionCounts, Timestamp},
    store::{
        Store,
        entity::{comment, post, reaction, reaction_count},
        rows,
    },
};

/// The state of a user's reaction to a comment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReactionState {
    /// It is counted.
    Added,
    /// It is not there.
    Removed,
}

/// A reaction to add or remove.
#[derive(Clone, Debug)]
pub struct React {
    /// The comment's id.
    pub comment: CommentId,
    /// The content.
    pub content: ReactionContent,
    /// The new state of the reaction.
    pub state: ReactionState,
    /// The user, whose row is updated to match.
    pub by: Profile,
    /// The current time.
    pub at: Timestamp,
}

impl Store {
    /// Adds or removes a user's reaction. Returns the comment, and the effects that others are to hear of.
    /// Idempotent: a repeated one stores nothing and has no effects.
    ///
    /// Fails with `NotFound` if readers see no such comment.
    pub async fn react(&self, react: React) -> Result<(Arc<Comment>, Effects), Error> {
        self.writer
            .write(move |transaction| {
                let react = react.clone();
                Box::pin(async move { apply(transaction, react).await })
            })
            .await
    }
}

async fn apply(
    transaction: &DatabaseTransaction,
    react: React,
) -> Result<(Arc<Comment>, Effects), Error> {
    let React {
        comment: id,
        content,
        state,
        by,
        at,
    } = react;
    let mut comment = LockedComment::find(transaction, id, &by, at, None).await?;
    if !comment.now.is_visible() {
        return Err(Error::NotFound(Kind::Comment));
    }
    let key = (id.0, by.user.id.to_string(), content.into());
    let found = reaction::Entity::find_by_id(key.clone());
    let is_there = !found.all(transaction).await?.is_empty();
    let difference = match (state, is_there) {
        (ReactionState::Added, false) => 1,
        (ReactionState::Removed, true) => -1,
        (ReactionState::Added, true) | (ReactionState::Removed, false) => {
            return Ok((Arc::new(comment.now.own()?), Effects::default()));
        }
    };
    comment.store_profile(transaction, &by).await?;
    let post = &comment.now.post;
    match state {
        ReactionState::Added => {
            let (comment_id, user_id, content) = key;
            let row = reaction::ActiveModel {
                comment_id: Set(comment_id),
                user_id: Set(user_id),
                content: Set(content),
                post_id: Set(post.id.clone()),
                created_at: Set(at.0),
            };
            reaction::Entity::insert(row)
                .exec_without_returning(transaction)
                .await?;
        }
        ReactionState::Removed => {
            let gone = reaction::Entity::delete_by_id(key);
            gone.exec(transaction).await?;
        }
    }
    count(transaction, id.0, content, difference).await?;
    let version = post.version + 1;
    raise(transaction, &post.id, version).await?;
    score(transaction, id.0, content.score() * difference, version).await?;
    let reactions = ChangedReactions {
        post: rows::post_id(&post.id)?,
        version,
    };
    let effects = Effects {
        reactions: Some(reactions),
        ..Effects::default()
    };
    Ok((Arc::new(comment.now.own()?), effects))
}

/// Adds `difference` to the number of a comment's reactions of a content.
async fn count(
    transaction: &DatabaseTransaction,
    comment: Uuid,
    content: ReactionContent,
    difference: i64,
) -> Result<(), DbErr> {
    use reaction_count::{ActiveModel, Column, Entity};
    let row = ActiveModel {
        comment_id: Set(comment),
        content: Set(content.into()),
        count: Set(difference),
    };
    let sum = Expr::col((Entity, Column::Count)).add(difference);
    Entity::insert(row)
        .on_conflict(
            OnConflict::columns([Column::CommentId, Column::Content])
                .value(Column::Count, sum)
                .to_owned(),
        )
        .exec_without_returning(transaction)
        .await?;
    Ok(())
}

/// Gives the post the version of a change of reactions.
async fn raise(transaction: &DatabaseTransaction, id: &str, version: i64) -> Result<(), DbErr> {
    use post::{Column, Entity};
    Entity::update_many()
        .col_expr(Column::Version, Expr::value(version))
        .col_expr(Column::ReactionVersion, Expr::value(version))
        .filter(Column::Id.eq(id))
        .exec(transaction)
        .await?;
    Ok(())
}

/// Adds `difference` to a comment's score, and records the post's version of this change.
async fn score(
    transaction: &DatabaseTransaction,
    id: Uuid,
    difference: i64,
    version: i64,
) -> Result<(), DbErr> {
    use comment::{Column, Entity};
    Entity::update_many()
        .col_expr(Column::Score, Expr::col(Column::Score).add(difference))
        .col_expr(Column::ReactionVersion, Expr::value(version))
        .filter(Column::Id.eq(id))
        .exec(transaction)
        .await?;
    Ok(())
}

/// Returns the score of a comment that is published again.
pub(super) async fn kept_score(
    transaction: &DatabaseTransaction,
    comment: Uuid,
) -> Result<i64, DbErr> {
    use reaction_count::{Column, Entity};
    let rows = Entity::find()
        .filter(Column::CommentId.eq(comment))
        .all(transaction)
        .await?;
    let mut counts = ReactionCounts::default();
    for row in rows {
        counts.set(row.content.into(), row.count);
    }
    Ok(counts.score())
}

/// Deletes all reactions to a comment that is deleted.
pub(super) async fn delete_reactions(
    transaction: &DatabaseTransaction,
    comment: CommentId,
) -> Result<(), DbErr> {
    reaction::Entity::delete_many()
        .filter(reaction::Column::CommentId.eq(comment.0))
        .exec(transaction)
        .await?;
    reaction_count::Entity::delete_many()
        .filter(reaction_count::Column::CommentId.eq(comment.0))
        .exec(transaction)
        .await?;
    Ok(())
}
