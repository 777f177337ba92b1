//! The event loop of one WebSocket. It performs the actions of [`Protocol`], runs operations and
//! keeps time.

mod event;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_graphql::ServerError;
use axum::body::Bytes;
use tokio::net::TcpStream;
use tungstenite::Message;

use self::event::Event;
use super::{
    authentication::{Authentication, Verified},
    close::Close,
    frame::{self, Frame},
    message::{InitPayload, OperationId, ServerMessage},
    operations::{OperationResult, Operations, too_many_operations},
    protocol::{Action, Limits, Protocol},
    reader::{Read, Reader},
    send_queue::{Capacity, SendQueue},
    writer::SocketWriter,
};
use crate::{
    graphql::{ErrorCode, Outcome, Params, RequestSource, request_error, server_error},
    limits::Excess,
    model::ClientAddress,
    shutdown::ConnectionHandle,
    transport::{
        Transport,
        http::{request_id::RequestId, response::restart_error},
    },
};

/// Time limit for the client's answer to a close frame.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// Maximum number of messages read before the session yields to other tasks.
const MESSAGES_PER_TURN: usize = 32;

/// An open WebSocket. Dropping it ends its operations at once, and with them the memberships of its
/// subscriptions; mutations run to their end.
pub(super) struct Session {
    transport: Arc<Transport>,
    writer: Arc<SocketWriter>,
    reader: Reader,
    protocol: Protocol,
    authentication: Authentication,
    operations: Operations,
    /// The time limit for the client's close frame, set once the server's is queued.
    closing_until: Option<Instant>,
    /// The server shuts down. The session closes once no operation is in execution.
    is_draining: bool,
    /// The reader failed. The session stays open until the close frame was sent, because dropping a
    /// socket with unread bytes resets the connection, and the reset may overtake the close frame.
    is_read_closed: bool,
}

#[derive(PartialEq, Eq)]
enum Flow {
    Continue,
    Stop,
}

impl Drop for Session {
    /// Wakes the sinks that wait for capacity.
    fn drop(&mut self) {
        self.writer.abandon();
    }
}

impl Session {
    /// Creates the session of a connection from `address`. `read` was read from it before.
    pub(super) fn new(
        transport: Arc<Transport>,
        request_id: RequestId,
        tcp: TcpStream,
        read: &Bytes,
        address: Option<ClientAddress>,
        source: RequestSource,
    ) -> Self {
        let config = &transport.ws;
        let limits = Limits {
            init_timeout: config.ws_init_timeout,
            ping_interval: config.ws_ping_interval,
            operation_limit: usize::try_from(config.ws_operation_limit).unwrap_or(usize::MAX),
        };
        let queue = SendQueue::new(Capacity::of(config), config.ws_write_timeout);
        let account = transport.memory.of_requests(address);
        let reader = Reader::new(config.ws_message_limit, read, &account);
        let writer = Arc::new(SocketWriter::new(tcp, queue));
        let operations = Operations::new(
            Arc::clone(&transport),
            Arc::clone(&writer),
            request_id,
            address,
            limits.operation_limit,
        );
        Self {
            transport,
            writer,
            reader,
            protocol: Protocol::new(limits, Instant::now()),
            authentication: Authentication::new(address, source),
            operations,
            closing_until: None,
            is_draining: false,
            is_read_closed: false,
        }
    }

    /// Serves the client until it disconnects, is closed, or reaches its deadline in a shutdown.
    pub(super) async fn run(mut self, handle: &ConnectionHandle) {
        let mut flow = Flow::Continue;
        while flow == Flow::Continue {
            let event = self.next_event(handle).await;
            self.remove_ended();
            match event {
                Event::ShutdownDeadline => self.is_draining = true,
                Event::Banned => self.close(&Close::Banned),
                Event::Authenticated(verified) => self.admit(verified),
                Event::Readable => flow = self.read(),
                Event::Writable => self.writer.write(),
                Event::Result(id, result) => self.send_result(id, *result),
                Event::WriterChanged => {}
                Event::Timeout => flow = self.on_timeout(Instant::now()),
                Event::Disconnected => flow = Flow::Stop,
            }
            self.close_if_drained();
        }
    }

    /// Reads messages in one turn, at most [`MESSAGES_PER_TURN`].
    fn read(&mut self) -> Flow {
        self.reader.begin_turn();
        for _ in 0..MESSAGES_PER_TURN {
            if !self.may_read(self.writer.backlog()) {
                break;
            }
            let flow = match self.reader.read(&self.writer) {
                Read::Message(message) => self.receive(&message),
                Read::Pending => break,
                Read::End => Flow::Stop,
                Read::Broken(close) => self.close_reader(&close),
            };
            if flow == Flow::Stop {
                // The queue may still hold the echo of the client's close frame.
                self.writer.write();
                return Flow::Stop;
            }
        }
        Flow::Continue
    }

    fn receive(&mut self, message: &Message) -> Flow {
        if self.closing_until.is_some() {
            // Only the client's close frame matters now, and tungstenite answers it.
            return Flow::Continue;
        }
        self.remove_ended();
        self.protocol.record_activity();
        let action = match message {
            Message::Text(text) => self.protocol.on_text(text),
            Message::Binary(_) => Some(self.protocol.on_binary()),
            _ => None,
        };
        action.map_or(Flow::Continue, |action| self.perform(action))
    }

    /// Removes operations that their sinks ended, so that their ids may be reused.
    fn remove_ended(&mut self) {
        for id in self.writer.take_ended() {
            self.protocol.finish(&id);
            self.operations.remove_subscription(&id);
        }
    }

