//! The messages of graphql-transport-ws (PROTOCOL.md of graphql-ws).

use async_graphql::{Response, ServerError};
use serde::{Deserialize, Deserializer, Serialize, de};

use crate::graphql::Params;

type Object = serde_json::Map<String, serde_json::Value>;

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
        #[serde(deserialize_with = "object")]
        payload: Params,
    },
    Complete {
        id: OperationId,
    },
}

impl ClientMessage {
    /// From a text message.
    pub(super) fn parse(text: &str) -> serde_json::Result<Self> {
        let message: Object = serde_json::from_str(text)?;
        Self::deserialize(serde_json::Value::Object(message))
    }
}

/// Takes an object and nothing else: derived code would take a list of its values as well.
fn object<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: de::DeserializeOwned,
{
    let object = Object::deserialize(deserializer)?;
    T::deserialize(serde_json::Value::Object(object)).map_err(de::Error::custom)
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
        for (name, value) in Object::deserialize(deserializer)? {
            let place = if name.eq_ignore_ascii_case("authorization") {
                &mut payload.authorization
            } else if name == "clientId" || name.eq_ignore_ascii_case("x-client-id") {
                &mut payload.client_id
            } else {
                continue;
            };
            *place = match value {
                serde_json::Value::Null => None,
                serde_json::Value::String(text) => Some(text),
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
