//! graphql-transport-ws as a state machine without I/O: messages and the time in, actions out.
//!
//! It implements PROTOCOL.md of graphql-ws; `tests/it/protocol.rs` has a test for each of its
//! rules.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use super::{
    close::Close,
    keepalive::{Keepalive, PingTimeout},
    message::{ClientMessage, InitPayload, OperationId, Unreadable, renewal},
};
use crate::{graphql::Params, json::Object};

/// Maximum size of the payload of a `ping`, which the `pong` repeats.
const MAX_PING_BYTES: usize = 4 * 1024;

/// The limits of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Time limit for `connection_init`.
    pub(super) init_timeout: Duration,
    /// Interval of pings. A client that sends nothing for a whole interval after a ping is
    /// disconnected.
    pub(super) ping_interval: Duration,
    /// Maximum number of active operations.
    pub(super) operation_limit: usize,
}

/// An action for the session to perform.
#[derive(Debug)]
pub(super) enum Action {
    /// Authenticate the client, then call [`Protocol::acknowledge`] or close.
    Authenticate(InitPayload),
    /// Answer a ping.
    Pong(Option<Object>),
    /// Renew the client's token, then call [`Protocol::acknowledge`] again, or close.
    Renew(String),
    /// Start an operation. Call [`Protocol::finish`] when it ends by itself.
    Start(OperationId, Box<Params>),
    /// Refuse an operation, because its payload cannot be represented.
    RefuseUnreadable(OperationId, Unreadable),
    /// Refuse an operation, because too many are active.
    Refuse(OperationId),
    /// Stop an operation without a message.
    Stop(OperationId),
    /// Send a WebSocket ping.
    Ping,
    /// Close the socket.
    Close(Close),
    /// Drop the socket without a close frame, because the client does not respond.
    Disconnect,
}

#[derive(Debug)]
enum Phase {
    /// Open, but not initialised.
    Opened { until: Instant },
    /// Initialised, but not acknowledged.
    Initialising,
    /// Acknowledged. `until` is the expiry of the client's token.
    Acknowledged { until: Option<Instant> },
}

/// The protocol state of one connection.
#[derive(Debug)]
pub(super) struct Protocol {
    limits: Limits,
    phase: Phase,
    operations: HashSet<OperationId>,
    keepalive: Keepalive,
}

impl Protocol {
    /// Creates the state of a connection opened at `now`.
    pub(super) fn new(limits: Limits, now: Instant) -> Self {
        Self {
            limits,
            phase: Phase::Opened {
                until: now + limits.init_timeout,
            },
            operations: HashSet::new(),
            keepalive: Keepalive::new(limits.ping_interval, now),
        }
    }

    /// Handles a text message.
    pub(super) fn on_text(&mut self, text: &str) -> Option<Action> {
        let message = match ClientMessage::parse(text) {
            Ok(message) => message,
            Err(error) => {
                let reason = format!("Invalid message received: {error}");
                return Some(Action::Close(Close::BadRequest(reason.into())));
            }
        };
        match message {
            ClientMessage::ConnectionInit { payload } => Some(self.init(payload)),
            ClientMessage::Ping { payload } if bytes_of(payload.as_ref()) > MAX_PING_BYTES => {
                let reason = format!("The payload of a ping has at most {MAX_PING_BYTES} bytes");
                Some(Action::Close(Close::BadRequest(reason.into())))
            }
            ClientMessage::Ping { payload } => Some(self.ping(payload)),
            ClientMessage::Pong { .. } => None,
            ClientMessage::Subscribe { id, payload } => Some(self.subscribe(id, payload)),
            ClientMessage::Complete { id } => {
                self.operations.remove(&id).then_some(Action::Stop(id))
            }
        }
    }

    /// Handles a binary message, which the protocol does not allow.
    pub(super) fn on_binary(&self) -> Action {
        Action::Close(Close::BadRequest("Invalid message received: binary".into()))
    }

    /// Acknowledges the connection, or a renewal. `until` is the expiry of the client's token.
    pub(super) fn acknowledge(&mut self, until: Option<Instant>) {
        self.phase = Phase::Acknowledged { until };
    }

    /// Returns true if the connection was acknowledged.
    pub(super) fn is_acknowledged(&self) -> bool {
        matches!(self.phase, Phase::Acknowledged { .. })
    }

    /// Returns true if the operation was started, and neither stopped nor finished.
    pub(super) fn is_active(&self, id: &OperationId) -> bool {
        self.operations.contains(id)
    }

    /// Removes an operation that ended by itself, so its id may be reused.
    pub(super) fn finish(&mut self, id: &OperationId) {
        self.operations.remove(id);
    }

    /// Records that the client sent something, which answers a ping.
    pub(super) fn record_activity(&mut self) {
        self.keepalive.record_activity();
    }

