//! The types of the domain, which all layers share. Nothing here does I/O.
//!
//! Identifiers are shared strings, so that ten thousand members can have one without a copy.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    str::FromStr,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use uuid::Uuid;

mod hold_reason;

pub use self::hold_reason::HoldReason;

/// Maximum length of a comment's body, in characters after cleaning.
pub const MAX_BODY_CHARS: usize = 10_000;
/// Maximum length of a post's title, in characters after cleaning.
pub const MAX_TITLE_CHARS: usize = 300;
/// Maximum length of a user's name, in characters after cleaning.
pub const MAX_NAME_CHARS: usize = 80;
/// Maximum length of a ban's reason, in characters after cleaning.
pub const MAX_REASON_CHARS: usize = 500;

macro_rules! shared_str {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Returns the identifier as it is stored and sent.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

shared_str! {
    /// A post's id, chosen by the host site: 1 to 512 bytes without white space and control characters.
    ///
    /// Ids are compared byte by byte, so differently composed letters make different ids.
    PostId
}

shared_str! {
    /// A user's id, the `sub` of their tokens: 1 to 255 bytes without U+0000.
    UserId
}

shared_str! {
    /// The id of a client (one page or app instance): 1 to 64 of `A-Z a-z 0-9 . _ -`.
    ClientId
}

impl PostId {
    /// Returns `None` if `text` is not a valid post id.
    pub fn parse(text: &str) -> Option<Self> {
        let is_excluded = |character: char| character.is_whitespace() || character.is_control();
        let is_id = (1..=512).contains(&text.len()) && !text.contains(is_excluded);
        is_id.then(|| Self(text.into()))
    }
}

/// The id of the placeholder user of tombstones.
const DELETED: &str = "deleted";
/// Prefix of guests' ids.
const GUEST_PREFIX: &str = "guest:";
/// Prefix of the ids of users whose comments were imported.
const IMPORT_PREFIX: &str = "import:";
/// Id of the placeholder for the authors of tombstones.
const PLACEHOLDER: &str = "deleted";

impl UserId {
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
        self.is_guest() || self.0.starts_with(IMPORT_PREFIX) || *self.0 == *PLACEHOLDER
    }
}

impl ClientId {
    /// Returns `None` if `text` is not a valid client id.
    pub fn parse(text: &str) -> Option<Self> {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let is_id = (1..=64).contains(&text.len()) && text.bytes().all(is_allowed);
        is_id.then(|| Self(text.into()))
    }

    /// Creates a unique id for a client that did not name itself.
    pub fn new_unnamed() -> Self {
        Self(format!("unnamed.{}", Uuid::new_v4().simple()).into())
    }
}

/// A client's address as limits count it: an IPv4 address, or an IPv6 /64, because a client with one
/// IPv6 address usually controls its whole /64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientAddress(IpAddr);

impl From<IpAddr> for ClientAddress {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) => {
                let network = address.to_bits() & (u128::MAX << 64);
                Ipv6Addr::from_bits(network).into()
            }
            address @ IpAddr::V4(_) => address,
        })
    }
}

impl From<ClientAddress> for IpAddr {
    fn from(ClientAddress(address): ClientAddress) -> Self {
        address
    }
}

/// A comment's id: a version 7 UUID. Its order is not the feed's order, which is [`Seq`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CommentId(pub Uuid);

impl CommentId {
    /// Creates a unique id.
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }

    /// Returns `None` if `text` is not a UUID.
    pub fn parse(text: &str) -> Option<Self> {
        Uuid::try_parse(text).ok().map(Self)
    }
}

impl Default for CommentId {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for CommentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.hyphenated())
    }
}

/// A change's position in its post's feed. The first change is 1; 0 is the position before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Seq(pub i64);

impl Seq {
    /// Returns the next position.
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// An epoch of a database's feeds. Positions of different epochs have nothing in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epoch(pub u32);

impl Epoch {
    /// The epoch of a new database.
    pub const FIRST: Self = Self(1);
}

/// An instant in UTC, in milliseconds since 1970: integers sort the same in every database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Returns the time of the machine's clock, or 1970 if the clock is set before it.
    pub fn now() -> Self {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    /// Converts seconds since 1970, the unit of JWT claims (RFC 7519, section 2). Saturates.
    pub fn from_unix_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// Converts fractional seconds since 1970, rounded down to a millisecond. Saturates.
    #[allow(clippy::cast_possible_truncation, reason = "the cast saturates")]
    pub fn from_unix_seconds_f64(seconds: f64) -> Self {
        Self((seconds * 1000.0).floor() as i64)
    }

    /// Returns the seconds since 1970, rounded down.
    pub fn unix_seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Returns the instant `duration` later. Saturates.
    pub fn plus(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(millis))
    }

    /// Returns the time from `earlier` to this instant, or zero if `earlier` is not earlier.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0).try_into().unwrap_or(0))
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
        role.ok_or("must be reader, author or moderator")
    }
}

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

/// A page that can be commented on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Post {
    /// The id that the host site gave it.
    pub id: PostId,
    /// The title that the host site gave it.
    pub title: String,
    /// The page's address, http or https.
    pub url: Option<String>,
    /// Time at which the post was opened for comments.
    pub created_at: Timestamp,
    /// Number of comments that are not deleted.
    pub comment_count: i64,
    /// Position of the latest change in the post's feed.
    pub seq: Seq,
}

impl Post {
    /// Returns about how many bytes of memory it takes.
    pub fn bytes(&self) -> usize {
        let url = self.url.as_ref().map_or(0, String::len);
        size_of::<Self>() + self.id.as_str().len() + self.title.len() + url
    }
}

/// A comment's complete state at one position of the feed, author included, so that rendering it needs
/// no query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    /// The id, unique among the comments of all posts.
    pub id: CommentId,
    /// The post that the comment belongs to.
    pub post_id: PostId,
    /// The comment that this one replies to, in the same post.
    pub parent_id: Option<CommentId>,
    /// The user who wrote it.
    pub author: User,
    /// The text as it was written; empty once deleted.
    pub body: String,
    /// Time at which it was added.
    pub created_at: Timestamp,
    /// Time of the latest edit.
    pub edited_at: Option<Timestamp>,
    /// True if only the tombstone is left.
    pub is_deleted: bool,
    /// Position of its addition.
    pub added_seq: Seq,
    /// Position of its latest change, which may be its addition.
    pub changed_seq: Seq,
    /// Position of the change with which it last became listed; `None` if it is in no list.
    pub entered_seq: Option<Seq>,
    /// Number of its ancestors; 0 for a top-level comment.
    pub depth: i64,
    /// Number of direct replies that are listed.
    pub reply_count: i64,
}

impl Comment {
    /// Returns true if the comment is in the lists of its post.
    pub fn is_listed(&self) -> bool {
        self.entered_seq.is_some()
    }

    /// Returns about how many bytes of memory it takes.
    pub fn bytes(&self) -> usize {
        let texts = self.author.bytes() + self.body.len();
        size_of::<Self>() + self.post_id.as_str().len() + texts
    }
}

/// The kind of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// The comment is new.
    Added,
    /// The comment's body changed.
    Edited,
    /// The comment was deleted. Its tombstone is listed if it has replies.
    Deleted,
    /// The comment was published again.
    Restored,
}

/// A change of a post's feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The kind of the change.
    pub kind: ChangeKind,
    /// The change's position in the feed.
    pub seq: Seq,
    /// The client that made the change, if it named itself. It is not sent its own change.
    pub origin: Option<ClientId>,
    /// The comment after the change.
    pub comment: Arc<Comment>,
}
