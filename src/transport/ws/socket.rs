//! One socket: frames in and out, operations under way, and the clock. What is to be done is for
//! [`Protocol`] to say.

use std::{
    pin::{Pin, pin},
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Error as SocketError,
    body::Bytes,
    extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket},
};
use futures_util::{
    Stream, StreamExt,
    future::poll_fn,
    stream::{SplitSink, SplitStream},
};
use tokio_stream::{StreamMap, StreamNotifyClose};
use tokio_util::sync::CancellationToken;
use tungstenite::error::{Error as WebSocketError, ProtocolError};

use super::{
    close::Close,
    message::{self, InitPayload, OperationId, ServerMessage},
    outbox::Outbox,
    protocol::{Action, Protocol, Rules},
};
use crate::{
    auth::bearer,
    error::Error,
    graphql::{Caller, Outcome, Params, server_error},
    model::{ClientId, Timestamp},
    transport::Transport,
};

/// How long a client may take to answer a close frame.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// When a client that has too many operations may try again, if it completes one meanwhile.
const RETRY_AFTER: Duration = Duration::from_secs(1);

type Outcomes = Pin<Box<dyn Stream<Item = Outcome> + Send>>;

/// One socket and all that belongs to it. Dropping it ends its operations at once, and with them
/// the memberships of its subscriptions; mutations run to their end.
pub(super) struct Socket {
    transport: Arc<Transport>,
    sink: SplitSink<WebSocket, Message>,
    frames: SplitStream<WebSocket>,
    protocol: Protocol,
    caller: Caller,
    operations: StreamMap<OperationId, StreamNotifyClose<Outcomes>>,
    outbox: Outbox,
    /// Set once a close frame was put into the outbox: until then the client may answer it.
    closing_until: Option<Instant>,
    /// Reading broke off: nothing more can be read. The socket stays open for a while all the
    /// same: one that is dropped with something unread resets the connection, and may so overtake
    /// the close frame.
    is_deaf: bool,
}

/// What happened.
enum Event {
    GoingDown,
    Frame(Option<Result<Message, SocketError>>),
    Outcome(OperationId, Option<Outcome>),
    Written(Result<(), SocketError>),
    Time,
}

/// Whether there is anything left to do.
#[derive(PartialEq, Eq)]
enum Flow {
    Continue,
    Stop,
}

impl Socket {
    pub(super) fn new(transport: Arc<Transport>, websocket: WebSocket) -> Self {
        let config = &transport.ws;
        let size = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        let rules = Rules {
            init_timeout: config.ws_init_timeout,
            ping_interval: config.ws_ping_interval,
            operation_limit: size(config.ws_operation_limit),
        };
        let outbox = Outbox::new(size(config.ws_queue), config.ws_write_timeout);
        let (sink, frames) = websocket.split();
        Self {
            transport,
            sink,
            frames,
            protocol: Protocol::new(rules, Instant::now()),
            caller: Caller::default(),
            operations: StreamMap::new(),
            outbox,
            closing_until: None,
            is_deaf: false,
        }
    }

    /// Serves the client until it goes, is sent away, or the server goes down.
    pub(super) async fn run(mut self, going_down: CancellationToken) {
        let mut flow = Flow::Continue;
        while flow == Flow::Continue {
            let event = self.next_event(&going_down).await;
            flow = match event {
                Event::GoingDown => {
                    self.close(&Close::Restarting);
                    Flow::Continue
                }
                Event::Frame(Some(Ok(message))) => self.receive(message),
                Event::Frame(Some(Err(error))) => self.broken(&error),
                Event::Frame(None) | Event::Written(Err(_)) => Flow::Stop,
                Event::Outcome(id, outcome) => {
                    self.report(id, outcome);
                    Flow::Continue
                }
                Event::Written(Ok(())) => Flow::Continue,
                Event::Time => self.look_at_the_clock(Instant::now()),
            };
        }
    }

    /// Waits for what happens next. Where the outbox is full neither frames nor outcomes are
    /// taken, so the client's own slowness holds it back; what its streams miss meanwhile they
    /// read from the store. A client that never pauses holds off neither the clock nor the close
    /// frame.
    async fn next_event(&mut self, going_down: &CancellationToken) -> Event {
        let is_closing = self.closing_until.is_some();
        let has_room = !self.outbox.is_full();
        let has_work = self.outbox.has_work();
        let may_read = !self.is_deaf && if is_closing { !has_work } else { has_room };
        let deadline = self.deadline();
        if deadline <= Instant::now() {
            return Event::Time;
        }
        let Self {
            sink,
            frames,
            operations,
            outbox,
            ..
        } = self;
        let mut sink = pin!(sink);
        // In this order: what was produced together is then written together.
        tokio::select! {
            biased;
            () = going_down.cancelled(), if !is_closing => Event::GoingDown,
            frame = frames.next(), if may_read => Event::Frame(frame),
            Some((id, outcome)) = operations.next(), if has_room && !is_closing => {
                Event::Outcome(id, outcome)
            }
            written = poll_fn(|context| outbox.poll_write(sink.as_mut(), context)), if has_work => {
                Event::Written(written)
            }
            () = tokio::time::sleep_until(deadline.into()) => Event::Time,
        }
    }

    fn deadline(&self) -> Instant {
        let next = self
            .closing_until
            .unwrap_or_else(|| self.protocol.deadline());
        match self.outbox.deadline() {
            Some(stalled) if self.closing_until.is_none() => next.min(stalled),
            _ => next,
        }
    }

