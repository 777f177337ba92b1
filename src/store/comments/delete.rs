//! Deleting comments.

use std::sync::Arc;

use super::{
    locked::LockedComment,
    reactions::delete_reactions,
    reports::resolve_reports,
    state::{StoredComment, Written},
};
use crate::{
    error::Error,
    model::{ClientId, Comment, CommentId, CommentStatus, Profile, Timestamp},
    store::Store,
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
        if let Some(deleted) = self.deleted_comment(delete.id).await? {
            permit(&deleted.comment)?;
            return Ok(deleted);
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
                    delete_reactions(transaction, id).await?;
                    let had_reports = resolve_reports(transaction, id, at).await?;
                    comment.queue_changed |=
                        had_reports || comment.now.status() == CommentStatus::Pending;
                    comment.save(transaction).await
                })
            })
            .await
    }

    /// Returns the comment with this id, if readers saw it and it was deleted for good.
    async fn deleted_comment(&self, id: CommentId) -> Result<Option<Written>, Error> {
        self.read(move |connection| async move {
            let found = StoredComment::find(&connection, id).await?;
            let deleted = found.filter(|comment| comment.is_deleted() && comment.was_published());
            deleted.map(|comment| comment.unchanged()).transpose()
        })
        .await
    }
}
