//! Bans of users.

use super::{timestamp::Timestamp, user::UserId};

/// Maximum length of a ban's reason, in characters after cleaning.
pub const MAX_REASON_CHARS: usize = 500;

/// A ban, which keeps a user out until it is lifted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ban {
    /// The banned user.
    pub user_id: UserId,
    /// The moderator who banned them.
    pub banned_by: UserId,
    /// Time of the ban.
    pub at: Timestamp,
    /// A note for other moderators.
    pub reason: Option<String>,
}

impl Ban {
    /// Returns about how many bytes of memory it takes.
    pub fn bytes(&self) -> usize {
        let ids = self.user_id.as_str().len() + self.banned_by.as_str().len();
        size_of::<Self>() + ids + self.reason.as_ref().map_or(0, String::len)
    }
}
