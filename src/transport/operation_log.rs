//! The log of operations: a log record, metrics and a trace span for each.
//!
//! A record has the operation's name and the user's id, but never what people write: no variables,
//! no document, no token. If the log's target is disabled, records and spans are not built.

use std::{sync::Arc, time::Instant};

use async_graphql::ServerError;
use tracing::{Instrument, Level, Span};

use super::{
    http::{
        negotiation::{ResponseType, StreamType},
        request_id::RequestId,
    },
    metrics::{ABANDONED, OK, TransportMetrics},
};
use crate::{
    graphql::{Caller, Executor, Operation, OperationKind, Outcome, code_of},
    model::UserId,
    telemetry::{self, OPERATION_TARGET},
};

/// Maximum length of a logged operation name, in bytes.
const MAX_NAME: usize = 64;

/// The transport of an operation, as logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TransportLabel {
    Http,
    WebSocket,
    EventStream,
    Multipart,
}

/// The log of an operation in progress. Dropping it before its end logs the operation as abandoned.
pub(super) struct OperationLog {
    metrics: Arc<TransportMetrics>,
    kind: Option<OperationKind>,
    began: Instant,
    record: Option<Box<LogRecord>>,
    span: Span,
    is_ended: bool,
}

/// The log of an open subscription. Dropping it logs the end of the subscription.
pub(super) struct SubscriptionLog {
    began: Instant,
    record: Option<Box<LogRecord>>,
}

/// The fields of a log record that do not depend on the operation's result.
struct LogRecord {
    request_id: RequestId,
    transport: TransportLabel,
    kind: &'static str,
    name: Option<Box<str>>,
    user: Option<UserId>,
}

impl From<ResponseType> for TransportLabel {
    fn from(response_type: ResponseType) -> Self {
        match response_type {
            ResponseType::Json(_) => Self::Http,
            ResponseType::Stream(stream_type) => stream_type.into(),
        }
    }
}

impl From<StreamType> for TransportLabel {
    fn from(stream_type: StreamType) -> Self {
        match stream_type {
            StreamType::EventStream => Self::EventStream,
            StreamType::Multipart => Self::Multipart,
        }
    }
}

impl TransportLabel {
    fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::WebSocket => "websocket",
            Self::EventStream => "sse",
            Self::Multipart => "multipart",
        }
    }
}

/// Creates a span for a record. A macro, because `tracing` needs the name as a literal.
macro_rules! span {
    ($name:literal, $record:expr) => {
        tracing::info_span!(
            target: OPERATION_TARGET,
            parent: None,
            $name,
            request_id = %$record.request_id,
            operation = $record.name.as_deref(),
            transport = $record.transport.as_str(),
            code = tracing::field::Empty,
        )
    };
}

impl OperationLog {
    /// Starts the log of `operation`. Its duration counts from now.
    pub(super) fn begin(
        metrics: &Arc<TransportMetrics>,
        request_id: &RequestId,
        transport: TransportLabel,
        operation: &Operation,
        caller: &Caller,
    ) -> Self {
        let mut log = Self::new(metrics, Some(operation.kind()));
        log.record = is_enabled().then(|| {
            let principal = caller.principal.as_ref();
            Box::new(LogRecord {
                request_id: request_id.clone(),
                transport,
                kind: operation.kind().as_str(),
                name: operation.name().map(truncated),
                user: principal.map(|principal| principal.user.id.clone()),
            })
        });
        if let Some(record) = &log.record {
            log.span = match operation.kind() {
                OperationKind::Query => span!("query", record),
                OperationKind::Mutation => span!("mutation", record),
                OperationKind::Subscription => span!("subscription", record),
            };
            if let Some(parent) = &request_id.trace_parent {
                telemetry::adopt(&log.span, parent);
            }
        }
        log
    }

    /// Logs a request that was rejected with `code` before it became an operation.
    pub(super) fn rejected(
        metrics: &Arc<TransportMetrics>,
        request_id: &RequestId,
        transport: TransportLabel,
        code: &str,
    ) {
        let mut log = Self::new(metrics, None);
        log.record = is_enabled().then(|| {
            Box::new(LogRecord {
                request_id: request_id.clone(),
                transport,
                kind: "unknown",
                name: None,
                user: None,
            })
        });
        log.end(code);
    }

