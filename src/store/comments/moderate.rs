//! Decisions of moderators.

use sea_orm::DatabaseTransaction;

use super::{effects::Effects, locked::LockedComment, reports::resolve_reports};
use crate::{
    error::Error,
    model::{ClientId, CommentId, CommentStatus, ModeratedComment, Profile, Timestamp},
    store::Store,
};

/// An action of a moderator on a comment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModerationAction {
    /// Readers shall see it.
    Approve,
    /// Readers shall not see it.
    Reject,
}

/// A moderator's decision on a comment.
#[derive(Clone, Debug)]
pub struct ModerateComment {
    /// The comment's id.
    pub id: CommentId,
    /// The action.
    pub action: ModerationAction,
    /// The moderator, whose row is updated to match.
    pub by: Profile,
    /// The current time.
    pub at: Timestamp,
    /// The client that makes the change.
    pub origin: Option<ClientId>,
}

/// The result of a moderator's decision.
#[derive(Clone, Debug)]
pub struct Moderated {
    /// The comment as moderators see it.
    pub comment: ModeratedComment,
    /// The effects that others are to hear of.
    pub effects: Effects,
}

impl Store {
    /// Approves or rejects a comment, and resolves its reports. Approving a published comment only resolves
    /// them. Rejecting a rejected comment is a no-op.
    ///
    /// Fails with `NotFound` if there is no such comment. Fails with `Conflict` if it was deleted, or if it is
    /// to be published under a comment that is in no list.
    pub async fn moderate_comment(&self, decision: ModerateComment) -> Result<Moderated, Error> {
        let action = decision.action;
        let moderated = self
            .writer
            .write(move |transaction| {
                let decision = decision.clone();
                Box::pin(async move { moderate(transaction, decision).await })
            })
            .await?;
        // A no-op is no decision.
        if moderated.effects.queue {
            self.moderation.decided(action, 1);
        }
        Ok(moderated)
    }
}

async fn moderate(
    transaction: &DatabaseTransaction,
    decision: ModerateComment,
) -> Result<Moderated, Error> {
    let ModerateComment {
        id,
        action,
        by,
        at,
        origin,
    } = decision;
    let mut comment = LockedComment::find(transaction, id, &by, at, origin).await?;
    if comment.now.is_deleted() {
        return Err(Error::Conflict("The comment was deleted."));
    }
    let status = match (action, comment.now.status()) {
        (ModerationAction::Reject, CommentStatus::Rejected) => {
            return Ok(Moderated {
                comment: comment.now.moderated()?,
                effects: Effects::default(),
            });
        }
        (ModerationAction::Reject, CommentStatus::Pending) => CommentStatus::Rejected,
        (ModerationAction::Reject, CommentStatus::Published) => {
            comment.withdraw(transaction).await?;
            CommentStatus::Rejected
        }
        (ModerationAction::Approve, CommentStatus::Published) => CommentStatus::Published,
        (ModerationAction::Approve, CommentStatus::Pending | CommentStatus::Rejected) => {
            comment.publish(transaction).await?;
            CommentStatus::Published
        }
    };
    comment.store_profile(transaction, &by).await?;
    comment.decide(status, &by.user.id);
    resolve_reports(transaction, id, at).await?;
    let moderated = comment.now.moderated()?;
    let written = comment.save(transaction).await?;
    Ok(Moderated {
        comment: moderated,
        effects: written.effects,
    })
}
