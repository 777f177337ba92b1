//! graphql-transport-ws as a state machine: messages and the time in, actions out. It does no I/O
//! and reads no clock.
//!
//! The rules are those of PROTOCOL.md of graphql-ws; `tests/it/protocol.rs` has a test for each.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use super::{
    close::Close,
    message::{ClientMessage, InitPayload, OperationId, Unreadable},
};
use crate::{graphql::Params, json::Object};

/// What a connection is held to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// How long the client may take to initialise the connection.
    pub(super) init_timeout: Duration,
    /// How often the client is pinged.
    pub(super) ping_interval: Duration,
    /// How many operations may be under way.
    pub(super) operation_limit: usize,
}

/// What the socket is to do.
#[derive(Debug)]
pub(super) enum Action {
    /// Find out who the client is, and call [`Protocol::admit`] or close.
    Authenticate(InitPayload),
    /// Answer a ping.
    Pong(Option<Object>),
    /// Start an operation; call [`Protocol::finished`] when it ends by itself.
    Start(OperationId, Box<Params>),
    /// Refuse an operation, because its payload has no value.
    RefuseUnreadable(OperationId, Unreadable),
    /// Refuse an operation, for there are too many.
    Refuse(OperationId),
    /// Stop an operation, without a word.
    Stop(OperationId),
    /// Send a WebSocket ping.
    Ping,
    /// Close the socket.
    Close(Close),
    /// Drop the socket: nobody is there.
    Abandon,
}

#[derive(Debug)]
enum Phase {
    /// Open, and not initialised.
    Opened { until: Instant },
    /// Initialised, and not yet acknowledged.
    Initialising,
    /// Acknowledged; operations may be started until the client's token ends.
    Acknowledged { until: Option<Instant> },
}

/// One connection.
#[derive(Debug)]
pub(super) struct Protocol {
    rules: Rules,
    phase: Phase,
    operations: HashSet<OperationId>,
    next_ping: Instant,
    is_ping_unanswered: bool,
}

impl Protocol {
    /// A connection that was opened at `now`.
    pub(super) fn new(rules: Rules, now: Instant) -> Self {
        Self {
            rules,
            phase: Phase::Opened {
                until: now + rules.init_timeout,
            },
            operations: HashSet::new(),
            next_ping: now + rules.ping_interval,
            is_ping_unanswered: false,
        }
    }

    /// The client sent a text message.
    pub(super) fn text(&mut self, text: &str) -> Option<Action> {
        let message = match ClientMessage::parse(text) {
            Ok(message) => message,
            Err(error) => {
                let reason = format!("Invalid message received: {error}");
                return Some(Action::Close(Close::BadRequest(reason.into())));
            }
        };
        match message {
            ClientMessage::ConnectionInit { payload } => Some(self.init(payload)),
            ClientMessage::Ping { payload } => Some(Action::Pong(payload)),
            ClientMessage::Pong { .. } => None,
            ClientMessage::Subscribe { id, payload } => Some(self.subscribe(id, payload)),
            ClientMessage::Complete { id } => {
                self.operations.remove(&id).then_some(Action::Stop(id))
            }
        }
    }

    /// The client sent a binary message, for which the protocol has no use.
    pub(super) fn binary(&self) -> Action {
        Action::Close(Close::BadRequest("Invalid message received: binary".into()))
    }

    /// The client is who it says: the connection is acknowledged. `until` is when its token ends.
    pub(super) fn admit(&mut self, until: Option<Instant>) {
        self.phase = Phase::Acknowledged { until };
    }

    /// Whether an operation was started, and neither completed nor finished.
    pub(super) fn is_under_way(&self, id: &OperationId) -> bool {
        self.operations.contains(id)
    }

    /// An operation ended by itself.
    pub(super) fn finished(&mut self, id: &OperationId) {
        self.operations.remove(id);
    }

    /// Anything came from the client: it is there.
    pub(super) fn heard(&mut self) {
        self.is_ping_unanswered = false;
    }

