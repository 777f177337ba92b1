//! Messages between nodes: domain events and room state, never rendered GraphQL.
//!
//! A message is JSON, so an operator can read it. It carries the format's version and its sender. A
//! node ignores messages of another version. That costs a delay, because what they report is found
//! in the store or reported again.
//!
//! Nodes of several releases run together during a rolling restart. So the names and the order of
//! the fields are fixed, whatever the Rust names are.

mod change;
mod decode_error;
mod packed;
mod room_end;
mod valid_id;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub(super) use self::valid_id::ValidId;
use self::{
    change::{WireChange, WireUser},
    decode_error::DecodeError,
    room_end::WireRoomEnd,
};
use super::peers::Nonce;
use crate::{
    model::{Change, ClientId, PostId, User, UserId},
    rooms::{Delta, NodeId, NodeTypist, RoomKey, Version, ViewerId},
};

/// Version of the format.
const FORMAT: u32 = 1;

/// A message of one node.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Message {
    pub(super) from: NodeId,
    pub(super) body: Body,
}

/// The contents of a message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Body {
    /// To a room: a committed change.
    Change(Arc<WireChange>),
    /// To a room, or to one node that asked: a change of the viewers and typists on the sender.
    #[serde(rename = "presence")]
    Delta {
        post: ValidId<PostId>,
        #[serde(flatten)]
        delta: WireDelta,
    },
    /// To a room: the end of a user's typing in a client.
    #[serde(rename = "stopped_typing")]
    TypingStopped {
        post: ValidId<PostId>,
        user: ValidId<UserId>,
        client: Option<ValidId<ClientId>>,
    },
    /// To a room that the sender has opened, or to a node whose delta it has missed: a request for
    /// snapshots.
    #[serde(rename = "ask")]
    SnapshotRequest { posts: Vec<ValidId<PostId>> },
    /// To all, or to one node that probed: the sender is alive and has these rooms.
    #[serde(rename = "beat")]
    Heartbeat(Heartbeat),
    /// To all, or to one node: a request for a heartbeat with this nonce.
    #[serde(rename = "call")]
    Probe { nonce: Nonce },
    /// To all: a question for the number of viewers, from a node without a room of these posts.
    #[serde(rename = "how_many")]
    CountRequest { posts: Vec<ValidId<PostId>> },
    /// To one node: the number of viewers of each post, if the sender has a room of it.
    #[serde(rename = "so_many")]
    CountReply {
        counts: Vec<(ValidId<PostId>, Option<u32>)>,
    },
    /// To all: something about this user's status has changed in the store.
    UserChanged { user: ValidId<UserId> },
    /// To a room: the post's details have this version.
    DetailsChanged { post: ValidId<PostId>, version: i64 },
    /// To a room: the post's reactions have this version.
    ReactionsChanged { post: ValidId<PostId>, version: i64 },
    /// To a room: it has ended.
    RoomEnded {
        post: ValidId<PostId>,
        end: WireRoomEnd,
    },
    /// To all: the lists that wait for moderators changed.
    QueueChanged,
    /// To all: the sender leaves, and its viewers with it.
    Leave,
}

/// A [`Delta`] in its wire form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct WireDelta {
    base: Option<Version>,
    version: Version,
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        with = "packed::viewers"
    )]
    joined: Vec<ViewerId>,
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        with = "packed::viewers"
    )]
    left: Vec<ViewerId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    typists: Option<Vec<WireTypist>>,
}

/// A [`NodeTypist`] in its wire form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct WireTypist {
    user: WireUser,
    clients: Vec<Option<ValidId<ClientId>>>,
}

/// A sign of life with a part of the sender's digest: its rooms whose keys are in a range.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Heartbeat {
    /// Nonce of the probe that this answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) nonce: Option<Nonce>,
    /// Version of the sender's last delta of any room.
    pub(super) version: Version,
    pub(super) first: RoomKey,
    pub(super) last: RoomKey,
    /// Version of the last delta of each room in the range.
    #[serde(with = "packed::room_versions")]
    pub(super) rooms: Vec<(RoomKey, Version)>,
}

#[derive(Serialize, Deserialize)]
struct Envelope<B> {
    v: u32,
    from: NodeId,
    #[serde(flatten)]
    body: B,
}

impl Message {
    pub(super) fn encode(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(&Envelope {
            v: FORMAT,
            from: self.from,
            body: &self.body,
        })
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        /// The part that all versions share.
        #[derive(Deserialize)]
        struct Head {
            v: u32,
        }
        let head: Head = serde_json::from_slice(bytes)?;
        if head.v != FORMAT {
            return Err(DecodeError::Format(head.v));
        }
        let Envelope { from, body, .. } = serde_json::from_slice(bytes)?;
        Ok(Self { from, body })
    }
}

impl Body {
    pub(super) fn change(change: &Change) -> Self {
        Self::Change(Arc::new(WireChange::from(change)))
    }
}

impl From<Delta> for WireDelta {
    fn from(delta: Delta) -> Self {
        Self {
            base: delta.base,
            version: delta.version,
            joined: delta.joined,
            left: delta.left,
            typists: delta
                .typists
                .map(|typists| typists.into_iter().map(WireTypist::from).collect()),
        }
    }
}

