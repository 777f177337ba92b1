//! The messages of graphql-transport-ws (PROTOCOL.md of graphql-ws).

use async_graphql::{Response, ServerError};
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::{Value, value::RawValue};

use crate::{graphql::Params, json::Object};

/// The id that a client gives to one of its operations: any text but the empty one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub(super) struct OperationId(pub(super) String);

impl<'de> Deserialize<'de> for OperationId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let id = String::deserialize(deserializer)?;
        if id.is_empty() {
            return Err(de::Error::custom("the id is empty"));
        }
        Ok(Self(id))
    }
}

/// What a client sends.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum ClientMessage {
    ConnectionInit {
        #[serde(default)]
        payload: Option<InitPayload>,
    },
    Ping {
        #[serde(default)]
        payload: Option<Object>,
    },
    Pong {
        #[serde(default, rename = "payload")]
        _payload: Option<Object>,
    },
    Subscribe {
        id: OperationId,
        #[serde(deserialize_with = "readable")]
        payload: Result<Params, Unreadable>,
    },
    Complete {
        id: OperationId,
    },
}

/// A payload that is JSON by its grammar and has no value: half of a surrogate pair, a number beyond
/// a double's range, more than 127 levels.
#[derive(Debug, thiserror::Error)]
#[error("The payload cannot be read: {0}.")]
pub(super) struct Unreadable(serde_json::Error);

impl ClientMessage {
    /// Parses a text message.
    ///
    /// # Errors
    ///
    /// Fails for text that is not a message of the protocol.
    pub(super) fn parse(text: &str) -> serde_json::Result<Self> {
        match serde_json::from_str::<Object>(text) {
            Ok(Object(message)) => Self::deserialize(Value::Object(message)),
            Err(error) => Envelope::parse(text).ok_or(error),
        }
    }
}

/// A message whose payload stays text.
#[derive(Deserialize)]
struct Envelope<'t> {
    #[serde(rename = "type")]
    kind: String,
    id: Option<OperationId>,
    #[serde(borrow)]
    payload: Option<&'t RawValue>,
}

impl Envelope<'_> {
    /// Parses a message that has an unreadable value in it. Returns `None` if that leaves no message.
    fn parse(text: &str) -> Option<ClientMessage> {
        // Derived code accepts a list of the fields as well.
        let text = text.trim_start();
        let envelope: Envelope<'_> = text
            .starts_with('{')
            .then(|| serde_json::from_str(text).ok())
            .flatten()?;
        match (envelope.kind.as_str(), envelope.id) {
            ("ping", _) => Some(ClientMessage::Ping { payload: None }),
            ("pong", _) => Some(ClientMessage::Pong { _payload: None }),
            ("complete", Some(id)) => Some(ClientMessage::Complete { id }),
            ("subscribe", Some(id)) => {
                let payload = envelope.payload?.get();
                if !payload.starts_with('{') {
                    return None;
                }
                let payload = match serde_json::from_str::<Object>(payload) {
                    Ok(Object(payload)) => Ok(Params::deserialize(Value::Object(payload)).ok()?),
                    Err(error) => Err(Unreadable(error)),
                };
                Some(ClientMessage::Subscribe { id, payload })
            }
            _ => None,
        }
    }
}

/// Reads an object. Derived code accepts a list of its values as well.
fn readable<'de, D>(deserializer: D) -> Result<Result<Params, Unreadable>, D::Error>
where
    D: Deserializer<'de>,
{
    let Object(object) = Object::deserialize(deserializer)?;
    let params = Params::deserialize(Value::Object(object));
    params.map(Ok).map_err(de::Error::custom)
}

/// What a client tells of itself when it connects. Names that are not known are ignored.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct InitPayload {
    /// The token, with or without `Bearer `, under `authorization` in any letter case.
    pub(super) authorization: Option<String>,
    /// The client's name, under `clientId`; or under `X-Client-Id` in any letter case, for those
    /// who send the headers of their requests here (GraphiQL does).
    pub(super) client_id: Option<String>,
}

impl<'de> Deserialize<'de> for InitPayload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut payload = Self::default();
        for (name, value) in Object::deserialize(deserializer)?.0 {
            let place = if name.eq_ignore_ascii_case("authorization") {
                &mut payload.authorization
            } else if name == "clientId" || name.eq_ignore_ascii_case("x-client-id") {
                &mut payload.client_id
            } else {
                continue;
            };
            *place = match value {
                Value::Null => None,
                Value::String(text) => Some(text),
                _ => return Err(de::Error::custom(format!("{name} is not a string"))),
            };
        }
        Ok(payload)
    }
}

/// What the server sends.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum ServerMessage<'a> {
    ConnectionAck,
    Pong {
        #[serde(skip_serializing_if = "Option::is_none")]
        payload: Option<Object>,
    },
    Next {
        id: &'a OperationId,
        payload: &'a Response,
    },
    Error {
        id: &'a OperationId,
        payload: &'a [ServerError],
    },
    Complete {
        id: &'a OperationId,
    },
}

impl ServerMessage<'_> {
    /// As it goes over the wire.
    pub(super) fn to_text(&self) -> String {
        // Nothing in a message has a key that is no string, or a serializer that fails.
        serde_json::to_string(self).unwrap_or_default()
    }
}
