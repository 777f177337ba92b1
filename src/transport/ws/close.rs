//! Why a socket is closed, and what its client is told of it.

use std::borrow::Cow;

/// The longest reason that a close frame can carry, in bytes (RFC 6455, section 5.5: a control
/// frame has at most 125, of which the code takes two).
const MAX_REASON: usize = 123;

/// Why the server closes a socket. The codes from 4400 on are those of graphql-transport-ws.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Close {
    /// The client sent what the protocol does not know; the text says what.
    BadRequest(Cow<'static, str>),
    /// The client subscribed before its connection was acknowledged.
    Unauthorized,
    /// The client's token was refused, or has ended; the text says which.
    Forbidden(Cow<'static, str>),
    /// The client does not speak graphql-transport-ws.
    SubprotocolNotAcceptable,
    /// The client did not send `connection_init` in time.
    InitialisationTimeout,
    /// The client used the id of an operation that is under way.
    SubscriberExists(String),
    /// The client sent `connection_init` twice.
    TooManyInitialisations,
    /// The client's frames are not those of RFC 6455.
    NotWebSocket,
    /// The client's text was not UTF-8.
    NotText,
    /// The client's message was larger than it may be.
    MessageTooBig,
    /// The client took nothing for too long.
    TooSlow,
    /// The server goes down; another will be there.
    Restarting,
}

impl Close {
    pub(super) fn code(&self) -> u16 {
        match self {
            Self::NotWebSocket => 1002,
            Self::NotText => 1007,
            Self::MessageTooBig => 1009,
            Self::Restarting => 1012,
            Self::TooSlow => 1013,
            Self::BadRequest(_) => 4400,
            Self::Unauthorized => 4401,
            Self::Forbidden(_) => 4403,
            Self::SubprotocolNotAcceptable => 4406,
            Self::InitialisationTimeout => 4408,
            Self::SubscriberExists(_) => 4409,
            Self::TooManyInitialisations => 4429,
        }
    }

    /// What a person is told, cut to what a frame can carry.
    pub(super) fn reason(&self) -> String {
        let mut reason = match self {
            Self::BadRequest(why) | Self::Forbidden(why) => why.to_string(),
            Self::Unauthorized => "Unauthorized".to_owned(),
            Self::SubprotocolNotAcceptable => "Subprotocol not acceptable".to_owned(),
            Self::InitialisationTimeout => "Connection initialisation timeout".to_owned(),
            Self::SubscriberExists(id) => format!("Subscriber for {id} already exists"),
            Self::TooManyInitialisations => "Too many initialisation requests".to_owned(),
            Self::NotWebSocket => "Not WebSocket".to_owned(),
            Self::NotText => "Text that is not UTF-8".to_owned(),
            Self::MessageTooBig => "Message too big".to_owned(),
            Self::TooSlow => "Too slow: nothing was read for too long".to_owned(),
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
