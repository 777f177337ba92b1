//! Editing and deleting comments.

use std::sync::Arc;

use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter, QuerySelect, QueryTrait,
    sea_query::{Expr, ExprTrait},
};

use super::{
    read::find,
    seq::{advance_seq, lock_posts},
};
use crate::{
    error::{Error, Kind},
    model::{Change, ChangeKind, ClientId, Comment, CommentId, PostId, Profile, Seq, Timestamp},
    store::{
        Bodies, Store,
        entity::{
            comment::{ActiveModel, Column, Entity},
            post,
        },
        users,
    },
};

/// A new body for a comment.
#[derive(Clone, Debug)]
pub struct EditComment {
    /// The comment's id.
    pub id: CommentId,
    /// The new body, trimmed and not empty.
    pub body: String,
    /// The user who makes the change, whose row is updated to match.
    pub by: Profile,
    /// The current time.
    pub at: Timestamp,
    /// The client that makes the change.
    pub origin: Option<ClientId>,
}

/// A comment to turn into a tombstone.
#[derive(Clone, Debug)]
pub struct DeleteComment {
    /// The comment's id.
    pub id: CommentId,
    /// The user who makes the change, whose row is updated to match.
    pub by: Profile,
    /// The current time.
    pub at: Timestamp,
    /// The client that makes the change.
    pub origin: Option<ClientId>,
}

/// The result of a deletion.
#[derive(Clone, Debug)]
pub enum Deletion {
    /// The comment became a tombstone.
    Deleted(Change),
    /// The comment was a tombstone already, and nothing changed.
    AlreadyDeleted(Arc<Comment>),
}

impl Store {
    /// Replaces a comment's body, if `permit` allows it.
    ///
    /// Fails with `NotFound` if there is no such comment, and with `Conflict` if it is a tombstone.
    pub async fn edit_comment(
        &self,
        edit: EditComment,
        permit: impl Fn(&Comment) -> Result<(), Error> + Send + Sync + 'static,
    ) -> Result<Change, Error> {
        let permit = Arc::new(permit);
        self.writer
            .write(move |transaction| {
                let (edit, permit) = (edit.clone(), Arc::clone(&permit));
                Box::pin(async move {
                    lock_post_of(transaction, edit.id).await?;
                    // Before the comment is read, because the user may be its author.
                    users::upsert(transaction, [&edit.by]).await?;
                    let mut comment = find_existing(transaction, edit.id).await?;
                    permit(&comment)?;
                    if comment.is_deleted {
                        return Err(Error::Conflict("The comment was deleted."));
                    }
                    comment.changed_seq = next_seq(transaction, &comment.post_id, 0).await?;
                    comment.edited_at = Some(edit.at);
                    comment.body = edit.body;
                    let row = ActiveModel {
                        id: Set(edit.id.0),
                        body: Set(comment.body.clone()),
                        edited_at: Set(Some(edit.at.0)),
                        changed_seq: Set(comment.changed_seq.0),
                        changed_by: Set(edit.origin.as_ref().map(ToString::to_string)),
                        change_kind: Set(ChangeKind::Edited.into()),
                        ..ActiveModel::default()
                    };
                    update(transaction, row).await?;
                    Ok(Change {
                        kind: ChangeKind::Edited,
                        seq: comment.changed_seq,
                        origin: edit.origin,
                        comment: Arc::new(comment),
                    })
                })
            })
            .await
    }

    /// Turns a comment into a tombstone, if `permit` allows it. Its body is erased from the store. The
    /// tombstone leaves the lists if it has no replies.
    ///
    /// Fails with `NotFound` if there is no such comment.
    pub async fn delete_comment(
        &self,
        delete: DeleteComment,
        permit: impl Fn(&Comment) -> Result<(), Error> + Send + Sync + 'static,
    ) -> Result<Deletion, Error> {
        // A deletion is final, so a repeated one needs no writer.
        if let Some(comment) = self.comment(delete.id, Bodies::Omit).await?
            && comment.is_deleted
        {
            permit(&comment)?;
            return Ok(Deletion::AlreadyDeleted(Arc::new(comment)));
        }
        let permit = Arc::new(permit);
        self.writer
            .write(move |transaction| {
                let (delete, permit) = (delete.clone(), Arc::clone(&permit));
                Box::pin(async move {
                    lock_post_of(transaction, delete.id).await?;
                    let mut comment = find_existing(transaction, delete.id).await?;
                    permit(&comment)?;
                    if comment.is_deleted {
                        return Ok(Deletion::AlreadyDeleted(Arc::new(comment)));
                    }
                    users::upsert(transaction, [&delete.by]).await?;
                    comment.changed_seq = next_seq(transaction, &comment.post_id, -1).await?;
                    comment.is_deleted = true;
                    comment.body = String::new();
                    // Replies keep its tombstone in the lists, also if they are deleted later.
                    if comment.reply_count == 0 {
                        comment.entered_seq = None;
                        unlist_reply(transaction, comment.parent_id).await?;
                    }
                    let row = ActiveModel {
                        id: Set(delete.id.0),
                        body: Set(String::new()),
                        deleted_at: Set(Some(delete.at.0)),
                        entered_seq: Set(comment.entered_seq.map(|seq| seq.0)),
                        changed_seq: Set(comment.changed_seq.0),
                        changed_by: Set(delete.origin.as_ref().map(ToString::to_string)),
                        change_kind: Set(ChangeKind::Deleted.into()),
                        ..ActiveModel::default()
                    };
                    update(transaction, row).await?;
                    Ok(Deletion::Deleted(Change {
                        kind: ChangeKind::Deleted,
                        seq: comment.changed_seq,
                        origin: delete.origin,
                        comment: Arc::new(comment),
                    }))
                })
            })
            .await
    }
}

/// Locks the comment's post, because another node may be changing the comment.
async fn lock_post_of(transaction: &DatabaseTransaction, id: CommentId) -> Result<(), Error> {
    let post_id = Entity::find_by_id(id.0)
        .select_only()
        .column(Column::PostId)
        .into_query();
    lock_posts(transaction, post::Column::Id.in_subquery(post_id)).await?;
    Ok(())
}

async fn find_existing(transaction: &DatabaseTransaction, id: CommentId) -> Result<Comment, Error> {
    let comment = find(transaction, id, Bodies::Read).await?;
    comment.ok_or(Error::NotFound(Kind::Comment))
}

/// Takes the post's next seq, for a change that adds `comments` to its comment count.
async fn next_seq(
    transaction: &DatabaseTransaction,
    post: &PostId,
    comments: i64,
) -> Result<Seq, Error> {
    let seq = advance_seq(transaction, post, 1, comments).await?;
    seq.ok_or(Error::NotFound(Kind::Post))
}

/// Takes a reply that leaves the lists from its parent's reply count.
async fn unlist_reply(
    transaction: &DatabaseTransaction,
    parent: Option<CommentId>,
) -> Result<(), Error> {
    let Some(parent) = parent else { return Ok(()) };
    Entity::update_many()
        .col_expr(Column::ReplyCount, Expr::col(Column::ReplyCount).sub(1))
        .filter(Column::Id.eq(parent.0))
        .exec(transaction)
        .await?;
    Ok(())
}

async fn update(transaction: &DatabaseTransaction, row: ActiveModel) -> Result<(), Error> {
    Entity::update(row)
        .validate()?
        .exec_without_returning(transaction)
        .await?;
    Ok(())
}
