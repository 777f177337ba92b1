//! The words of the domain as types: what every layer passes to the others.
//!
//! Nothing here does I/O. Identifiers are shared strings, so that handing one to
//! ten thousand members costs a reference count and no copy.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use uuid::Uuid;

/// Longest body of a comment, in characters after trimming.
pub const MAX_BODY_CHARS: usize = 10_000;
/// Longest title of a post, in characters after trimming.
pub const MAX_TITLE_CHARS: usize = 300;
/// Longest name of a user, in characters after trimming.
pub const MAX_NAME_CHARS: usize = 80;

/// Longest reason of a ban, in characters after trimming.
pub const MAX_REASON_CHARS: usize = 500;

/// Longest URL of a post, in bytes.
pub const MAX_URL_BYTES: usize = 2048;

macro_rules! shared_str {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The identifier as it is stored and sent.
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
    /// A post's id: the host site's own, 1 to 128 of `A-Z a-z 0-9 . _ ~ : / -`.
    PostId
}

shared_str! {
    /// A user's id: the `sub` of the user's tokens, 1 to 255 bytes, none of them zero.
    UserId
}

shared_str! {
    /// A client's id: one page or app instance, 1 to 64 of `A-Z a-z 0-9 . _ -`.
    ClientId
}

fn is_made_of(text: &str, longest: usize, punctuation: &[u8]) -> bool {
    (1..=longest).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || punctuation.contains(&byte))
}

impl PostId {
    /// `None` where the text cannot be a post's id.
    pub fn parse(text: &str) -> Option<Self> {
        is_made_of(text, 128, b"._~:/-").then(|| Self(text.into()))
    }
}

/// What a guest's id begins with.
const GUEST: &str = "guest:";

impl UserId {
    /// `None` where the text cannot be a user's id.
    pub fn parse(text: &str) -> Option<Self> {
        // PostgreSQL stores no U+0000.
        let is_id = (1..=255).contains(&text.len()) && !text.contains('\0');
        is_id.then(|| Self(text.into()))
    }

    /// The id of a new guest; no host site's account may begin with `guest:`.
    pub fn new_guest() -> Self {
        Self(format!("{GUEST}{}", Uuid::new_v4().simple()).into())
    }

    /// Whether it is a guest's: no token of a host site is taken that claims such an id.
    pub fn is_guest(&self) -> bool {
        self.0.starts_with(GUEST)
    }
}

impl ClientId {
    /// `None` where the text cannot be a client's id.
    pub fn parse(text: &str) -> Option<Self> {
        is_made_of(text, 64, b"._-").then(|| Self(text.into()))
    }

    /// The id of a client that did not name itself; no other client has it.
    pub fn new_unnamed() -> Self {
        Self(format!("unnamed.{}", Uuid::new_v4().simple()).into())
    }
}

/// Where a client is, as far as limits go. Whoever has one address of IPv6 has all of its /64.
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

/// A comment's id: a version 7 UUID. Its order is not the order of the feed: that is [`Seq`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CommentId(pub Uuid);

impl CommentId {
    /// An id that no other comment has.
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }

    /// `None` where the text cannot be a comment's id.
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

/// A change's place in its post's feed. The first change is 1; 0 is the place before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Seq(pub i64);

impl Seq {
    /// The place right after this one.
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// An instant in UTC, in milliseconds since 1970: integers sort the same in every database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// What the machine's clock says.
    pub fn now() -> Self {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    /// From seconds since 1970, as JWT claims count (RFC 7519, section 2, NumericDate).
    pub fn from_unix_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// From seconds since 1970 with a fraction, rounded down to a millisecond.
    #[allow(
        clippy::cast_possible_truncation,
        reason = "what is out of range becomes the nearest instant that is not"
    )]
    pub fn from_unix_seconds_f64(seconds: f64) -> Self {
        Self((seconds * 1000.0).floor() as i64)
    }

    /// Seconds since 1970, rounded down.
    pub fn unix_seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// The instant `duration` later.
    pub fn plus(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(millis))
    }

    /// How long from `earlier` to this instant; zero where `earlier` is not earlier.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0).try_into().unwrap_or(0))
    }
}

/// Who writes and reads under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The `sub` of the user's tokens.
    pub id: UserId,
    /// What others see.
    pub name: Arc<str>,
    /// An https URL.
    pub avatar: Option<Arc<str>>,
}

/// What a user may do, from least to most; each role may do what those before it may.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads, writes comments, edits and deletes their own.
    Reader,
    /// Also opens posts to comments.
    Author,
    /// Also edits and deletes the comments of others, at any time, and bans users.
    Moderator,
}

/// A user who is not let in any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ban {
    /// Who.
    pub user_id: UserId,
    /// The moderator who banned them.
    pub banned_by: UserId,
    /// When.
    pub at: Timestamp,
    /// Why, for other moderators.
    pub reason: Option<String>,
}

/// What is commented on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Post {
    /// The host site's own id.
    pub id: PostId,
    /// As the host site names it.
    pub title: String,
    /// Where it can be read, http or https.
    pub url: Option<String>,
    /// When it was opened to comments.
    pub created_at: Timestamp,
    /// Comments that are not deleted.
    pub comment_count: i64,
    /// The place of the newest change in its feed.
    pub seq: Seq,
}

/// A comment's complete state at one place of the feed, author included, so that showing it needs
/// no further look into the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    /// Unique over all posts.
    pub id: CommentId,
    /// The post it belongs to.
    pub post_id: PostId,
    /// The comment it answers, of the same post.
    pub parent_id: Option<CommentId>,
    /// Who wrote it.
    pub author: User,
    /// As it was written; empty once deleted.
    pub body: String,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it was last edited.
    pub edited_at: Option<Timestamp>,
    /// Whether only the tombstone is left.
    pub is_deleted: bool,
    /// The place of its addition.
    pub added_seq: Seq,
    /// The place of its latest change; that of its addition where there was none since.
    pub changed_seq: Seq,
    /// Direct replies, deleted ones included, as the list of replies has them.
    pub reply_count: i64,
}

/// What a change did to its comment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// The comment is new.
    Added,
    /// Its body is another.
    Edited,
    /// Only its tombstone is left.
    Deleted,
}

/// One change of a post's feed, with the state that it led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What was done.
    pub kind: ChangeKind,
    /// The change's place in the post's feed.
    pub seq: Seq,
    /// The client that did it, where it named itself: it is not sent its own change.
    pub origin: Option<ClientId>,
    /// The comment after the change.
    pub comment: Arc<Comment>,
}
