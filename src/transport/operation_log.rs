//! What is kept of an operation: a line in the log, a place in the metrics, a span for a trace.
//!
//! A line has the operation's name and its sender's id, and nothing that people write: no variable,
//! no document, no token. Where the log is off, none of it is made.

use std::{sync::Arc, time::Instant};

use async_graphql::{ServerError, Value};
use tracing::{Instrument, Level, Span};

use super::http::{
    negotiation::{Answer, Streamed},
    request_id::Asked,
};
use crate::{
    graphql::{Caller, Executor, Operation, OperationKind, Outcome},
    metrics::TransportMetrics,
    model::UserId,
    telemetry::{self, OPERATION_TARGET},
};

/// The longest name of an operation that is shown.
const MAX_NAME: usize = 64;

/// How an operation came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Via {
    Http,
    WebSocket,
    EventStream,
    Multipart,
}

/// An operation that is under way.
pub(super) struct Record {
    metrics: Arc<TransportMetrics>,
    kind: &'static str,
    began: Instant,
    line: Option<Box<Line>>,
    span: Span,
    is_over: bool,
}

/// A subscription that was opened. Dropping it says that it has ended.
pub(super) struct Subscribed {
    began: Instant,
    line: Option<Box<Line>>,
}

/// What a line has whatever becomes of the operation.
struct Line {
    asked: Asked,
    via: Via,
    kind: &'static str,
    name: Option<Box<str>>,
    user: Option<UserId>,
}

impl From<Answer> for Via {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Whole(_) => Self::Http,
            Answer::Streamed(streamed) => streamed.into(),
        }
    }
}

impl From<Streamed> for Via {
    fn from(streamed: Streamed) -> Self {
        match streamed {
            Streamed::EventStream => Self::EventStream,
            Streamed::Multipart => Self::Multipart,
        }
    }
}

impl Via {
    fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::WebSocket => "websocket",
            Self::EventStream => "sse",
            Self::Multipart => "multipart",
        }
    }
}

/// A span of this name: the library wants each to be written where it is made.
macro_rules! span {
    ($name:literal, $line:expr) => {
        tracing::info_span!(
            target: OPERATION_TARGET,
            parent: None,
            $name,
            request_id = %$line.asked,
            operation = $line.name.as_deref(),
            transport = $line.via.as_str(),
            code = tracing::field::Empty,
        )
    };
}

impl Record {
    /// An operation that begins.
    pub(super) fn begin(
        metrics: &Arc<TransportMetrics>,
        asked: &Asked,
        via: Via,
        operation: &Operation,
        caller: &Caller,
    ) -> Self {
        let kind = match operation.kind() {
            OperationKind::Query => "query",
            OperationKind::Mutation => "mutation",
            OperationKind::Subscription => "subscription",
        };
        let mut record = Self::new(metrics, kind);
        record.line = is_on().then(|| {
            Box::new(Line {
                asked: asked.clone(),
                via,
                kind,
                name: operation.name().map(shown),
                user: caller.principal.as_ref().map(|of| of.user.id.clone()),
            })
        });
        if let Some(line) = &record.line {
            record.span = match operation.kind() {
                OperationKind::Query => span!("query", line),
                OperationKind::Mutation => span!("mutation", line),
                OperationKind::Subscription => span!("subscription", line),
            };
            if let Some(parent) = &asked.parent {
                telemetry::adopt(&record.span, parent);
            }
        }
        record
    }

    /// A request of which no operation became, for this reason.
    pub(super) fn refused(metrics: &Arc<TransportMetrics>, asked: &Asked, via: Via, code: &str) {
        let mut record = Self::new(metrics, "unknown");
        record.line = is_on().then(|| {
            Box::new(Line {
                asked: asked.clone(),
                via,
                kind: record.kind,
                name: None,
                user: None,
            })
        });
        record.end(Some(code));
    }

