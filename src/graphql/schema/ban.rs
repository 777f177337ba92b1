//! Bans.

use async_graphql::{ID, Object};

use super::datetime::DateTime;
use crate::model;

/// A ban.
#[derive(Clone, Debug)]
pub(super) struct Ban(pub model::Ban);

/// A ban: requests of the user are refused until a moderator lifts it.
#[Object]
impl Ban {
    /// The id of the banned user.
    async fn user_id(&self) -> ID {
        self.0.user_id.as_str().into()
    }

    /// The id of the moderator who banned the user.
    async fn banned_by(&self) -> ID {
        self.0.banned_by.as_str().into()
    }

    /// The time of the ban.
    async fn banned_at(&self) -> DateTime {
        DateTime(self.0.at)
    }

    /// The moderator's reason. The banned user does not see it.
    async fn reason(&self) -> Option<&str> {
        self.0.reason.as_deref()
    }
}