impl From<WireDelta> for Delta {
    fn from(delta: WireDelta) -> Self {
        Self {
            base: delta.base,
            version: delta.version,
            joined: delta.joined,
            left: delta.left,
            typists: delta
                .typists
                .map(|typists| typists.into_iter().map(NodeTypist::from).collect()),
        }
    }
}

impl From<NodeTypist> for WireTypist {
    fn from(typist: NodeTypist) -> Self {
        let clients = typist.clients.into_iter();
        Self {
            user: WireUser::from(&typist.user),
            clients: clients.map(|client| client.map(ValidId)).collect(),
        }
    }
}

impl From<WireTypist> for NodeTypist {
    fn from(typist: WireTypist) -> Self {
        let clients = typist.clients.into_iter();
        Self {
            user: User::from(&typist.user),
            clients: clients.map(|client| client.map(|id| id.0)).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rooms::testing::{change, user};

    fn round_trip(body: Body) -> String {
        let message = Message {
            from: NodeId::new(),
            body,
        };
        let bytes = message.encode().unwrap();
        assert_eq!(Message::decode(&bytes).unwrap(), message);
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn every_message_survives_a_round_trip() {
        let post = || ValidId(PostId::parse("a/post.1").unwrap());
        let ada = || ValidId(UserId::parse("ada").unwrap());
        let client = || ClientId::parse("tab").unwrap();
        let delta = Delta {
            base: Some(Version(1)),
            version: Version(2),
            joined: vec![ViewerId(1), ViewerId(u128::MAX)],
            left: Vec::new(),
            typists: Some(vec![NodeTypist {
                user: user("ada"),
                clients: vec![None, Some(client())],
            }]),
        };
        for body in [
            Body::change(&change(3)),
            Body::Delta {
                post: post(),
                delta: delta.clone().into(),
            },
            Body::TypingStopped {
                post: post(),
                user: ada(),
                client: Some(ValidId(client())),
            },
            Body::SnapshotRequest {
                posts: vec![post()],
            },
            Body::Heartbeat(Heartbeat {
                nonce: Some(Nonce::new()),
                version: Version(7),
                first: RoomKey(0),
                last: RoomKey(u64::MAX),
                rooms: vec![(RoomKey(u64::MAX - 1), Version(u64::MAX))],
            }),
            Body::Probe {
                nonce: Nonce::new(),
            },
            Body::CountRequest {
                posts: vec![post()],
            },
            Body::CountReply {
                counts: vec![(post(), Some(4)), (post(), None)],
            },
            Body::UserChanged { user: ada() },
            Body::DetailsChanged {
                post: post(),
                version: 3,
            },
            Body::ReactionsChanged {
                post: post(),
                version: 4,
            },
            Body::RoomEnded {
                post: post(),
                end: WireRoomEnd::Moved,
            },
            Body::QueueChanged,
            Body::Leave,
        ] {
            round_trip(body);
        }
        assert_eq!(Delta::from(WireDelta::from(delta.clone())), delta);
    }

    #[test]
    fn message_keeps_its_bytes() {
        const FROM: &str = r#""v":1,"from":"018f0000-0000-7000-8000-000000000001""#;
        for body in [
            r#""change":{"kind":"edited","seq":3,"origin":"tab","id":"018f0000-0000-7000-8000-000000000002","post":"a/post.1","parent":"018f0000-0000-7000-8000-000000000003","author":{"id":"ada","name":"Ada","avatar":"https://a","role":"author"},"body":"b","created_at":1,"edited_at":2,"is_deleted":false,"added_seq":1,"entered_seq":1,"depth":2,"reply_count":4}"#,
            r#""change":{"kind":"added","seq":3,"id":"018f0000-0000-7000-8000-000000000002","post":"p","author":{"id":"ada","name":"Ada"},"body":"b","created_at":1,"is_deleted":true,"added_seq":3,"depth":0,"reply_count":0}"#,
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
            r#""details_changed":{"post":"p","version":3}"#,
            r#""reactions_changed":{"post":"p","version":4}"#,
            r#""room_ended":{"post":"p","end":"moved"}"#,
            r#""room_ended":{"post":"p","end":"deleted"}"#,
            r#""queue_changed":null"#,
            r#""leave":null"#,
        ] {
            let json = format!("{{{FROM},{body}}}");
            let message = Message::decode(json.as_bytes()).unwrap();
            assert_eq!(String::from_utf8(message.encode().unwrap()).unwrap(), json);
        }
    }

    #[test]
    fn later_format_is_told_apart_from_malformed_bytes() {
        let later = br#"{"v":2,"from":"x","song":[]}"#;
        assert!(matches!(
            Message::decode(later),
            Err(DecodeError::Format(2))
        ));
        for bytes in [&b"hello"[..], b"{}", br#"{"v":1}"#, b"\xff"] {
            assert!(matches!(
                Message::decode(bytes),
                Err(DecodeError::Malformed(_))
            ));
        }
    }

    #[test]
    fn unknown_fields_are_ignored() {
        let json = round_trip(Body::Leave);
        assert!(json.contains("\"v\":1"), "{json}");
        // A body without fields is found beside unknown fields, too.
        let more = json.replacen('{', "{\"mood\":\"good\",", 1);
        assert!(Message::decode(more.as_bytes()).is_ok(), "{more}");
    }
}