    fn new(metrics: &Arc<TransportMetrics>, kind: &'static str) -> Self {
        Self {
            metrics: Arc::clone(metrics),
            kind,
            began: Instant::now(),
            line: None,
            span: Span::none(),
            is_over: false,
        }
    }

    /// Executes the operation, which is begun by the call.
    pub(super) fn execute(
        self,
        executor: &Executor,
        operation: Operation,
        caller: Caller,
    ) -> impl Future<Output = Outcome> + Send + use<> {
        let span = self.span.clone();
        let execution = span.in_scope(|| executor.execute(operation, caller));
        let recorded = async move {
            let outcome = execution.await;
            self.end(code_of(&outcome));
            outcome
        };
        recorded.instrument(span)
    }

    /// The span in which a subscription is to be opened.
    pub(super) fn span(&self) -> Span {
        self.span.clone()
    }

    /// The operation has ended, with this code of its first error.
    pub(super) fn end(mut self, code: Option<&str>) {
        self.finish(code);
    }

    fn finish(&mut self, code: Option<&str>) {
        self.is_over = true;
        self.span.record("code", code.unwrap_or("OK"));
        let took = self.began.elapsed();
        self.metrics.operation(self.kind, code, Some(took));
        if let Some(line) = self.line.take() {
            line.write("operation", code, Some(self.began));
        }
    }

    /// The subscription was opened or refused. What is returned is to live as long as it.
    pub(super) fn opened(mut self, opened: Result<(), &[ServerError]>) -> Option<Subscribed> {
        if let Err(errors) = opened {
            self.end(code_of_errors(errors));
            return None;
        }
        self.is_over = true;
        self.span.record("code", "OK");
        self.metrics.operation(self.kind, None, None);
        if let Some(line) = &self.line {
            line.write("subscription started", None, Some(self.began));
        }
        Some(Subscribed {
            began: self.began,
            line: self.line.take(),
        })
    }
}

impl Drop for Record {
    /// Whoever asked waits no more; a mutation goes on all the same.
    fn drop(&mut self) {
        if !self.is_over {
            self.finish(Some("ABANDONED"));
        }
    }
}

impl Drop for Subscribed {
    fn drop(&mut self) {
        if let Some(line) = &self.line {
            line.write("subscription ended", None, Some(self.began));
        }
    }
}

impl Line {
    fn write(&self, message: &'static str, code: Option<&str>, since: Option<Instant>) {
        let took = since.map(|since| since.elapsed().as_secs_f64() * 1000.0);
        tracing::info!(
            target: OPERATION_TARGET,
            parent: None,
            request_id = %self.asked,
            kind = self.kind,
            operation = self.name.as_deref(),
            transport = self.via.as_str(),
            code = code.unwrap_or("OK"),
            duration_ms = took.map(|took| (took * 1000.0).round() / 1000.0),
            // As a text, which is quoted where it has to be.
            user = self.user.as_ref().map(UserId::as_str),
            "{message}"
        );
    }
}

/// Whether anybody wants lines or spans.
fn is_on() -> bool {
    tracing::enabled!(target: OPERATION_TARGET, Level::INFO)
}

/// The grammar has names of letters, digits and underscores only.
fn shown(name: &str) -> Box<str> {
    name[..name.floor_char_boundary(MAX_NAME)].into()
}

/// The code of an outcome's first error.
fn code_of(outcome: &Outcome) -> Option<&str> {
    match outcome {
        Outcome::Refused(errors) => code_of_errors(errors),
        Outcome::Executed(response) => code_of_errors(&response.errors),
        Outcome::Rendered(_) => None,
    }
}

/// The code of the first error.
pub(super) fn code_of_errors(errors: &[ServerError]) -> Option<&str> {
    let first = errors.first()?;
    let extensions = first.extensions.as_ref();
    match extensions.and_then(|extensions| extensions.get("code")) {
        Some(Value::String(code)) => Some(code),
        _ => Some("OTHER"),
    }
}
