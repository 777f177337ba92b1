//! The rejection of a comment by a job, on behalf of a moderator.

use sea_orm::DatabaseTransaction;

use super::{effects::Effects, locked::LockedComment, reports::resolve_reports};
use crate::{
    error::Error,
    model::{CommentId, CommentStatus, Timestamp, UserId},
};

/// Rejects a comment and resolves its reports. Returns the effects that others are to hear of, or `None` if
/// it was deleted or rejected before.
pub(in crate::store) async fn reject_as(
    transaction: &DatabaseTransaction,
    id: CommentId,
    by: &UserId,
    at: Timestamp,
) -> Result<Option<Effects>, Error> {
    let comment = LockedComment::lock(transaction, id, at, None).await?;
    let is_due = |comment: &LockedComment| {
        let is_rejected = comment.now.status() == CommentStatus::Rejected;
        !is_rejected && !comment.now.is_deleted()
    };
    let Some(mut comment) = comment.filter(is_due) else {
        return Ok(None);
    };
    if comment.now.is_visible() {
        comment.withdraw(transaction).await?;
    }
    comment.decide(CommentStatus::Rejected, by);
    resolve_reports(transaction, id, at).await?;
    Ok(Some(comment.save(transaction).await?.effects))
}
