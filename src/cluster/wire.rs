//! What nodes say to each other: domain events and who is where, never rendered GraphQL.
//!
//! A message is JSON, so that an operator can read along. It carries the version of this format and
//! the node that says it; a message of another version is not understood and left alone, which costs
//! a delay: what it told is found in the store, or told anew.

use std::sync::Arc;

use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use uuid::Uuid;

use super::peers::{NodeId, Nonce};
use crate::{
    model::{
        Change, ChangeKind, ClientId, Comment, CommentId, PostId, Seq, Timestamp, User, UserId,
    },
    rooms::viewer_id::{RoomKey, ViewerId},
};

/// The version of the format.
const FORMAT: u32 = 1;

/// What one node says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Message {
    /// The node's incarnation: another each time a process starts.
    pub(crate) from: NodeId,
    pub(crate) word: Word,
}

/// A message's contents.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Word {
    /// To a room: this was committed.
    Change(Arc<Event>),
    /// To a room, or to one node that asked: who reads and types on the sender.
    Presence {
        post: Name<PostId>,
        #[serde(flatten)]
        announcement: Announcement,
    },
    /// To a room: what this user types in this client has ended.
    StoppedTyping {
        post: Name<PostId>,
        user: Name<UserId>,
        client: Option<Name<ClientId>>,
    },
    /// To a room that the sender opens, or to a node whose announcement it has missed: tell me all.
    Ask { posts: Vec<Name<PostId>> },
    /// To all, or to one node that called: the sender is alive, and in these rooms.
    Beat(Beat),
    /// To all, or to one node: whoever hears this, send me your beat.
    Call { nonce: Nonce },
    /// To all: how many read these posts? From a node that is not in their rooms.
    HowMany { posts: Vec<Name<PostId>> },
    /// To one node: so many read these, where the sender is in the room.
    SoMany {
        counts: Vec<(Name<PostId>, Option<u32>)>,
    },
    /// To all: something about this user's standing has changed; the store knows what.
    UserChanged { user: Name<UserId> },
    /// To all: the sender goes, and its readers with it.
    Leave,
}

/// Which of a node's announcements, of all it makes: later ones are greater, and none is used twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Version(pub(crate) u64);

/// What has changed in one room on one node, or, without a base, everything that holds there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Announcement {
    /// The announcement about this room that it builds on.
    pub(crate) base: Option<Version>,
    pub(crate) version: Version,
    #[serde(default, skip_serializing_if = "ViewerIds::is_empty")]
    pub(crate) joined: ViewerIds,
    #[serde(default, skip_serializing_if = "ViewerIds::is_empty")]
    pub(crate) left: ViewerIds,
    /// All who type there, where that has changed or is said again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) typists: Option<Vec<TypistElsewhere>>,
}

/// A user who types on another node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct TypistElsewhere {
    pub(crate) user: Author,
    pub(crate) clients: Vec<Option<Name<ClientId>>>,
}

/// Part of the list of the rooms that a node is in: all whose keys lie between two.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Beat {
    /// The call that this answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) nonce: Option<Nonce>,
    /// Where the sender's announcements stood.
    pub(crate) version: Version,
    pub(crate) first: RoomKey,
    pub(crate) last: RoomKey,
    pub(crate) rooms: RoomVersions,
}

/// A set of viewers; packed, 16 bytes each.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ViewerIds(pub(crate) Vec<ViewerId>);

/// What a node announced last of each room; packed, 16 bytes each.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct RoomVersions(pub(crate) Vec<(RoomKey, Version)>);

/// An identifier, checked as it is read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Name<T>(pub(crate) T);

/// A committed change, with the comment as it is after it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Event {
    kind: Kind,
    seq: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    origin: Option<Name<ClientId>>,
    id: Uuid,
    post: Name<PostId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parent: Option<Uuid>,
    author: Author,
    body: String,
    created_at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    edited_at: Option<i64>,
    is_deleted: bool,
    added_seq: i64,
    reply_count: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Added,
    Edited,
    Deleted,
}

/// A user as others see them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Author {
    id: Name<UserId>,
    name: Arc<str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    avatar: Option<Arc<str>>,
}

/// Why a message means nothing to this node.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("it is not a message: {0}")]
    Malformed(#[from] serde_json::Error),
    #[error("its format has version {0}, this node speaks {FORMAT}")]
    Format(u32),
}

#[derive(Serialize, Deserialize)]
struct Envelope<W> {
    v: u32,
    from: NodeId,
    #[serde(flatten)]
    word: W,
}

impl Message {
    pub(crate) fn encode(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(&Envelope {
            v: FORMAT,
            from: self.from,
            word: &self.word,
        })
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        /// What every version has.
        #[derive(Deserialize)]
        struct Head {
            v: u32,
        }
        let head: Head = serde_json::from_slice(bytes)?;
        if head.v != FORMAT {
            return Err(Unreadable::Format(head.v));
        }
        let Envelope { from, word, .. } = serde_json::from_slice(bytes)?;
        Ok(Self { from, word })
    }
}

