//! Server-sent events: PROTOCOL.md of graphql-sse, in distinct connections mode.
//!
//! If the server interrupts a subscription, it sends no `complete` and aborts the body. graphql-sse
//! and EventSource then reconnect, and urql reports a network error. After an orderly end, urql
//! would treat the subscription as complete.
//!
//! An event of a feed has its cursor as `id`. A client that comes back sends the last one in
//! `Last-Event-ID` (HTML standard, section 9.2.4), and goes on after that event.

use std::borrow::Cow;

use async_graphql::ServerError;
use axum::http::{HeaderMap, HeaderName};

use super::stream::{Ending, StreamEncoding};
use crate::{graphql::Payload, transport::operation_log::TransportLabel};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// `text/event-stream`.
pub(super) struct EventStream;

impl StreamEncoding for EventStream {
    const LABEL: TransportLabel = TransportLabel::EventStream;
    const CONTENT_TYPE: &'static str = "text/event-stream; charset=utf-8";
    const PREAMBLE: &'static str = Self::HEARTBEAT;
    const HEARTBEAT: &'static str = ":\n\n";
    /// Without the empty data, EventSource would not dispatch the event.
    const COMPLETE: &'static str = "event: complete\ndata: \n\n";

    const AFTER_RESULT: &'static str = "\n\n";

    fn before_result(result: &Payload) -> Cow<'static, str> {
        match result.event_id() {
            Some(id) => format!("id: {id}\nevent: next\ndata: ").into(),
            None => "event: next\ndata: ".into(),
        }
    }

    fn interrupt(_: &ServerError) -> Ending {
        Ending::Abort
    }
}

/// Returns the id of the last event that the client received. A value that is no text is an id that no
/// event had.
pub(super) fn last_event_id(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(LAST_EVENT_ID)?;
    let id = String::from_utf8_lossy(value.as_bytes());
    (!id.is_empty()).then(|| id.into_owned())
}
