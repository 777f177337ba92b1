//! The messages with which a client joins a post's room and stays there.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::comment::POST;

/// The key of RFC 6455's example. Every client may send the same one.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
/// The server's answer to the key.
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// A stream that a page holds open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    CommentAdded,
    ViewerCount,
    Typing,
}

impl Stream {
    fn document(self) -> &'static str {
        match self {
            Self::CommentAdded => {
                "subscription CommentAdded($postId: ID!) { commentAdded(postId: $postId) \
                 { id body createdAt author { name avatar } } }"
            }
            Self::ViewerCount => {
                "subscription ViewerCount($postId: ID!) { viewerCount(postId: $postId) }"
            }
            Self::Typing => {
                "subscription Typing($postId: ID!) { typing(postId: $postId) \
                 { isTyping user { id name } } }"
            }
        }
    }
}

/// The protocol of a server's WebSocket.
#[derive(Clone, Copy, Debug)]
pub enum Protocol {
    /// graphql-transport-ws at `path`, with these streams for each client.
    GraphqlWs {
        path: &'static str,
        streams: &'static [Stream],
    },
    /// Socket.IO, by WebSocket from the start.
    SocketIo,
    /// The floor's protocol: a connected client is in the room.
    Bare,
}

/// A client's reaction to a message.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    Nothing,
    Send(Vec<String>),
    /// The client is in the room now.
    Joined,
}

/// The ids of a client's subscriptions, as graphql-ws generates them, in the order of its streams.
#[derive(Clone, Copy, Debug)]
pub struct SubscriptionIds([Uuid; 3]);

impl SubscriptionIds {
    pub fn new() -> Self {
        Self([(); 3].map(|()| Uuid::new_v4()))
    }
}

impl Protocol {
    /// Returns the request for the WebSocket.
    pub fn upgrade(&self) -> String {
        let (path, subprotocol) = match self {
            Self::GraphqlWs { path, .. } => {
                (*path, "Sec-WebSocket-Protocol: graphql-transport-ws\r\n")
            }
            Self::SocketIo => ("/socket.io/?EIO=4&transport=websocket", ""),
            Self::Bare => ("/", ""),
        };
        format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n{subprotocol}\r\n"
        )
    }

    /// Returns true if the head of an answer accepts the WebSocket.
    pub fn is_upgraded(&self, head: &[u8]) -> bool {
        let head = String::from_utf8_lossy(head);
        let has = |name: &str, value: &str| {
            let lines = head.lines().filter_map(|line| line.split_once(':'));
            let mut lines = lines.map(|(name, value)| (name, value.trim()));
            lines.any(|line| line.0.eq_ignore_ascii_case(name) && line.1 == value)
        };
        head.starts_with("HTTP/1.1 101 ")
            && has("sec-websocket-accept", ACCEPT)
            && (!matches!(self, Self::GraphqlWs { .. })
                || has("sec-websocket-protocol", "graphql-transport-ws"))
    }

    /// Returns the client's first message.
    pub fn opening(&self) -> Option<String> {
        matches!(self, Self::GraphqlWs { .. })
            .then(|| json!({ "type": "connection_init" }).to_string())
    }

    /// Returns the reaction of a joining client to a message.
    pub fn join(&self, ids: &SubscriptionIds, message: &str) -> Result<Answer, String> {
        match self {
            Self::GraphqlWs { streams, .. } => graphql(streams, ids, message),
            Self::SocketIo => socket_io(message),
            Self::Bare => Ok(Answer::Joined),
        }
    }

    /// Returns the reaction of a client in the room to a message without a comment.
    pub fn stay(&self, ids: &SubscriptionIds, message: &str) -> Result<Answer, String> {
        match self.join(ids, message)? {
            Answer::Joined => Ok(Answer::Nothing),
            answer => Ok(answer),
        }
    }

    /// Returns the comment in a message, if it came by the right stream.
    pub fn comment(&self, ids: &SubscriptionIds, message: &Value) -> Value {
        match self {
            Self::GraphqlWs { .. } if message["id"] != ids.0[0].to_string() => Value::Null,
            Self::GraphqlWs { .. } | Self::Bare => {
                message["payload"]["data"]["commentAdded"].clone()
            }
            Self::SocketIo => message[1].clone(),
        }
    }
}

