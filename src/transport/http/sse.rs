//! Server-sent events: PROTOCOL.md of graphql-sse, in distinct connections mode.
//!
//! If the server interrupts a subscription, it sends no `complete` and aborts the body. graphql-sse
//! and EventSource then reconnect, and urql reports a network error. After an orderly end, urql
//! would treat the subscription as complete.

use async_graphql::ServerError;

use super::stream::{Ending, StreamEncoding};
use crate::transport::operation_log::TransportLabel;

/// `text/event-stream`.
pub(super) struct EventStream;

impl StreamEncoding for EventStream {
    const LABEL: TransportLabel = TransportLabel::EventStream;
    const CONTENT_TYPE: &'static str = "text/event-stream; charset=utf-8";
    const PREAMBLE: &'static str = Self::HEARTBEAT;
    const HEARTBEAT: &'static str = ":\n\n";
    /// Without the empty data, EventSource would not dispatch the event.
    const COMPLETE: &'static str = "event: complete\ndata: \n\n";

    const BEFORE_RESULT: &'static str = "event: next\ndata: ";
    const AFTER_RESULT: &'static str = "\n\n";

    fn interrupt(_: &ServerError) -> Ending {
        Ending::Abort
    }
}
