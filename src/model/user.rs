//! Users of the host site and guests: their ids, profiles and roles.

use std::{str::FromStr, sync::Arc};

use uuid::Uuid;

use super::{client::AddressHash, shared_str::shared_str, timestamp::Timestamp};

/// Id and name of the placeholder for the authors of tombstones.
const DELETED: &str = "deleted";
/// Prefix of guests' ids.
const GUEST_PREFIX: &str = "guest:";
/// Prefix of the ids of users whose comments were imported.
const IMPORT_PREFIX: &str = "import:";

shared_str! {
    /// A user's id, the `sub` of their tokens: 1 to 255 bytes without U+0000.
    UserId
}

impl UserId {
    /// The rule for ids, as refusals state it.
    pub const RULE: &'static str = "must have 1 to 255 bytes, none of them 0";
    /// The rule for ids of the host site's users, as refusals state it.
    pub const UNRESERVED_RULE: &'static str = "must not be deleted or begin with guest: or import:";

    /// Returns `None` if `text` is not a valid user id.
    pub fn parse(text: &str) -> Option<Self> {
        // PostgreSQL cannot store U+0000.
        let is_id = (1..=255).contains(&text.len()) && !text.contains('\0');
        is_id.then(|| Self(text.into()))
    }

    /// Creates a random id for a new guest. It begins with `guest:`, which is reserved.
    pub fn new_guest() -> Self {
        Self(format!("{GUEST_PREFIX}{}", Uuid::new_v4().simple()).into())
    }

    /// Returns true for a guest's id.
    pub fn is_guest(&self) -> bool {
        self.0.starts_with(GUEST_PREFIX)
    }

    /// Returns true for an id that only this server gives. Tokens of the host site with such an id are
    /// refused.
    pub fn is_reserved(&self) -> bool {
        self.is_guest() || self.0.starts_with(IMPORT_PREFIX) || *self.0 == *DELETED
    }
}

/// A user of the host site, or a guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The `sub` of the user's tokens.
    pub id: UserId,
    /// The displayed name.
    pub name: Arc<str>,
    /// The picture, an http or https URL.
    pub avatar: Option<Arc<str>>,
    /// The permissions that their tokens grant.
    pub role: Role,
}

impl User {
    /// Returns the placeholder that tombstones have in place of their author.
    pub fn deleted() -> Self {
        Self {
            id: UserId(DELETED.into()),
            name: DELETED.into(),
            avatar: None,
            role: Role::Reader,
        }
    }

    /// Returns about how many bytes of memory its texts take.
    pub fn bytes(&self) -> usize {
        let avatar = self.avatar.as_ref().map_or(0, |avatar| avatar.len());
        self.id.as_str().len() + self.name.len() + avatar
    }
}

/// A user as a token describes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// The user.
    pub user: User,
    /// Time of the description. A later one replaces it.
    pub as_of: Timestamp,
    /// The place that a guest writes from. `None` for other users.
    pub source: Option<GuestSource>,
}

impl Profile {
    /// Creates the profile of a user whose address is not stored.
    pub fn new(user: User, as_of: Timestamp) -> Self {
        let source = None;
        Self {
            user,
            as_of,
            source,
        }
    }
}

/// The place that a guest writes from, which is stored with the write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuestSource {
    /// The hash of the address.
    pub address: AddressHash,
    /// The time of the write.
    pub at: Timestamp,
}

/// A user's permissions. Each role includes those before it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads, and writes, edits and deletes their own comments.
    Reader,
    /// Also opens posts to comments.
    Author,
    /// Also edits and deletes anyone's comments at any time, and bans users.
    Moderator,
}

impl Role {
    /// The rule for the names of roles, as refusals state it.
    pub const RULE: &'static str = "must be reader, author or moderator";

    /// Returns true for authors and moderators, whose comments never wait for a moderator.
    pub fn is_trusted(self) -> bool {
        self >= Self::Author
    }

    /// Returns the role as tokens and the database name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Author => "author",
            Self::Moderator => "moderator",
        }
    }
}

impl FromStr for Role {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let roles = [Self::Reader, Self::Author, Self::Moderator];
        let role = roles.into_iter().find(|role| role.as_str() == text);
        role.ok_or(Self::RULE)
    }
}