    /// Returns the time at which to call [`on_timeout`](Self::on_timeout).
    pub(super) fn deadline(&self) -> Instant {
        let phase = match self.phase {
            Phase::Opened { until } => Some(until),
            Phase::Initialising => None,
            Phase::Acknowledged { until } => until,
        };
        let next = self.keepalive.deadline();
        phase.map_or(next, |until| until.min(next))
    }

    /// Returns the action that is due at `now`, if any.
    pub(super) fn on_timeout(&mut self, now: Instant) -> Option<Action> {
        match self.phase {
            Phase::Opened { until } if now >= until => {
                return Some(Action::Close(Close::InitialisationTimeout));
            }
            Phase::Acknowledged { until: Some(until) } if now >= until => {
                return Some(Action::Close(Close::TokenExpired));
            }
            _ => {}
        }
        match self.keepalive.on_timeout(now)? {
            PingTimeout::Due => Some(Action::Ping),
            PingTimeout::Silent => Some(Action::Disconnect),
        }
    }

    fn init(&mut self, payload: Option<InitPayload>) -> Action {
        match self.phase {
            Phase::Opened { .. } => {
                self.phase = Phase::Initialising;
                Action::Authenticate(payload.unwrap_or_default())
            }
            Phase::Initialising | Phase::Acknowledged { .. } => {
                Action::Close(Close::TooManyInitialisations)
            }
        }
    }

    /// Answers a ping. A token in its payload is never repeated.
    fn ping(&self, payload: Option<Object>) -> Action {
        match (payload.as_ref().and_then(renewal), &self.phase) {
            (None, _) => Action::Pong(payload),
            (Some(token), Phase::Acknowledged { .. }) => Action::Renew(token.to_owned()),
            (Some(_), Phase::Opened { .. } | Phase::Initialising) => {
                Action::Close(Close::Unauthorized)
            }
        }
    }

    fn subscribe(&mut self, id: OperationId, payload: Result<Params, Unreadable>) -> Action {
        if !matches!(self.phase, Phase::Acknowledged { .. }) {
            return Action::Close(Close::Unauthorized);
        }
        if self.operations.contains(&id) {
            return Action::Close(Close::SubscriberExists(id.0));
        }
        if self.operations.len() == self.limits.operation_limit {
            return Action::Refuse(id);
        }
        match payload {
            Ok(params) => {
                self.operations.insert(id.clone());
                Action::Start(id, Box::new(params))
            }
            Err(unreadable) => Action::RefuseUnreadable(id, unreadable),
        }
    }
}

