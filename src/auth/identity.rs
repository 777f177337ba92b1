//! What a user may do.

use std::time::Duration;

use crate::{
    error::Error,
    model::{Comment, Role, Timestamp, User, UserId},
};

/// A user whose token was good, and until when it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Who.
    pub user: User,
    /// What they may do.
    pub role: Role,
    /// When the token is taken no more: its end, and the leeway for clocks that differ.
    pub expires_at: Timestamp,
}

impl Identity {
    /// `Forbidden` unless the role is at least `role`.
    pub fn require(&self, role: Role) -> Result<(), Error> {
        if self.role >= role {
            Ok(())
        } else {
            Err(Error::Forbidden("Your role does not allow this."))
        }
    }

    /// Whether a comment may be edited now: by its author until `window` has passed since it was
    /// added, by a moderator at any time.
    pub fn may_edit(
        &self,
        comment: &Comment,
        window: Duration,
        now: Timestamp,
    ) -> Result<(), Error> {
        if self.role == Role::Moderator {
            return Ok(());
        }
        if comment.author.id != self.user.id {
            return Err(Error::Forbidden("Only its author may edit a comment."));
        }
        if now.since(comment.created_at) > window {
            return Err(Error::Forbidden(
                "The time for editing this comment is over.",
            ));
        }
        Ok(())
    }

    /// Whether a comment may be deleted: by its author or a moderator, at any time.
    pub fn may_delete(&self, comment: &Comment) -> Result<(), Error> {
        if self.role == Role::Moderator || comment.author.id == self.user.id {
            Ok(())
        } else {
            Err(Error::Forbidden("Only its author may delete a comment."))
        }
    }

    /// Whether a user may be banned: by a moderator, who is another.
    pub fn may_ban(&self, user: &UserId) -> Result<(), Error> {
        self.require(Role::Moderator)?;
        if self.user.id == *user {
            return Err(Error::Forbidden("You cannot ban yourself."));
        }
        Ok(())
    }

    /// Whether a ban may be lifted: by a moderator.
    pub fn may_unban(&self) -> Result<(), Error> {
        self.require(Role::Moderator)
    }
}