impl From<&Change> for Event {
    fn from(change: &Change) -> Self {
        let comment = &change.comment;
        Self {
            kind: match change.kind {
                ChangeKind::Added => Kind::Added,
                ChangeKind::Edited => Kind::Edited,
                ChangeKind::Deleted => Kind::Deleted,
            },
            seq: change.seq.0,
            origin: change.origin.clone().map(Name),
            id: comment.id.0,
            post: Name(comment.post_id.clone()),
            parent: comment.parent_id.map(|id| id.0),
            author: Author::from(&comment.author),
            body: comment.body.clone(),
            created_at: comment.created_at.0,
            edited_at: comment.edited_at.map(|at| at.0),
            is_deleted: comment.is_deleted,
            added_seq: comment.added_seq.0,
            reply_count: comment.reply_count,
        }
    }
}

impl From<&Event> for Change {
    fn from(event: &Event) -> Self {
        Self {
            kind: match event.kind {
                Kind::Added => ChangeKind::Added,
                Kind::Edited => ChangeKind::Edited,
                Kind::Deleted => ChangeKind::Deleted,
            },
            seq: Seq(event.seq),
            origin: event.origin.clone().map(|name| name.0),
            comment: Arc::new(Comment {
                id: CommentId(event.id),
                post_id: event.post.0.clone(),
                parent_id: event.parent.map(CommentId),
                author: User::from(&event.author),
                body: event.body.clone(),
                created_at: Timestamp(event.created_at),
                edited_at: event.edited_at.map(Timestamp),
                is_deleted: event.is_deleted,
                added_seq: Seq(event.added_seq),
                changed_seq: Seq(event.seq),
                reply_count: event.reply_count,
            }),
        }
    }
}

impl From<&User> for Author {
    fn from(user: &User) -> Self {
        Self {
            id: Name(user.id.clone()),
            name: Arc::clone(&user.name),
            avatar: user.avatar.clone(),
        }
    }
}

impl From<&Author> for User {
    fn from(author: &Author) -> Self {
        Self {
            id: author.id.0.clone(),
            name: Arc::clone(&author.name),
            avatar: author.avatar.clone(),
        }
    }
}

macro_rules! name {
    ($id:ident) => {
        impl Serialize for Name<$id> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.0.as_str())
            }
        }

        impl<'de> Deserialize<'de> for Name<$id> {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                $id::parse(&text)
                    .map(Name)
                    .ok_or_else(|| D::Error::custom(concat!("not a ", stringify!($id))))
            }
        }
    };
}

name!(PostId);
name!(UserId);
name!(ClientId);

impl ViewerIds {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for ViewerIds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        pack(self.0.iter().map(|viewer| viewer.0), serializer)
    }
}

impl<'de> Deserialize<'de> for ViewerIds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(unpack(deserializer)?.map(ViewerId).collect()))
    }
}

impl Serialize for RoomVersions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let pairs = self
            .0
            .iter()
            .map(|(room, version)| u128::from(room.0) << u64::BITS | u128::from(version.0));
        pack(pairs, serializer)
    }
}

impl<'de> Deserialize<'de> for RoomVersions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[allow(clippy::cast_possible_truncation, reason = "each takes its half")]
        let pair = |both: u128| {
            let (room, version) = ((both >> u64::BITS) as u64, both as u64);
            (RoomKey(room), Version(version))
        };
        Ok(Self(unpack(deserializer)?.map(pair).collect()))
    }
}

impl Serialize for RoomKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RoomKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u64::deserialize(deserializer).map(Self)
    }
}

fn pack<S: Serializer>(
    numbers: impl Iterator<Item = u128>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let bytes: Vec<u8> = numbers.flat_map(u128::to_be_bytes).collect();
    serializer.serialize_str(&BASE64_STANDARD_NO_PAD.encode(bytes))
}

