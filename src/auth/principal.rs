//! The authenticated user, and the rules for what a user may do.

use std::time::Duration;

use crate::{
    error::Error,
    model::{Comment, Profile, Role, Timestamp, User, UserId},
};

/// A user whose token was valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The user that the token describes, with the role that it grants.
    pub user: User,
    /// The token's `iat`.
    pub issued_at: Option<Timestamp>,
    /// The token's `exp`, plus the leeway for clock differences.
    pub expires_at: Timestamp,
}

impl Principal {
    /// Returns the user as of the time that the token was issued, or of its use at `now` if that is
    /// earlier or the token does not say. It has no address, which writes of guests need.
    pub fn profile(&self, now: Timestamp) -> Profile {
        let as_of = self.issued_at.map_or(now, |issued_at| issued_at.min(now));
        Profile::new(self.user.clone(), as_of)
    }

    /// Returns `Forbidden` unless the role is at least `role`.
    pub fn require(&self, role: Role) -> Result<(), Error> {
        if self.user.role >= role {
            Ok(())
        } else {
            Err(Error::ROLE)
        }
    }

    /// Checks that the user may edit `comment`: its author within `window` after its creation, a
    /// moderator at any time.
    pub fn may_edit(
        &self,
        comment: &Comment,
        window: Duration,
        now: Timestamp,
    ) -> Result<(), Error> {
        if self.user.role == Role::Moderator {
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

    /// Checks that the user may delete `comment`: its author or a moderator, at any time.
    pub fn may_delete(&self, comment: &Comment) -> Result<(), Error> {
        if self.user.role == Role::Moderator || comment.author.id == self.user.id {
            Ok(())
        } else {
            Err(Error::Forbidden("Only its author may delete a comment."))
        }
    }

    /// Checks that the user may ban `user`: a moderator anyone but themselves.
    pub fn may_ban(&self, user: &UserId) -> Result<(), Error> {
        self.require(Role::Moderator)?;
        if self.user.id == *user {
            return Err(Error::Forbidden("You cannot ban yourself."));
        }
        Ok(())
    }

    /// Checks that the user may lift bans: a moderator.
    pub fn may_unban(&self) -> Result<(), Error> {
        self.require(Role::Moderator)
    }
}
