//! Metrics of the transports.

use std::time::Duration;

use metrics::{Counter, Gauge, Histogram};

use super::{operation_log::TransportLabel, ws::CLOSE_CODES};
use crate::{
    auth::TokenError,
    graphql::{ErrorCode, OperationKind},
    telemetry::{GaugeGuard, Registry},
};

/// The code of an operation that succeeded.
pub(super) const OK: &str = "OK";
/// The code of an operation whose client left before its end.
pub(super) const ABANDONED: &str = "ABANDONED";
/// The label of a code that is not known here.
const OTHER: &str = "OTHER";

/// Metrics of the transports.
#[derive(Debug)]
pub(crate) struct TransportMetrics {
    websocket: ConnectionMetrics,
    sse: ConnectionMetrics,
    multipart: ConnectionMetrics,
    closes: Vec<(u16, Counter)>,
    other_closes: Counter,
    query: OperationMetrics,
    mutation: OperationMetrics,
    subscription: OperationMetrics,
    /// Requests that were refused before the kind of their operation was known.
    unknown: OperationMetrics,
    expired: Counter,
    /// Tokens with a good signature whose claims break a rule.
    bad_claims: Counter,
    invalid: Counter,
    /// Connections dropped because their client read nothing.
    pub(super) slow: Counter,
    /// Connections dropped because their client sent nothing.
    pub(super) silent: Counter,
}

#[derive(Debug)]
struct ConnectionMetrics {
    open: Gauge,
    opened: Counter,
}

/// Metrics of the operations of one kind.
#[derive(Debug)]
struct OperationMetrics {
    codes: Vec<(&'static str, Counter)>,
    other: Counter,
    /// Durations of the kinds that end by themselves.
    seconds: Option<Histogram>,
}

impl TransportMetrics {
    /// Registers the metrics, each at zero.
    pub(crate) fn new(registry: &Registry) -> Self {
        let closes = |code| {
            registry.counter(
                "causerie_websocket_closes_total",
                &[("code", code)],
                "Sockets that this server closed, by code.",
            )
        };
        let unauthenticated = |reason| {
            registry.counter(
                "causerie_auth_failures_total",
                &[("reason", reason)],
                "Tokens that were refused.",
            )
        };
        let dropped = |reason| {
            registry.counter(
                "causerie_connections_dropped_total",
                &[("reason", reason)],
                "Sockets and streams that this server gave up.",
            )
        };
        let seconds = |kind| {
            registry.histogram(
                "causerie_operation_seconds",
                &[("type", kind)],
                "Duration of an operation.",
            )
        };
        Self {
            websocket: ConnectionMetrics::new(registry, "websocket"),
            sse: ConnectionMetrics::new(registry, "sse"),
            multipart: ConnectionMetrics::new(registry, "multipart"),
            closes: CLOSE_CODES
                .map(|(code, label)| (code, closes(label)))
                .into(),
            other_closes: closes("other"),
            query: OperationMetrics::new(registry, "query", Some(seconds("query"))),
            mutation: OperationMetrics::new(registry, "mutation", Some(seconds("mutation"))),
            subscription: OperationMetrics::new(registry, "subscription", None),
            unknown: OperationMetrics::new(registry, "unknown", None),
            expired: unauthenticated("expired"),
            bad_claims: unauthenticated("claim"),
            invalid: unauthenticated("invalid"),
            slow: dropped("slow"),
            silent: dropped("silent"),
        }
    }

    /// Counts a socket or stream until the returned guard is dropped. Connections of single requests
    /// are not counted.
    pub(super) fn connected(&self, transport: TransportLabel) -> Option<GaugeGuard> {
        let connections = match transport {
            TransportLabel::Http => return None,
            TransportLabel::WebSocket => &self.websocket,
            TransportLabel::EventStream => &self.sse,
            TransportLabel::Multipart => &self.multipart,
        };
        connections.opened.increment(1);
        Some(GaugeGuard::new(&connections.open))
    }

    /// Counts a socket that this server closes.
    pub(super) fn closed(&self, code: u16) {
        let known = self.closes.iter().find(|(known, _)| *known == code);
        let counter = known.map_or(&self.other_closes, |(_, counter)| counter);
        counter.increment(1);
    }

    /// Counts an operation: its kind, if known, the code of its first error, and its duration.
    pub(super) fn operation(
        &self,
        kind: Option<OperationKind>,
        code: &str,
        duration: Option<Duration>,
    ) {
        let of_kind = match kind {
            Some(OperationKind::Query) => &self.query,
            Some(OperationKind::Mutation) => &self.mutation,
            Some(OperationKind::Subscription) => &self.subscription,
            None => &self.unknown,
        };
        let known = of_kind.codes.iter().find(|(known, _)| *known == code);
        let counter = known.map_or(&of_kind.other, |(_, counter)| counter);
        counter.increment(1);
        if let (Some(seconds), Some(duration)) = (&of_kind.seconds, duration) {
            seconds.record(duration);
        }
    }

    /// Counts a refused token.
    pub(super) fn unauthenticated(&self, error: TokenError) {
        let counter = match error {
            TokenError::Expired => &self.expired,
            TokenError::Claim(_) => &self.bad_claims,
            TokenError::NotYet | TokenError::Invalid | TokenError::UnknownKey => &self.invalid,
        };
        counter.increment(1);
    }
}

impl ConnectionMetrics {
    fn new(registry: &Registry, transport: &'static str) -> Self {
        let labels = [("transport", transport)];
        Self {
            open: registry.gauge("causerie_connections", &labels, "Open sockets and streams."),
            opened: registry.counter(
                "causerie_connections_opened_total",
                &labels,
                "Sockets and streams that were opened.",
            ),
        }
    }
}

impl OperationMetrics {
    fn new(registry: &Registry, kind: &'static str, seconds: Option<Histogram>) -> Self {
        let counter = |code| {
            registry.counter(
                "causerie_operations_total",
                &[("type", kind), ("code", code)],
                "Operations, by the code of their first error.",
            )
        };
        let codes = ErrorCode::ALL.into_iter().map(ErrorCode::as_str);
        let codes = [OK, ABANDONED].into_iter().chain(codes);
        Self {
            codes: codes.map(|code| (code, counter(code))).collect(),
            other: counter(OTHER),
            seconds,
        }
    }
}