    fn on_timeout(&mut self, now: Instant) -> Flow {
        if self.closing_until.is_some() {
            return Flow::Stop;
        }
        let stalled = self.writer.backlog().deadline;
        if stalled.is_some_and(|stalled| now >= stalled) {
            self.close(&Close::TooSlow);
            return Flow::Continue;
        }
        let action = self.protocol.on_timeout(now);
        action.map_or(Flow::Continue, |action| self.perform(action))
    }

    fn perform(&mut self, action: Action) -> Flow {
        if let Action::Start(id, _) | Action::Refuse(id) | Action::RefuseUnreadable(id, _) = &action
            && let Err(excess) = self.operations.admit()
        {
            match excess {
                Excess::Limited(error) => self.refuse(id, &[server_error(error)]),
                Excess::Abusive => self.close(&Close::TooManyOperations),
            }
            return Flow::Continue;
        }
        match action {
            Action::Authenticate(payload) => self.authenticate(payload),
            Action::Pong(payload) => self.send(&ServerMessage::Pong { payload }),
            Action::Renew(token) => self.renew(token),
            Action::Start(id, _) if self.is_draining => {
                self.refuse(
                    &id,
                    &[request_error(ErrorCode::ServiceRestart, restart_error())],
                );
            }
            Action::Start(id, params) => self.start(id, *params),
            Action::RefuseUnreadable(id, unreadable) => {
                let code = ErrorCode::ValidationFailed;
                self.operations.reject(code.as_str());
                let error = ServerError::new(unreadable.to_string(), None);
                self.refuse(&id, &[request_error(code, error)]);
            }
            Action::Refuse(id) => self.send(&ServerMessage::Error {
                id: &id,
                payload: &[too_many_operations()],
            }),
            Action::Stop(id) => self.operations.stop(&id),
            Action::Ping => self.writer.push(Frame::ping()),
            Action::Close(close) => self.close(&close),
            Action::Disconnect => {
                self.transport.metrics.silent.increment(1);
                return Flow::Stop;
            }
        }
        Flow::Continue
    }

    fn authenticate(&mut self, payload: InitPayload) {
        match self.authentication.begin(payload, &self.transport) {
            Ok(Some(verified)) => self.admit(verified),
            Ok(None) => {}
            Err(close) => self.close(&close),
        }
    }

    /// Verifies a new token of the client, at the rate of operations.
    fn renew(&mut self, token: String) {
        if self.operations.admit().is_err() {
            self.close(&Close::TooManyOperations);
        } else if let Some(verified) = self.authentication.verify(token, &self.transport) {
            self.admit(verified);
        }
    }

    /// Acknowledges the connection or the renewal of a verified client, or closes the socket.
    fn admit(&mut self, verified: Verified) {
        match self.authentication.admit(verified, &self.transport) {
            Ok(until) => {
                let acknowledgement = if self.protocol.is_acknowledged() {
                    ServerMessage::renewed()
                } else {
                    ServerMessage::ConnectionAck
                };
                self.protocol.acknowledge(until);
                self.send(&acknowledgement);
            }
            Err(close) => self.close(&close),
        }
    }

    fn start(&mut self, id: OperationId, params: Params) {
        let caller = self.authentication.caller();
        if let Err(errors) = self.operations.start(id.clone(), params, caller) {
            self.refuse(&id, &errors);
        }
    }

    /// Sends the result of an operation.
    fn send_result(&mut self, id: OperationId, result: OperationResult) {
        match result {
            OperationResult::Opened(Ok(subscription)) => {
                // A subscription that failed meanwhile was removed already.
                if self.protocol.is_active(&id) {
                    self.operations.insert_subscription(id, subscription);
                }
            }
            OperationResult::Outcome(Outcome::Executed(executed)) => {
                let prefix = frame::next_prefix(&id);
                self.writer.push(Frame::next(&prefix, &executed.payload));
                self.complete(&id);
            }
            OperationResult::Opened(Err(errors))
            | OperationResult::Outcome(Outcome::Refused(errors)) => self.refuse(&id, &errors),
        }
    }

    /// Ends an operation with a `complete` message.
    fn complete(&mut self, id: &OperationId) {
        self.protocol.finish(id);
        self.send(&ServerMessage::Complete { id });
    }

    /// Ends an operation with an `error` message.
    fn refuse(&mut self, id: &OperationId, errors: &[ServerError]) {
        self.protocol.finish(id);
        self.send(&ServerMessage::Error {
            id,
            payload: errors,
        });
    }

    /// Closes the socket during a shutdown, once no operation is in execution. Queued results are
    /// written before the close frame.
    fn close_if_drained(&mut self) {
        if self.is_draining && self.closing_until.is_none() && !self.operations.is_executing() {
            let close = Close::Restarting;
            self.transport.metrics.closed(close.code());
            self.authentication.caller().sent_away.set();
            self.operations.clear();
            self.closing_until = Some(Instant::now() + CLOSE_TIMEOUT);
            self.writer.close_after_queue(Frame::close(&close));
        }
    }

    fn close_reader(&mut self, close: &Close) -> Flow {
        self.is_read_closed = true;
        if self.closing_until.is_some() {
            return Flow::Stop;
        }
        self.close(close);
        Flow::Continue
    }

    /// Ends all operations at once, and starts the close handshake.
    pub(super) fn close(&mut self, close: &Close) {
        let metrics = &self.transport.metrics;
        metrics.closed(close.code());
        if *close == Close::TooSlow {
            metrics.slow.increment(1);
        }
        if close.is_passing() {
            self.authentication.caller().sent_away.set();
        }
        self.authentication.cancel();
        self.operations.clear();
        self.closing_until = Some(Instant::now() + CLOSE_TIMEOUT);
        self.writer.close(Frame::close(close));
    }

    fn send(&self, message: &ServerMessage<'_>) {
        self.writer.push(Frame::text(&message.to_text()));
    }
}
