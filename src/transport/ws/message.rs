//! The messages of graphql-transport-ws (PROTOCOL.md of graphql-ws).

use async_graphql::ServerError;
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::{Value, value::RawValue};

use crate::{graphql::Params, json::Object};

/// Maximum length of an operation's id in bytes. Each of its messages repeats the id.
const MAX_ID: usize = 128;

/// The id that a client gives to an operation: any text of 1 to [`MAX_ID`] bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub(super) struct OperationId(pub(super) String);

impl<'de> Deserialize<'de> for OperationId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let id = String::deserialize(deserializer)?;
        if id.is_empty() {
            return Err(de::Error::custom("the id is empty"));
        }
        if id.len() > MAX_ID {
            return Err(de::Error::custom(format!(
                "the id has more than {MAX_ID} bytes"
            )));
        }
        Ok(Self(id))
    }
}

/// A message from a client.
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
        #[serde(deserialize_with = "params_from_object")]
        payload: Result<Params, Unreadable>,
    },
    Complete {
        id: OperationId,
    },
}

/// The error for a payload that is valid JSON but cannot be represented: a lone surrogate, a number
/// out of a double's range, more than 127 levels.
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

/// A message whose payload is not parsed.
#[derive(Deserialize)]
struct Envelope<'t> {
    #[serde(rename = "type")]
    kind: String,
    id: Option<OperationId>,
    #[serde(borrow)]
    payload: Option<&'t RawValue>,
}

impl Envelope<'_> {
    /// Parses a message that contains an unreadable value. Returns `None` if the rest is not a
    /// message.
    fn parse(text: &str) -> Option<ClientMessage> {
        // Derived code would accept a list of the fields as well.
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

/// Deserializes parameters from an object. Derived code would accept a list of the values as well.
fn params_from_object<'de, D>(deserializer: D) -> Result<Result<Params, Unreadable>, D::Error>
where
    D: Deserializer<'de>,
{
    let Object(object) = Object::deserialize(deserializer)?;
    let params = Params::deserialize(Value::Object(object));
    params.map(Ok).map_err(de::Error::custom)
}

/// The payload of `connection_init`. Unknown names are ignored.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct InitPayload {
    /// The token, with or without `Bearer `, from `authorization` in any letter case.
    pub(super) authorization: Option<String>,
    /// The client's id, from `clientId`, or from `X-Client-Id` in any letter case. Some clients
    /// send their HTTP headers here, GraphiQL among them.
    pub(super) client_id: Option<String>,
}

impl<'de> Deserialize<'de> for InitPayload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut payload = Self::default();
        for (name, value) in Object::deserialize(deserializer)?.0 {
            let field = if name.eq_ignore_ascii_case("authorization") {
                &mut payload.authorization
            } else if name == "clientId" || name.eq_ignore_ascii_case("x-client-id") {
                &mut payload.client_id
            } else {
                continue;
            };
            *field = match value {
                Value::Null => None,
                Value::String(text) => Some(text),
                _ => return Err(de::Error::custom(format!("{name} is not a string"))),
            };
        }
        Ok(payload)
    }
}

/// The token in the payload of a `ping`, if there is one.
pub(super) fn renewal(payload: &Object) -> Option<&str> {
    let mut fields = payload.0.iter();
    let (_, token) = fields.find(|(name, _)| name.eq_ignore_ascii_case("authorization"))?;
    token.as_str().filter(|token| !token.trim().is_empty())
}

/// A message from the server.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum ServerMessage<'a> {
    ConnectionAck,
    Pong {
        #[serde(skip_serializing_if = "Option::is_none")]
        payload: Option<Object>,
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
    /// Returns the answer to a `ping` that has renewed the client's token.
    pub(super) fn renewed() -> Self {
        let renewed = ("renewed".to_owned(), Value::Bool(true));
        Self::Pong {
            payload: Some(Object([renewed].into_iter().collect())),
        }
    }

    /// Serializes the message.
    pub(super) fn to_text(&self) -> String {
        // Serialization cannot fail: all keys are strings, and no serializer returns an error.
        serde_json::to_string(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn init_payload(text: &str) -> InitPayload {
        match ClientMessage::parse(text) {
            Ok(ClientMessage::ConnectionInit {
                payload: Some(payload),
            }) => payload,
            other => panic!("no payload: {other:?}"),
        }
    }

    #[test]
    fn client_id_is_read_from_its_header_name_too() {
        let text = r#"{"type":"connection_init","payload":{"x-CLIENT-id":"c"}}"#;
        let payload = init_payload(text);
        assert_eq!(payload.client_id.as_deref(), Some("c"));
    }

    #[test]
    fn token_is_found_under_authorization_in_any_case() {
        for name in ["authorization", "Authorization", "AUTHORIZATION"] {
            let text = format!(
                r#"{{"type":"connection_init","payload":{{"{name}":"Bearer t","clientId":"c","more":1}}}}"#
            );
            let payload = init_payload(&text);
            assert_eq!(payload.authorization.as_deref(), Some("Bearer t"));
            assert_eq!(payload.client_id.as_deref(), Some("c"));
        }
    }
}
