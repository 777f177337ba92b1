//! Deleting comments.

use std::sync::Arc;

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};

use super::{effects::Effects, locked::LockedComment, reports::resolve_reports, state::Written};
use crate::{
    error::Error,
    model::{ClientId, Comment, CommentId, CommentStatus, Profile, Timestamp},
    store::{
        Bodies, Store,
        entity::comment::{Column, Entity},
        rows,
    },
};

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

impl Store {
    /// Turns a comment into a tombstone, if `permit` allows it. Its body is erased from the store. The
    /// tombstone leaves the lists if it has no replies. Deleting a deleted comment is a no-op.
    ///
    /// Fails with `NotFound` if there is no such comment.
    pub async fn delete_comment(
        &self,
        delete: DeleteComment,
        permit: impl Fn(&Comment) -> Result<(), Error> + Send + Sync + 'static,
    ) -> Result<Written, Error> {
        // A deletion is final, so a repeated one needs no writer.
        if let Some(comment) = self.deleted_comment(delete.id).await? {
            permit(&comment)?;
            return Ok(Written {
                comment: Arc::new(comment),
                status: CommentStatus::Published,
                held: None,
                effects: Effects::default(),
            });
        }
        let permit = Arc::new(permit);
        self.writer
            .write(move |transaction| {
                let (delete, permit) = (delete.clone(), Arc::clone(&permit));
                Box::pin(async move {
                    let DeleteComment { id, by, at, origin } = delete;
                    let comment = LockedComment::find(transaction, id, &by, at, origin);
                    let mut comment = comment.await?;
                    permit(&comment.now.own()?)?;
                    if comment.now.is_deleted() {
                        return comment.now.unchanged();
                    }
                    comment.store_profile(transaction, &by).await?;
                    if comment.now.is_visible() {
                        comment.withdraw(transaction).await?;
                    }
                    comment.erase();
                    let had_reports = resolve_reports(transaction, id, at).await?;
                    comment.queue_changed |=
                        had_reports || comment.now.status() == CommentStatus::Pending;
                    comment.save(transaction).await
                })
            })
            .await
    }

    /// Returns the tombstone with this id, if readers saw the comment and it was deleted for good.
    async fn deleted_comment(&self, id: CommentId) -> Result<Option<Comment>, Error> {
        let query = Entity::find_by_id(id.0)
            .filter(Column::DeletedAt.is_not_null())
            .filter(Column::AddedSeq.is_not_null());
        let query = rows::with_authors(query, Bodies::Omit);
        self.read(move |connection| {
            let query = query.clone();
            async move {
                let rows = connection.query_all(&query).await?;
                rows.first().map(rows::comment).transpose()
            }
        })
        .await
    }
}