/// Handles a message of graphql-transport-ws. With a stream of viewers, its first value means that the client
/// has joined, because it is subscribed to last. Otherwise the answer to a ping after the subscription means
/// it.
fn graphql(streams: &[Stream], ids: &SubscriptionIds, message: &str) -> Result<Answer, String> {
    let message: Value = serde_json::from_str(message).map_err(|error| error.to_string())?;
    let counted = streams
        .iter()
        .position(|stream| *stream == Stream::ViewerCount);
    match message["type"].as_str() {
        Some("connection_ack") => {
            let subscriptions = streams.iter().zip(ids.0).map(|(stream, id)| {
                let payload = json!({
                    "query": stream.document(),
                    "variables": { "postId": POST },
                });
                json!({ "id": id, "type": "subscribe", "payload": payload }).to_string()
            });
            let ping = counted
                .is_none()
                .then(|| json!({ "type": "ping" }).to_string());
            Ok(Answer::Send(subscriptions.chain(ping).collect()))
        }
        Some("ping") => Ok(Answer::Send(vec![json!({ "type": "pong" }).to_string()])),
        Some("pong") if counted.is_none() => Ok(Answer::Joined),
        Some("next") if message["payload"].get("errors").is_none() => {
            let is_count = counted.is_some_and(|at| message["id"] == ids.0[at].to_string());
            Ok(if is_count {
                Answer::Joined
            } else {
                Answer::Nothing
            })
        }
        Some("pong") => Ok(Answer::Nothing),
        _ => Err(message.to_string()),
    }
}

/// Handles a message of Socket.IO. The digits are the packet types of Engine.IO and Socket.IO.
fn socket_io(message: &str) -> Result<Answer, String> {
    let send = |message: String| Ok(Answer::Send(vec![message]));
    match message.as_bytes() {
        [b'0', ..] => send("40".into()),
        [b'2', ..] => send("3".into()),
        [b'4', b'0', ..] => send(format!("420{}", json!(["join", POST]))),
        [b'4', b'3', ..] => Ok(Answer::Joined),
        _ => Err(message.into()),
    }
}

/// Returns the JSON of a Socket.IO event, which follows its packet types.
pub fn json_of(message: &[u8]) -> &[u8] {
    let start = message.iter().position(|byte| !byte.is_ascii_digit());
    &message[start.unwrap_or(message.len())..]
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: Protocol = Protocol::GraphqlWs {
        path: "/graphql",
        streams: &[Stream::CommentAdded, Stream::Typing, Stream::ViewerCount],
    };

    #[test]
    fn page_has_joined_at_its_first_viewer_count() {
        let ids = SubscriptionIds::new();
        let Ok(Answer::Send(sent)) = PAGE.join(&ids, r#"{"type":"connection_ack"}"#) else {
            panic!("nothing is subscribed to");
        };
        assert_eq!(sent.len(), 3);
        let count = |id: Uuid| json!({ "id": id, "type": "next", "payload": { "data": {} } });
        let join = |message: Value| PAGE.join(&ids, &message.to_string());
        assert_eq!(join(count(ids.0[1])), Ok(Answer::Nothing));
        assert_eq!(join(count(ids.0[2])), Ok(Answer::Joined));
        assert!(join(json!({ "type": "error", "id": ids.0[0], "payload": [] })).is_err());
        assert!(join(json!({ "type": "complete", "id": ids.0[0] })).is_err());
    }

    #[test]
    fn socket_io_client_has_joined_once_acknowledged() {
        let ids = SubscriptionIds::new();
        let join = |message: &str| Protocol::SocketIo.join(&ids, message);
        assert_eq!(join(r#"0{"sid":"1"}"#), Ok(Answer::Send(vec!["40".into()])));
        assert_eq!(join("2"), Ok(Answer::Send(vec!["3".into()])));
        assert_eq!(join("430[]"), Ok(Answer::Joined));
        assert!(join("41").is_err());
    }

    #[test]
    fn upgrade_without_the_right_accept_is_refused() {
        let head =
            format!("HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: {ACCEPT}\r\n");
        assert!(Protocol::Bare.is_upgraded(head.as_bytes()));
        assert!(!PAGE.is_upgraded(head.as_bytes()));
        assert!(!Protocol::Bare.is_upgraded(b"HTTP/1.1 101 \r\nSec-WebSocket-Accept: no\r\n"));
    }
}
