//! Editing comments.

use std::sync::Arc;

use super::{held::Screened, locked::LockedComment, state::Written};
use crate::{
    error::Error,
    model::{ClientId, Comment, CommentId, CommentStatus, Profile, Timestamp},
    store::Store,
};

/// A new body for a comment.
#[derive(Clone, Debug)]
pub struct EditComment {
    /// The comment's id.
    pub id: CommentId,
    /// The new body, trimmed and not empty.
    pub body: String,
    /// The findings on it.
    pub screened: Screened,
    /// The user who makes the change, whose row is updated to match.
    pub by: Profile,
    /// The current time.
    pub at: Timestamp,
    /// The client that makes the change.
    pub origin: Option<ClientId>,
}

impl Store {
    /// Replaces a comment's body, if `permit` allows it. A published comment is held again if its new text
    /// is to be held, and readers see it deleted.
    ///
    /// Fails with `NotFound` if there is no such comment, and with `Conflict` if it was deleted.
    pub async fn edit_comment(
        &self,
        edit: EditComment,
        permit: impl Fn(&Comment) -> Result<(), Error> + Send + Sync + 'static,
    ) -> Result<Written, Error> {
        let permit = Arc::new(permit);
        let written = self
            .writer
            .write(move |transaction| {
                let (edit, permit) = (edit.clone(), Arc::clone(&permit));
                Box::pin(async move {
                    let EditComment {
                        id, by, at, origin, ..
                    } = edit;
                    let comment = LockedComment::find(transaction, id, &by, at, origin);
                    let mut comment = comment.await?;
                    permit(&comment.now.own()?)?;
                    if comment.now.is_deleted() {
                        return Err(Error::Conflict("The comment was deleted."));
                    }
                    let reason = comment
                        .hold_reason(transaction, edit.screened, &by.user)
                        .await?;
                    comment.store_profile(transaction, &by).await?;
                    comment.edit(edit.body);
                    match (comment.now.status(), reason) {
                        (CommentStatus::Published, None) => {
                            comment.publish_edit(transaction).await?;
                        }
                        (CommentStatus::Published, Some(reason)) => {
                            comment.hold(reason);
                            comment.withdraw(transaction).await?;
                        }
                        // It waits already, and a moderator's decision stands.
                        (CommentStatus::Pending | CommentStatus::Rejected, _) => {}
                    }
                    comment.save(transaction).await
                })
            })
            .await?;
        self.moderation.written(written.held);
        Ok(written)
    }
}
