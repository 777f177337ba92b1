//! Results as server-sent events: PROTOCOL.md of graphql-sse, in its distinct connections mode.
//!
//! A stream that the server ends before its subscription is over has no `complete`, and its body is
//! cut off: graphql-sse and EventSource then come back by themselves, and urql reports a network
//! error, where it would take an orderly end for the subscription's own.

use async_graphql::ServerError;

use super::stream::{Ending, Wire};
use crate::metrics::Lasting;

/// `text/event-stream`.
pub(super) struct EventStream;

impl Wire for EventStream {
    const LASTING: Lasting = Lasting::EventStream;
    const CONTENT_TYPE: &'static str = "text/event-stream; charset=utf-8";
    const OPENING: &'static str = Self::HEARTBEAT;
    const HEARTBEAT: &'static str = ":\n\n";
    /// Without the empty data, EventSource would not tell of the event.
    const COMPLETE: &'static str = "event: complete\ndata: \n\n";

    /// JSON has no line breaks of its own, so it is one line of data.
    fn next(result: &str) -> String {
        format!("event: next\ndata: {result}\n\n")
    }

    fn interrupted(_: &ServerError) -> Ending {
        Ending::CutOff
    }
}