fn unpack<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<impl Iterator<Item = u128>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let bytes = BASE64_STANDARD_NO_PAD
        .decode(text)
        .map_err(D::Error::custom)?;
    let (numbers, rest) = bytes.as_chunks::<16>();
    if !rest.is_empty() {
        return Err(D::Error::custom("numbers have 16 bytes"));
    }
    let numbers: Vec<u128> = numbers
        .iter()
        .map(|bytes| u128::from_be_bytes(*bytes))
        .collect();
    Ok(numbers.into_iter())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rooms::resequencer::tests::change;

    fn there_and_back(word: Word) -> String {
        let message = Message {
            from: NodeId::new(),
            word,
        };
        let bytes = message.encode().unwrap();
        assert_eq!(Message::decode(&bytes).unwrap(), message);
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn every_word_is_read_as_it_was_said() {
        let post = || Name(PostId::parse("a/post.1").unwrap());
        let user = || Name(UserId::parse("ada").unwrap());
        let client = || Some(Name(ClientId::parse("tab").unwrap()));
        let typist = TypistElsewhere {
            user: Author::from(&change(1).comment.author),
            clients: vec![None, client()],
        };
        for word in [
            Word::Change(Arc::new(Event::from(&*change(3)))),
            Word::Presence {
                post: post(),
                announcement: Announcement {
                    base: Some(Version(1)),
                    version: Version(2),
                    joined: ViewerIds(vec![ViewerId(1), ViewerId(u128::MAX)]),
                    left: ViewerIds::default(),
                    typists: Some(vec![typist]),
                },
            },
            Word::StoppedTyping {
                post: post(),
                user: user(),
                client: client(),
            },
            Word::Ask {
                posts: vec![post()],
            },
            Word::Beat(Beat {
                nonce: Some(Nonce::new()),
                version: Version(7),
                first: RoomKey(0),
                last: RoomKey(u64::MAX),
                rooms: RoomVersions(vec![(RoomKey(u64::MAX - 1), Version(u64::MAX))]),
            }),
            Word::Call {
                nonce: Nonce::new(),
            },
            Word::HowMany {
                posts: vec![post()],
            },
            Word::SoMany {
                counts: vec![(post(), Some(4)), (post(), None)],
            },
            Word::UserChanged { user: user() },
            Word::Leave,
        ] {
            there_and_back(word);
        }
    }

    #[test]
    fn message_keeps_its_bytes() {
        const FROM: &str = r#""v":1,"from":"018f0000-0000-7000-8000-000000000001""#;
        for body in [
            r#""change":{"kind":"edited","seq":3,"origin":"tab","id":"018f0000-0000-7000-8000-000000000002","post":"a/post.1","parent":"018f0000-0000-7000-8000-000000000003","author":{"id":"ada","name":"Ada","avatar":"https://a"},"body":"b","created_at":1,"edited_at":2,"is_deleted":false,"added_seq":1,"reply_count":4}"#,
            r#""change":{"kind":"added","seq":3,"id":"018f0000-0000-7000-8000-000000000002","post":"p","author":{"id":"ada","name":"Ada"},"body":"b","created_at":1,"is_deleted":true,"added_seq":3,"reply_count":0}"#,
            r#""presence":{"post":"p","base":1,"version":2,"joined":"AAAAAAAAAAAAAAAAAAAAAf////////////////////8","left":"AAAAAAAAAAAAAAAAAAAAAg","typists":[{"user":{"id":"ada","name":"Ada"},"clients":[null,"tab"]}]}"#,
            r#""presence":{"post":"p","base":null,"version":2}"#,
            r#""stopped_typing":{"post":"p","user":"ada","client":null}"#,
            r#""ask":{"posts":["p","q"]}"#,
            r#""beat":{"nonce":"018f0000-0000-4000-8000-000000000004","version":7,"first":0,"last":18446744073709551615,"rooms":"//////////4AAAAAAAAABw"}"#,
            r#""beat":{"version":0,"first":0,"last":1,"rooms":""}"#,
            r#""call":{"nonce":"018f0000-0000-4000-8000-000000000004"}"#,
            r#""how_many":{"posts":["p"]}"#,
            r#""so_many":{"counts":[["p",4],["q",null]]}"#,
            r#""user_changed":{"user":"ada"}"#,
            r#""leave":null"#,
        ] {
            let json = format!("{{{FROM},{body}}}");
            let message = Message::decode(json.as_bytes()).unwrap();
            assert_eq!(String::from_utf8(message.encode().unwrap()).unwrap(), json);
        }
    }

    #[test]
    fn an_event_is_the_change_that_it_was_made_of() {
        let before = change(3);
        assert_eq!(Change::from(&Event::from(&*before)), *before);
    }

    #[test]
    fn what_a_later_version_says_is_told_apart_from_what_is_no_message() {
        let later = br#"{"v":2,"from":"x","song":[]}"#;
        assert!(matches!(Message::decode(later), Err(Unreadable::Format(2))));
        for bytes in [&b"hello"[..], b"{}", br#"{"v":1}"#, b"\xff"] {
            assert!(matches!(
                Message::decode(bytes),
                Err(Unreadable::Malformed(_))
            ));
        }
    }

    #[test]
    fn what_a_later_node_adds_is_passed_over() {
        let json = there_and_back(Word::Leave);
        assert!(json.contains("\"v\":1"), "{json}");
        let more = json.replacen('{', "{\"mood\":\"good\",", 1);
        // A word that has no fields is a string: what it says is still found.
        assert!(Message::decode(more.as_bytes()).is_ok(), "{more}");
    }
}