    /// When [`due`](Self::due) has something to say next.
    pub(super) fn deadline(&self) -> Instant {
        let phase = match self.phase {
            Phase::Opened { until } => Some(until),
            Phase::Initialising => None,
            Phase::Acknowledged { until } => until,
        };
        phase.map_or(self.next_ping, |until| until.min(self.next_ping))
    }

    /// What the time alone makes necessary.
    pub(super) fn due(&mut self, now: Instant) -> Option<Action> {
        match self.phase {
            Phase::Opened { until } if now >= until => {
                return Some(Action::Close(Close::InitialisationTimeout));
            }
            Phase::Acknowledged { until: Some(until) } if now >= until => {
                return Some(Action::Close(Close::Forbidden("Token expired".into())));
            }
            _ => {}
        }
        if now < self.next_ping {
            return None;
        }
        if self.is_ping_unanswered {
            return Some(Action::Abandon);
        }
        self.next_ping = now + self.rules.ping_interval;
        self.is_ping_unanswered = true;
        Some(Action::Ping)
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

    fn subscribe(&mut self, id: OperationId, payload: Result<Params, Unreadable>) -> Action {
        if !matches!(self.phase, Phase::Acknowledged { .. }) {
            return Action::Close(Close::Unauthorized);
        }
        if self.operations.contains(&id) {
            return Action::Close(Close::SubscriberExists(id.0));
        }
        if self.operations.len() == self.rules.operation_limit {
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

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules = Rules {
        init_timeout: Duration::from_secs(3),
        ping_interval: Duration::from_secs(12),
        operation_limit: 2,
    };
    const INIT: &str = r#"{"type":"connection_init"}"#;

    fn subscribe(id: &str) -> String {
        format!(r#"{{"id":"{id}","type":"subscribe","payload":{{"query":"{{me{{id}}}}"}}}}"#)
    }

    fn acknowledged(now: Instant, until: Option<Instant>) -> Protocol {
        let mut protocol = Protocol::new(RULES, now);
        assert!(matches!(protocol.text(INIT), Some(Action::Authenticate(_))));
        protocol.admit(until);
        protocol
    }

    fn close_code(action: Option<Action>) -> u16 {
        match action {
            Some(Action::Close(close)) => close.code(),
            other => panic!("not a close: {other:?}"),
        }
    }

    #[test]
    fn missing_initialisation_closes_4408() {
        let now = Instant::now();
        let mut protocol = Protocol::new(RULES, now);
        assert_eq!(protocol.deadline(), now + RULES.init_timeout);
        assert!(protocol.due(now + RULES.init_timeout / 2).is_none());
        assert_eq!(close_code(protocol.due(now + RULES.init_timeout)), 4408);
    }

    #[test]
    fn unanswered_ping_abandons_the_connection_at_the_next() {
        let now = Instant::now();
        let mut protocol = acknowledged(now, None);
        let first = now + RULES.ping_interval;
        assert!(matches!(protocol.due(first), Some(Action::Ping)));
        protocol.heard();
        let second = first + RULES.ping_interval;
        assert!(matches!(protocol.due(second), Some(Action::Ping)));
        let third = second + RULES.ping_interval;
        assert!(protocol.due(third - Duration::from_millis(1)).is_none());
        assert!(matches!(protocol.due(third), Some(Action::Abandon)));
    }

    #[test]
    fn token_expiry_closes_4403() {
        let now = Instant::now();
        let until = now + Duration::from_secs(5);
        let mut protocol = acknowledged(now, Some(until));
        assert_eq!(protocol.deadline(), until);
        assert_eq!(close_code(protocol.due(until)), 4403);
    }

    #[test]
    fn second_init_closes_4429_during_and_after_the_first() {
        let now = Instant::now();
        let mut protocol = Protocol::new(RULES, now);
        protocol.text(INIT);
        assert_eq!(close_code(protocol.text(INIT)), 4429);
        assert_eq!(close_code(acknowledged(now, None).text(INIT)), 4429);
    }

    #[test]
    fn operation_before_acknowledgement_closes_4401() {
        let now = Instant::now();
        let mut protocol = Protocol::new(RULES, now);
        assert_eq!(close_code(protocol.text(&subscribe("1"))), 4401);
        protocol.text(INIT);
        assert_eq!(close_code(protocol.text(&subscribe("1"))), 4401);
    }

    #[test]
    fn id_is_reusable_once_its_operation_ended() {
        let mut protocol = acknowledged(Instant::now(), None);
        assert!(matches!(
            protocol.text(&subscribe("1")),
            Some(Action::Start(..))
        ));
        assert_eq!(close_code(protocol.text(&subscribe("1"))), 4409);
        protocol.finished(&OperationId("1".to_owned()));
        assert!(matches!(
            protocol.text(&subscribe("1")),
            Some(Action::Start(..))
        ));
        let complete = r#"{"id":"1","type":"complete"}"#;
        assert!(matches!(protocol.text(complete), Some(Action::Stop(_))));
        assert!(
            protocol.text(complete).is_none(),
            "completing twice is harmless"
        );
        assert!(matches!(
            protocol.text(&subscribe("1")),
            Some(Action::Start(..))
        ));
    }

    #[test]
    fn operation_beyond_the_limit_is_refused_until_one_ends() {
        let mut protocol = acknowledged(Instant::now(), None);
        protocol.text(&subscribe("1"));
        protocol.text(&subscribe("2"));
        assert!(matches!(
            protocol.text(&subscribe("3")),
            Some(Action::Refuse(_))
        ));
        protocol.text(r#"{"id":"1","type":"complete"}"#);
        assert!(matches!(
            protocol.text(&subscribe("3")),
            Some(Action::Start(..))
        ));
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
            assert_eq!(close_code(protocol.text(text)), 4400, "{text}");
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
            let refused = protocol.text(&unreadable("1"));
            assert!(
                matches!(refused, Some(Action::RefuseUnreadable(..))),
                "{value}"
            );
            let ping = format!(r#"{{"type":"ping","payload":{{"a":{value}}}}}"#);
            assert!(
                matches!(protocol.text(&ping), Some(Action::Pong(None))),
                "{value}"
            );
            let complete = format!(r#"{{"type":"complete","id":"1","more":{value}}}"#);
            assert!(protocol.text(&complete).is_none(), "{value}");
            // What the protocol forbids stays forbidden.
            assert!(matches!(
                protocol.text(&subscribe("1")),
                Some(Action::Start(..))
            ));
            assert_eq!(close_code(protocol.text(&unreadable("1"))), 4409, "{value}");
            let list = format!(r#"["subscribe","2",{{"query":"q","variables":{{"b":{value}}}}}]"#);
            assert_eq!(close_code(protocol.text(&list)), 4400, "{value}");
            let early = Protocol::new(RULES, Instant::now()).text(&unreadable("1"));
            assert_eq!(close_code(early), 4401, "{value}");
        }
    }

    #[test]
    fn client_id_is_read_from_its_header_name_too() {
        let text = r#"{"type":"connection_init","payload":{"x-CLIENT-id":"c"}}"#;
        let Some(Action::Authenticate(payload)) = Protocol::new(RULES, Instant::now()).text(text)
        else {
            panic!("not authenticated");
        };
        assert_eq!(payload.client_id.as_deref(), Some("c"));
    }

    #[test]
    fn token_is_found_under_authorization_in_any_case() {
        for name in ["authorization", "Authorization", "AUTHORIZATION"] {
            let text = format!(
                r#"{{"type":"connection_init","payload":{{"{name}":"Bearer t","clientId":"c","more":1}}}}"#
            );
            let Some(Action::Authenticate(payload)) =
                Protocol::new(RULES, Instant::now()).text(&text)
            else {
                panic!("not authenticated");
            };
            assert_eq!(payload.authorization.as_deref(), Some("Bearer t"));
            assert_eq!(payload.client_id.as_deref(), Some("c"));
        }
    }
}