    fn new(metrics: &Arc<TransportMetrics>, kind: Option<OperationKind>) -> Self {
        Self {
            metrics: Arc::clone(metrics),
            kind,
            began: Instant::now(),
            record: None,
            span: Span::none(),
            is_ended: false,
        }
    }

    /// Executes `operation` and logs its end. Execution starts at the call, not at the first poll.
    pub(super) fn execute(
        self,
        executor: &Executor,
        operation: Operation,
        caller: Caller,
    ) -> impl Future<Output = Outcome> + Send + use<> {
        let span = self.span.clone();
        let execution = span.in_scope(|| executor.execute(operation, caller));
        let logged = async move {
            let outcome = execution.await;
            self.end(code_of_outcome(&outcome));
            outcome
        };
        logged.instrument(span)
    }

    /// Returns the span in which a subscription is opened.
    pub(super) fn span(&self) -> Span {
        self.span.clone()
    }

    /// Logs the end of the operation. `code` is its first error's, or [`OK`].
    pub(super) fn end(mut self, code: &str) {
        self.finish(code);
    }

    fn finish(&mut self, code: &str) {
        self.is_ended = true;
        self.span.record("code", code);
        let duration = self.began.elapsed();
        self.metrics.operation(self.kind, code, Some(duration));
        if let Some(record) = self.record.take() {
            record.write("operation", code, self.began);
        }
    }

    /// Logs that the subscription was opened or refused. The returned guard must live as long as
    /// the subscription; it is `None` if the subscription was refused.
    pub(super) fn opened(mut self, opened: Result<(), &[ServerError]>) -> Option<SubscriptionLog> {
        if let Err(errors) = opened {
            self.end(code_of_errors(errors));
            return None;
        }
        self.is_ended = true;
        self.span.record("code", OK);
        self.metrics.operation(self.kind, OK, None);
        if let Some(record) = &self.record {
            record.write("subscription started", OK, self.began);
        }
        Some(SubscriptionLog {
            began: self.began,
            record: self.record.take(),
        })
    }
}

impl Drop for OperationLog {
    /// Logs an operation whose client is gone. A mutation still runs to its end.
    fn drop(&mut self) {
        if !self.is_ended {
            self.finish(ABANDONED);
        }
    }
}

impl Drop for SubscriptionLog {
    fn drop(&mut self) {
        if let Some(record) = &self.record {
            record.write("subscription ended", OK, self.began);
        }
    }
}

impl LogRecord {
    fn write(&self, message: &'static str, code: &str, since: Instant) {
        let micros = (since.elapsed().as_secs_f64() * 1_000_000.0).round();
        tracing::info!(
            target: OPERATION_TARGET,
            parent: None,
            request_id = %self.request_id,
            kind = self.kind,
            operation = self.name.as_deref(),
            transport = self.transport.as_str(),
            code,
            duration_ms = micros / 1000.0,
            // Recorded as a string, so that the formatter quotes it if necessary.
            user = self.user.as_ref().map(UserId::as_str),
            "{message}"
        );
    }
}

/// Returns true if the log's target is enabled.
fn is_enabled() -> bool {
    tracing::enabled!(target: OPERATION_TARGET, Level::INFO)
}

/// Truncates an operation's name. GraphQL names need no escaping.
fn truncated(name: &str) -> Box<str> {
    name[..name.floor_char_boundary(MAX_NAME)].into()
}

/// Returns the code of the first error of `outcome`, or [`OK`].
fn code_of_outcome(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Refused(errors) => code_of_errors(errors),
        Outcome::Executed(executed) => executed.code.as_deref().unwrap_or(OK),
    }
}

/// Returns the code of the first error, or [`OK`] without errors.
pub(super) fn code_of_errors(errors: &[ServerError]) -> &str {
    code_of(errors).unwrap_or(OK)
}
