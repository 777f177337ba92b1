//! The events that a session waits for, by priority, and the backpressure of its send queue.

use std::time::Instant;

use super::Session;
use crate::{
    shutdown::ConnectionHandle,
    transport::ws::{
        authentication::{AuthenticationEvent, Verified},
        message::OperationId,
        operations::OperationResult,
        writer::Backlog,
    },
};

/// An event of a session.
pub(super) enum Event {
    ShutdownDeadline,
    Banned,
    Authenticated(Verified),
    Readable,
    Writable,
    Result(OperationId, Box<OperationResult>),
    /// A sink has written to the connection and left work for the session.
    WriterChanged,
    Timeout,
    Disconnected,
}

impl Session {
    /// Waits for the next event.
    ///
    /// While the send queue is full, neither frames nor results are taken, so a slow client holds
    /// back only itself. Its subscriptions catch up from the store. A client that never pauses
    /// starves neither other sessions on its thread, nor timeouts, nor its own results.
    pub(super) async fn next_event(&mut self, handle: &ConnectionHandle) -> Event {
        // Replies to messages of one read are written together.
        self.writer.write();
        if self.reader.has_more {
            tokio::task::yield_now().await;
        }
        let backlog = self.writer.backlog();
        if backlog.is_broken {
            return Event::Disconnected;
        }
        let deadline = self.deadline(backlog);
        if deadline <= Instant::now() {
            return Event::Timeout;
        }
        let (is_closing, is_draining) = (self.closing_until.is_some(), self.is_draining);
        let (may_read, has_more) = (self.may_read(backlog), self.reader.has_more);
        let tcp = self.writer.tcp();
        tokio::select! {
            biased;
            () = handle.deadline(), if !is_closing && !is_draining => Event::ShutdownDeadline,
            event = self.authentication.next(), if !is_closing => match event {
                AuthenticationEvent::Banned => Event::Banned,
                AuthenticationEvent::Verified(verified) => Event::Authenticated(verified),
            },
            Some((id, result)) = self.operations.next(), if !backlog.is_full && !is_closing => {
                Event::Result(id, result)
            }
            () = std::future::ready(()), if may_read && has_more => Event::Readable,
            _ = tcp.readable(), if may_read => Event::Readable,
            _ = tcp.writable(), if backlog.is_waiting => Event::Writable,
            () = self.writer.changed() => Event::WriterChanged,
            () = tokio::time::sleep_until(deadline.into()) => Event::Timeout,
        }
    }

    /// Returns true if the session may read. While it closes, it reads only after its close frame
    /// was written.
    pub(super) fn may_read(&self, backlog: Backlog) -> bool {
        !self.is_read_closed
            && if self.closing_until.is_some() {
                !backlog.is_waiting
            } else {
                !backlog.is_full
            }
    }

    fn deadline(&self, backlog: Backlog) -> Instant {
        if let Some(until) = self.closing_until {
            return until;
        }
        let next = self.protocol.deadline();
        backlog.deadline.map_or(next, |stalled| next.min(stalled))
    }
}
