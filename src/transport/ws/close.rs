//! Close codes and reasons.

use std::borrow::Cow;

/// Maximum length of a reason in bytes. A control frame has at most 125, two of them for the code
/// (RFC 6455, section 5.5).
const MAX_REASON: usize = 123;

/// The close codes that the server sends, each with its label in metrics.
pub(in crate::transport) const CLOSE_CODES: [(u16, &str); 12] = [
    (1002, "1002"),
    (1007, "1007"),
    (1009, "1009"),
    (1012, "1012"),
    (1013, "1013"),
    (4400, "4400"),
    (4401, "4401"),
    (4403, "4403"),
    (4406, "4406"),
    (4408, "4408"),
    (4409, "4409"),
    (4429, "4429"),
];

/// The reason for which the server closes a socket. Codes from 4400 on are those of
/// graphql-transport-ws.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Close {
    /// The client sent an invalid message; the text tells why.
    BadRequest(Cow<'static, str>),
    /// The client subscribed before its connection was acknowledged.
    Unauthorized,
    /// The client's token has expired.
    TokenExpired,
    /// The client's token was refused; the text tells why.
    TokenRefused(Cow<'static, str>),
    /// The client's user is banned.
    Banned,
    /// The client does not speak graphql-transport-ws.
    SubprotocolNotAcceptable,
    /// The client did not send `connection_init` in time.
    InitialisationTimeout,
    /// The client used the id of an active operation.
    SubscriberExists(String),
    /// The client sent `connection_init` twice.
    TooManyInitialisations,
    /// The client starts operations at ten times the allowed rate.
    TooManyOperations,
    /// The client's frames violate RFC 6455.
    NotWebSocket,
    /// The client's text was not UTF-8.
    NotText,
    /// The client's message exceeds the size limit.
    MessageTooBig,
    /// The client read nothing for the write timeout.
    TooSlow,
    /// The process has no memory for the client's message; the client may reconnect.
    Overloaded,
    /// The server shuts down; the client may reconnect.
    Restarting,
}

impl Close {
    /// Returns the close code.
    pub(super) fn code(&self) -> u16 {
        match self {
            Self::NotWebSocket => 1002,
            Self::NotText => 1007,
            Self::MessageTooBig => 1009,
            Self::Restarting => 1012,
            Self::TooSlow | Self::Overloaded => 1013,
            Self::BadRequest(_) => 4400,
            Self::Unauthorized => 4401,
            Self::TokenExpired | Self::TokenRefused(_) | Self::Banned => 4403,
            Self::SubprotocolNotAcceptable => 4406,
            Self::InitialisationTimeout => 4408,
            Self::SubscriberExists(_) => 4409,
            Self::TooManyInitialisations | Self::TooManyOperations => 4429,
        }
    }

    /// Returns true if the client may be back at once, so that its viewers are to keep their places.
    pub(super) fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Restarting | Self::TooSlow | Self::Overloaded | Self::TokenExpired
        )
    }

    /// Returns the reason, truncated to [`MAX_REASON`] bytes.
    pub(super) fn reason(&self) -> String {
        let mut reason = match self {
            Self::BadRequest(why) | Self::TokenRefused(why) => why.to_string(),
            Self::TokenExpired => "Token expired".to_owned(),
            Self::Banned => "Banned".to_owned(),
            Self::Unauthorized => "Unauthorized".to_owned(),
            Self::SubprotocolNotAcceptable => "Subprotocol not acceptable".to_owned(),
            Self::InitialisationTimeout => "Connection initialisation timeout".to_owned(),
            Self::SubscriberExists(id) => format!("Subscriber for {id} already exists"),
            Self::TooManyInitialisations => "Too many initialisation requests".to_owned(),
            Self::TooManyOperations => "Too many operations".to_owned(),
            Self::NotWebSocket => "Not WebSocket".to_owned(),
            Self::NotText => "Text that is not UTF-8".to_owned(),
            Self::MessageTooBig => "Message too big".to_owned(),
            Self::TooSlow => "Too slow: nothing was read for too long".to_owned(),
            Self::Overloaded => "Too much to do: try again shortly".to_owned(),
            Self::Restarting => "Service restart".to_owned(),
        };
        reason.truncate(reason.floor_char_boundary(MAX_REASON));
        reason
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reason_has_at_most_123_bytes_and_is_cut_between_characters() {
        let close = Close::SubscriberExists("é".repeat(200));
        let reason = close.reason();
        assert!(reason.len() <= MAX_REASON && reason.len() > MAX_REASON - 2);
        assert!(reason.starts_with("Subscriber for éé"));
    }
}
