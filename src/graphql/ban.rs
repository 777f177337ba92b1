//! `Ban` as the schema shows it, and what is sent and answered when users are banned.

use async_graphql::{ID, InputObject, Object, SimpleObject};

use super::datetime::DateTime;
use crate::model;

/// A ban.
#[derive(Clone, Debug)]
pub struct Ban(pub model::Ban);

/// A user is let in no more, until a moderator lifts it.
#[Object]
impl Ban {
    /// Who is banned.
    async fn user_id(&self) -> ID {
        self.0.user_id.as_str().into()
    }

    /// The moderator who banned them.
    async fn banned_by(&self) -> ID {
        self.0.banned_by.as_str().into()
    }

    /// Since when.
    async fn banned_at(&self) -> DateTime {
        DateTime(self.0.at)
    }

    /// Why, as the moderator put it. The banned user is not told.
    async fn reason(&self) -> Option<&str> {
        self.0.reason.as_deref()
    }
}

/// A user to be banned.
#[derive(Debug, InputObject)]
pub struct BanUserInput {
    /// The user: a `User.id`, 1 to 255 bytes. It may be one who was never here.
    pub(super) user_id: ID,
    /// Why, for other moderators: at most 500 characters after trimming.
    pub(super) reason: Option<String>,
}

/// A user whose ban is to be lifted.
#[derive(Debug, InputObject)]
pub struct UnbanUserInput {
    /// The user.
    pub(super) user_id: ID,
}

/// The ban that is in effect.
#[derive(Debug, SimpleObject)]
pub struct BanUserPayload {
    /// The ban; where there was one already, that one.
    pub(super) ban: Ban,
}

/// What was lifted.
#[derive(Debug, SimpleObject)]
pub struct UnbanUserPayload {
    /// The user.
    pub(super) user_id: ID,
    /// Whether there was a ban.
    pub(super) was_banned: bool,
}