    fn receive(&mut self, message: Message) -> Flow {
        if self.closing_until.is_some() {
            // Only its own close frame is of interest now, and the library answers that.
            return Flow::Continue;
        }
        self.protocol.heard();
        let action = match message {
            Message::Text(text) => self.protocol.text(&text),
            Message::Binary(_) => Some(self.protocol.binary()),
            Message::Ping(_) => {
                self.outbox.has_ponged(Instant::now());
                None
            }
            Message::Pong(_) | Message::Close(_) => None,
        };
        action.map_or(Flow::Continue, |action| self.act(action))
    }

    fn look_at_the_clock(&mut self, now: Instant) -> Flow {
        if self.closing_until.is_some() {
            return Flow::Stop;
        }
        if self.outbox.deadline().is_some_and(|stalled| now >= stalled) {
            self.close(&Close::TooSlow);
            return Flow::Continue;
        }
        match self.protocol.due(now) {
            Some(action) => self.act(action),
            None => Flow::Continue,
        }
    }

    fn act(&mut self, action: Action) -> Flow {
        match action {
            Action::Authenticate(payload) => self.authenticate(payload),
            Action::Pong(payload) => self.send(&ServerMessage::Pong { payload }),
            Action::Start(id, params) => self.start(id, *params),
            Action::Refuse(id) => {
                let error = Error::RateLimited {
                    retry_after: RETRY_AFTER,
                };
                self.send(&ServerMessage::Error {
                    id: &id,
                    payload: &[server_error(error)],
                });
            }
            Action::Stop(id) => {
                self.operations.remove(&id);
            }
            Action::Ping => self.push(Message::Ping(Bytes::new())),
            Action::Close(close) => self.close(&close),
            Action::Abandon => return Flow::Stop,
        }
        Flow::Continue
    }

    fn authenticate(&mut self, payload: InitPayload) {
        let client = match payload.client_id.as_deref().map(ClientId::parse) {
            None => ClientId::new_unnamed(),
            Some(Some(client)) => client,
            Some(None) => {
                let reason = "clientId is 1 to 64 of A-Z a-z 0-9 . _ -";
                return self.close(&Close::BadRequest(reason.into()));
            }
        };
        let now = Timestamp::now();
        let identity = payload.authorization.as_deref().map(|value| {
            let authenticator = &self.transport.authenticator;
            authenticator.authenticate(bearer(value), now)
        });
        let identity = match identity.transpose() {
            Ok(identity) => identity,
            Err(error) => return self.close(&Close::Forbidden(error.to_string().into())),
        };
        let until = identity
            .as_ref()
            .and_then(|identity| Instant::now().checked_add(identity.expires_at.since(now)));
        self.caller = Caller {
            identity,
            client: Some(client),
        };
        self.protocol.admit(until);
        self.send(&ServerMessage::ConnectionAck);
    }

    fn start(&mut self, id: OperationId, params: Params) {
        match self.transport.persisted.operation(params) {
            Ok(operation) => {
                let executor = &self.transport.executor;
                let outcomes: Outcomes = Box::pin(executor.stream(operation, self.caller.clone()));
                self.operations.insert(id, StreamNotifyClose::new(outcomes));
            }
            Err(error) => self.refuse(&id, &[error]),
        }
    }

    /// Tells the client what became of an operation; `None` is its end.
    fn report(&mut self, id: OperationId, outcome: Option<Outcome>) {
        match outcome {
            Some(Outcome::Executed(response)) => self.send(&ServerMessage::Next {
                id: &id,
                payload: &response,
            }),
            Some(Outcome::Event(payload)) => {
                self.push(Message::Text(message::next(&id, &payload).into()));
            }
            Some(Outcome::Refused(errors)) => {
                self.operations.remove(&id);
                self.refuse(&id, &errors);
            }
            None => {
                self.protocol.finished(&id);
                self.send(&ServerMessage::Complete { id: &id });
            }
        }
    }

    /// An `error` message ends its operation.
    fn refuse(&mut self, id: &OperationId, errors: &[async_graphql::ServerError]) {
        self.protocol.finished(id);
        self.send(&ServerMessage::Error {
            id,
            payload: errors,
        });
    }

    fn broken(&mut self, error: &SocketError) -> Flow {
        self.is_deaf = true;
        match unreadable(error) {
            Some(close) if self.closing_until.is_none() => {
                self.close(&close);
                Flow::Continue
            }
            _ => Flow::Stop,
        }
    }

    /// Ends all operations at once, and leaves the client a moment to answer the close frame.
    pub(super) fn close(&mut self, close: &Close) {
        self.operations.clear();
        self.outbox.clear();
        self.closing_until = Some(Instant::now() + CLOSE_TIMEOUT);
        self.push(Message::Close(Some(CloseFrame {
            code: close.code(),
            reason: close.reason().into(),
        })));
    }

    fn send(&mut self, message: &ServerMessage<'_>) {
        self.push(Message::Text(Utf8Bytes::from(message.to_text())));
    }

    fn push(&mut self, message: Message) {
        self.outbox.push(message, Instant::now());
    }
}

/// What a client is told whose frames could not be read; `None` where it is gone.
fn unreadable(error: &SocketError) -> Option<Close> {
    match std::error::Error::source(error)?.downcast_ref()? {
        WebSocketError::Capacity(_) => Some(Close::MessageTooBig),
        WebSocketError::Utf8(_) => Some(Close::NotText),
        WebSocketError::Protocol(ProtocolError::ResetWithoutClosingHandshake) => None,
        WebSocketError::Protocol(_) => Some(Close::NotWebSocket),
        _ => None,
    }
}