/// Returns the length of a payload as JSON.
fn bytes_of(payload: Option<&Object>) -> usize {
    let text = payload.map(|Object(payload)| serde_json::to_string(payload));
    text.and_then(Result::ok).map_or(0, |text| text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        init_timeout: Duration::from_secs(3),
        ping_interval: Duration::from_secs(12),
        operation_limit: 2,
    };
    const INIT: &str = r#"{"type":"connection_init"}"#;

    fn subscribe(id: &str) -> String {
        format!(r#"{{"id":"{id}","type":"subscribe","payload":{{"query":"{{me{{id}}}}"}}}}"#)
    }

    fn acknowledged(now: Instant, until: Option<Instant>) -> Protocol {
        let mut protocol = Protocol::new(LIMITS, now);
        let action = protocol.on_text(INIT);
        assert!(matches!(action, Some(Action::Authenticate(_))));
        protocol.acknowledge(until);
        protocol
    }

    fn close_code(action: Option<Action>) -> u16 {
        match action {
            Some(Action::Close(close)) => close.code(),
            other => panic!("not a close: {other:?}"),
        }
    }

    #[track_caller]
    fn assert_starts(protocol: &mut Protocol, id: &str) {
        let action = protocol.on_text(&subscribe(id));
        assert!(matches!(action, Some(Action::Start(..))), "{action:?}");
    }

    #[test]
    fn missing_initialisation_closes_4408() {
        let now = Instant::now();
        let mut protocol = Protocol::new(LIMITS, now);
        assert_eq!(protocol.deadline(), now + LIMITS.init_timeout);
        assert!(protocol.on_timeout(now + LIMITS.init_timeout / 2).is_none());
        let action = protocol.on_timeout(now + LIMITS.init_timeout);
        assert_eq!(close_code(action), 4408);
    }

    #[test]
    fn token_expiry_closes_4403() {
        let now = Instant::now();
        let until = now + Duration::from_secs(5);
        let mut protocol = acknowledged(now, Some(until));
        assert_eq!(protocol.deadline(), until);
        assert_eq!(close_code(protocol.on_timeout(until)), 4403);
    }

    #[test]
    fn second_init_closes_4429_during_and_after_the_first() {
        let now = Instant::now();
        let mut protocol = Protocol::new(LIMITS, now);
        protocol.on_text(INIT);
        assert_eq!(close_code(protocol.on_text(INIT)), 4429);
        assert_eq!(close_code(acknowledged(now, None).on_text(INIT)), 4429);
    }

    #[test]
    fn operation_before_acknowledgement_closes_4401() {
        let now = Instant::now();
        let mut protocol = Protocol::new(LIMITS, now);
        assert_eq!(close_code(protocol.on_text(&subscribe("1"))), 4401);
        protocol.on_text(INIT);
        assert_eq!(close_code(protocol.on_text(&subscribe("1"))), 4401);
    }

    #[test]
    fn id_is_reusable_once_its_operation_ended() {
        let mut protocol = acknowledged(Instant::now(), None);
        assert_starts(&mut protocol, "1");
        assert_eq!(close_code(protocol.on_text(&subscribe("1"))), 4409);
        protocol.finish(&OperationId("1".to_owned()));
        assert_starts(&mut protocol, "1");
        let complete = r#"{"id":"1","type":"complete"}"#;
        assert!(matches!(protocol.on_text(complete), Some(Action::Stop(_))));
        assert!(
            protocol.on_text(complete).is_none(),
            "completing twice is harmless"
        );
        assert_starts(&mut protocol, "1");
    }

    #[test]
    fn operation_beyond_the_limit_is_refused_until_one_ends() {
        let mut protocol = acknowledged(Instant::now(), None);
        protocol.on_text(&subscribe("1"));
        protocol.on_text(&subscribe("2"));
        let action = protocol.on_text(&subscribe("3"));
        assert!(matches!(action, Some(Action::Refuse(_))));
        protocol.on_text(r#"{"id":"1","type":"complete"}"#);
        assert_starts(&mut protocol, "3");
    }

    #[test]
    fn malformed_message_closes_4400() {
        for text in [
            "",
            "nonsense",
            "[]",
            "{}",
            r#"{"type":"hello"}"#,
            r#"{"type":"next","id":"1","payload":{}}"#,
            r#"{"type":"subscribe","payload":{"query":"{me{id}}"}}"#,
            r#"{"type":"subscribe","id":"","payload":{"query":"{me{id}}"}}"#,
            r#"{"type":"subscribe","id":1,"payload":{"query":"{me{id}}"}}"#,
            r#"{"type":"subscribe","id":"1"}"#,
            r#"{"type":"subscribe","id":"1","payload":{}}"#,
            r#"{"type":"subscribe","id":"1","payload":{"query":"{me{id}}","variables":[]}}"#,
            r#"{"type":"complete"}"#,
            r#"{"type":"ping","payload":"text"}"#,
            r#"{"type":"connection_init","payload":"text"}"#,
            r#"{"type":"connection_init","payload":{"authorization":7}}"#,
        ] {
            let mut protocol = acknowledged(Instant::now(), None);
            assert_eq!(close_code(protocol.on_text(text)), 4400, "{text}");
        }
    }

    #[test]
    fn unreadable_payload_is_refused_and_the_socket_goes_on() {
        let deep = "[".repeat(500) + &"]".repeat(500);
        for value in [r#""cut \ud83d""#, "1e400", "-1e400", &deep] {
            let mut protocol = acknowledged(Instant::now(), None);
            let unreadable = |id: &str| {
                format!(
                    r#"{{"id":"{id}","type":"subscribe","payload":{{"query":"q","variables":{{"b":{value}}}}}}}"#
                )
            };
            let refused = protocol.on_text(&unreadable("1"));
            assert!(
                matches!(refused, Some(Action::RefuseUnreadable(..))),
                "{value}"
            );
            let ping = format!(r#"{{"type":"ping","payload":{{"a":{value}}}}}"#);
            assert!(
                matches!(protocol.on_text(&ping), Some(Action::Pong(None))),
                "{value}"
            );
            let complete = format!(r#"{{"type":"complete","id":"1","more":{value}}}"#);
            assert!(protocol.on_text(&complete).is_none(), "{value}");
            // Violations of the protocol still close the socket.
            assert_starts(&mut protocol, "1");
            assert_eq!(
                close_code(protocol.on_text(&unreadable("1"))),
                4409,
                "{value}"
            );
            let list = format!(r#"["subscribe","2",{{"query":"q","variables":{{"b":{value}}}}}]"#);
            assert_eq!(close_code(protocol.on_text(&list)), 4400, "{value}");
            let early = Protocol::new(LIMITS, Instant::now()).on_text(&unreadable("1"));
            assert_eq!(close_code(early), 4401, "{value}");
        }
    }
}
