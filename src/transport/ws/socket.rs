//! One socket: frames in, operations under way, and the clock. What is to be done is for
//! [`Protocol`] to say.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use async_graphql::ServerError;
use axum::body::Bytes;
use futures_util::{
    FutureExt,
    future::{BoxFuture, IntoStream},
};
use tokio::{net::TcpStream, sync::Semaphore};
use tokio_stream::{StreamExt, StreamMap};
use tracing::Instrument;
use tungstenite::Message;

use super::{
    close::Close,
    connection::{Backlog, Connection},
    frame::{self, Frame},
    message::{InitPayload, OperationId, ServerMessage},
    outbox::{Outbox, Room},
    protocol::{Action, Protocol, Rules},
    reader::{Read, Reader},
    sink::NextMessages,
};
use crate::{
    auth::{Principal, TokenError, bearer},
    error::Error,
    graphql::{
        Caller, OperationKind, Outcome, Params, RequestCode, Subscription, request_error,
        server_error,
    },
    model::{ClientAddress, ClientId, Timestamp},
    moderation::BanWatch,
    shutdown::ConnectionHandle,
    transport::{
        Transport,
        asked::Asked,
        record::{Record, Subscribed, Via, code_of_errors},
        response::restart,
    },
};

/// How long a client may take to answer a close frame.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// When a client that has too many operations may try again, if it completes one meanwhile.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// How many messages are read before others have a turn on the thread.
const MESSAGES_A_TURN: usize = 32;

/// An operation that is being executed, or a subscription that is being opened: one answer.
type Execution = IntoStream<BoxFuture<'static, Box<Answer>>>;

/// A subscription with what is kept of it in the log, or why there is none.
type Opened = Result<(Subscription, Option<Subscribed>), Vec<ServerError>>;
/// Who the client is, once that is known; it takes a while only where a key must be asked for.
type Authentication = Pin<Box<dyn Future<Output = Result<Option<Principal>, TokenError>> + Send>>;

enum Answer {
    Outcome(Outcome),
    Opened(Opened),
}

/// One socket and all that belongs to it. Dropping it ends its operations at once, and with them
/// the memberships of its subscriptions; mutations run to their end.
pub(super) struct Socket {
    transport: Arc<Transport>,
    /// The request that opened the socket, and how many operations were started since.
    asked: Asked,
    started: u32,
    connection: Arc<Connection>,
    reader: Reader,
    protocol: Protocol,
    caller: Caller,
    /// A token that is being looked at.
    authentication: Option<Authentication>,
    /// Tells of the user's ban.
    ban: Option<BanWatch>,
    executions: StreamMap<OperationId, Execution>,
    /// How many more mutations may be under way: one that the client completes runs to its end, and
    /// makes no room for another before.
    mutations: Arc<Semaphore>,
    subscriptions: HashMap<OperationId, (Subscription, Option<Subscribed>)>,
    /// Set once a close frame was put into the outbox: until then the client may answer it.
    closing_until: Option<Instant>,
    /// The server goes down, and the socket with it once what is being executed was answered.
    is_leaving: bool,
    /// Reading broke off: nothing more can be read. The socket stays open for a while all the
    /// same: one that is dropped with something unread resets the connection, and may so overtake
    /// the close frame.
    is_deaf: bool,
}

/// What happened.
enum Event {
    MomentToLeave,
    Banned,
    Identified(Result<Option<Principal>, TokenError>),
    Readable,
    Writable,
    Answer(OperationId, Box<Answer>),
    /// Somebody wrote to the connection, and has left something to do.
    Changed,
    Time,
    Gone,
}

/// Whether there is anything left to do.
#[derive(PartialEq, Eq)]
enum Flow {
    Continue,
    Stop,
}

impl Drop for Socket {
    /// Whoever waits for room is to wait no longer.
    fn drop(&mut self) {
        self.connection.abandon();
    }
}

impl Socket {
    /// The socket of this connection, of which `read` was read already, with a client at `address`.
    pub(super) fn new(
        transport: Arc<Transport>,
        asked: Asked,
        tcp: TcpStream,
        read: &Bytes,
        address: Option<ClientAddress>,
    ) -> Self {
        let config = &transport.ws;
        let size = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        let rules = Rules {
            init_timeout: config.ws_init_timeout,
            ping_interval: config.ws_ping_interval,
            operation_limit: size(config.ws_operation_limit),
        };
        let mutations = Arc::new(Semaphore::new(rules.operation_limit));
        let room = Room {
            messages: size(config.ws_queue),
            bytes: config.ws_queue_bytes,
        };
        let outbox = Outbox::new(room, config.ws_write_timeout);
        let reader = Reader::new(config.ws_message_limit, read);
        Self {
            transport,
            asked,
            started: 0,
            connection: Arc::new(Connection::new(tcp, outbox)),
            reader,
            protocol: Protocol::new(rules, Instant::now()),
            caller: Caller {
                address,
                ..Caller::default()
            },
            authentication: None,
            ban: None,
            executions: StreamMap::new(),
            mutations,
            subscriptions: HashMap::new(),
            closing_until: None,
            is_leaving: false,
            is_deaf: false,
        }
    }

    /// Serves the client until it goes, is sent away, or its moment comes where the server goes down.
    pub(super) async fn run(mut self, guest: &ConnectionHandle) {
        let mut flow = Flow::Continue;
        while flow == Flow::Continue {
            let event = self.next_event(guest).await;
            self.forget_ended();
            flow = match event {
                Event::MomentToLeave => {
                    self.is_leaving = true;
                    Flow::Continue
                }
                Event::Banned => {
                    self.close(&Close::Forbidden("Banned".into()));
                    Flow::Continue
                }
                Event::Identified(principal) => {
                    self.authentication = None;
                    self.admit(principal);
                    Flow::Continue
                }
                Event::Readable => self.read(),
                Event::Writable => {
                    self.connection.write();
                    Flow::Continue
                }
                Event::Answer(id, answer) => {
                    self.report(id, *answer);
                    Flow::Continue
                }
                Event::Changed => Flow::Continue,
                Event::Time => self.look_at_the_clock(Instant::now()),
                Event::Gone => Flow::Stop,
            };
            self.leave_if_done();
        }
    }

    /// Waits for what happens next. Where the outbox is full neither frames nor answers are taken,
    /// so the client's own slowness holds it back; what its subscriptions miss meanwhile they read
    /// from the store. A client that never pauses holds off neither the others on its thread, nor
    /// the clock, nor the close frame, nor its own answers.
    async fn next_event(&mut self, guest: &ConnectionHandle) -> Event {
        // What was read together is answered together.
        self.connection.write();
        if self.reader.has_more {
            tokio::task::yield_now().await;
        }
        let backlog = self.connection.backlog();
        if backlog.is_broken {
            return Event::Gone;
        }
        let deadline = self.deadline(backlog);
        if deadline <= Instant::now() {
            return Event::Time;
        }
        let (is_closing, is_leaving) = (self.closing_until.is_some(), self.is_leaving);
        let (may_read, has_more) = (self.may_read(backlog), self.reader.has_more);
        let tcp = self.connection.tcp();
        tokio::select! {
            biased;
            () = guest.deadline(), if !is_closing && !is_leaving => Event::MomentToLeave,
            () = banned(self.ban.as_ref()), if !is_closing => Event::Banned,
            Some(principal) = settled(self.authentication.as_mut()), if !is_closing => {
                Event::Identified(principal)
            }
            Some((id, answer)) = self.executions.next(), if !backlog.is_full && !is_closing => {
                Event::Answer(id, answer)
            }
            () = std::future::ready(()), if may_read && has_more => Event::Readable,
            _ = tcp.readable(), if may_read => Event::Readable,
            _ = tcp.writable(), if backlog.is_waiting => Event::Writable,
            () = self.connection.changed() => Event::Changed,
            () = tokio::time::sleep_until(deadline.into()) => Event::Time,
        }
    }

    /// Once the close frame is written, only the client's own is waited for.
    fn may_read(&self, backlog: Backlog) -> bool {
        !self.is_deaf
            && if self.closing_until.is_some() {
                !backlog.is_waiting
            } else {
                !backlog.is_full
            }
    }

    fn deadline(&self, backlog: Backlog) -> Instant {
        match self.closing_until {
            Some(until) => until,
            None => {
                let next = self.protocol.deadline();
                backlog.deadline.map_or(next, |stalled| next.min(stalled))
            }
        }
    }

    /// Takes messages, until there are no more or others are to have a turn.
    fn read(&mut self) -> Flow {
        for _ in 0..MESSAGES_A_TURN {
            if !self.may_read(self.connection.backlog()) {
                break;
            }
            let flow = match self.reader.read(&self.connection) {
                Read::Message(message) => self.receive(&message),
                Read::Nothing => break,
                Read::End => Flow::Stop,
                Read::Broken(close) => self.broken(&close),
            };
            if flow == Flow::Stop {
                // The echo of a close frame, say, is the last that is written.
                self.connection.write();
                return Flow::Stop;
            }
        }
        Flow::Continue
    }

    fn receive(&mut self, message: &Message) -> Flow {
        if self.closing_until.is_some() {
            // Only its own close frame is of interest now, and the library answers that.
            return Flow::Continue;
        }
        self.forget_ended();
        self.protocol.heard();
        let action = match message {
            Message::Text(text) => self.protocol.text(text),
            Message::Binary(_) => Some(self.protocol.binary()),
            _ => None,
        };
        action.map_or(Flow::Continue, |action| self.act(action))
    }

    /// Operations whose end the client was told of may be started again under the same id.
    fn forget_ended(&mut self) {
        for id in self.connection.take_ended() {
            self.protocol.finished(&id);
            self.subscriptions.remove(&id);
        }
    }

    fn look_at_the_clock(&mut self, now: Instant) -> Flow {
        if self.closing_until.is_some() {
            return Flow::Stop;
        }
        let stalled = self.connection.backlog().deadline;
        if stalled.is_some_and(|stalled| now >= stalled) {
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
            Action::Start(id, _) if self.is_leaving => {
                self.refuse(&id, &[request_error(RequestCode::Restarting, restart())]);
            }
            Action::Start(id, params) => self.start(id, *params),
            Action::RefuseUnreadable(id, unreadable) => {
                let error = ServerError::new(unreadable.to_string(), None);
                let errors = [request_error(RequestCode::ValidationFailed, error)];
                let code = RequestCode::ValidationFailed.as_str();
                self.started = self.started.wrapping_add(1);
                let asked = self.asked.operation(self.started);
                Record::refused(&self.transport.metrics, &asked, Via::WebSocket, code);
                self.refuse(&id, &errors);
            }
            Action::Refuse(id) => self.send(&ServerMessage::Error {
                id: &id,
                payload: &[too_many_operations()],
            }),
            Action::Stop(id) => {
                self.executions.remove(&id);
                self.subscriptions.remove(&id);
            }
            Action::Ping => self.connection.push(Frame::ping()),
            Action::Close(close) => self.close(&close),
            Action::Abandon => {
                self.transport.metrics.silent.increment(1);
                return Flow::Stop;
            }
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
        self.caller.client = Some(client);
        let authenticator = Arc::clone(&self.transport.authenticator);
        let mut authentication: Authentication = Box::pin(async move {
            match payload.authorization {
                Some(value) => authenticator.identify(bearer(&value)).await.map(Some),
                None => Ok(None),
            }
        });
        // Almost always it is known at once.
        match authentication.as_mut().now_or_never() {
            Some(principal) => self.admit(principal),
            None => self.authentication = Some(authentication),
        }
    }

    /// Acknowledges the connection, or closes it, now that it is known who the client is.
    fn admit(&mut self, principal: Result<Option<Principal>, TokenError>) {
        let principal = match principal {
            Ok(principal) => principal,
            Err(error) => {
                let metrics = &self.transport.metrics;
                metrics.unauthenticated(error == TokenError::Expired);
                return self.close(&Close::Forbidden(error.to_string().into()));
            }
        };
        let bans = &self.transport.bans;
        if let Some(Err(banned)) = principal.as_ref().map(|principal| bans.admit(principal)) {
            return self.close(&Close::Forbidden(banned.to_string().into()));
        }
        self.ban = principal.as_ref().map(|principal| bans.watch(principal));
        let now = Timestamp::now();
        let until = principal
            .as_ref()
            .and_then(|principal| Instant::now().checked_add(principal.expires_at.since(now)));
        self.caller.principal = principal;
        self.protocol.admit(until);
        self.send(&ServerMessage::ConnectionAck);
    }

    fn start(&mut self, id: OperationId, params: Params) {
        self.started = self.started.wrapping_add(1);
        let asked = self.asked.operation(self.started);
        let metrics = &self.transport.metrics;
        let operation = match self.transport.requests.prepare(params) {
            Ok(operation) => operation,
            Err(errors) => {
                let code = code_of_errors(&errors).unwrap_or_default();
                Record::refused(metrics, &asked, Via::WebSocket, code);
                return self.refuse(&id, &errors);
            }
        };
        let operation = match operation.kind() {
            OperationKind::Mutation => match Arc::clone(&self.mutations).try_acquire_owned() {
                Ok(place) => operation.keeping(place),
                Err(_all_taken) => {
                    let errors = [too_many_operations()];
                    let code = code_of_errors(&errors).unwrap_or_default();
                    Record::refused(metrics, &asked, Via::WebSocket, code);
                    return self.refuse(&id, &errors);
                }
            },
            OperationKind::Query | OperationKind::Subscription => operation,
        };
        let (executor, caller) = (self.transport.executor.clone(), self.caller.clone());
        let record = Record::begin(metrics, &asked, Via::WebSocket, &operation, &caller);
        // Each has a place on the heap of its own size. What a query waits for is large, and opening
        // a subscription is to move nothing of that size.
        let execution: BoxFuture<'static, Box<Answer>> =
            if operation.kind() == OperationKind::Subscription {
                let sink = NextMessages::new(Arc::clone(&self.connection), id.clone());
                let span = record.span();
                Box::pin(async move {
                    let opening = executor.subscribe(operation, caller, Arc::new(sink));
                    let opened = opening.instrument(span).await;
                    let kept = record.opened(opened.as_ref().map(drop).map_err(Vec::as_slice));
                    let opened = opened.map(|subscription| (subscription, kept));
                    Box::new(Answer::Opened(opened))
                })
            } else {
                let execution = record.execute(&executor, operation, caller);
                execution.map(Answer::Outcome).map(Box::new).boxed()
            };
        self.executions.insert(id, execution.into_stream());
    }

    /// Tells the client what became of an operation.
    fn report(&mut self, id: OperationId, answer: Answer) {
        match answer {
            Answer::Opened(Ok(subscription)) => {
                // One that has failed already is forgotten already.
                if self.protocol.is_under_way(&id) {
                    self.subscriptions.insert(id, subscription);
                }
            }
            Answer::Outcome(Outcome::Executed(response)) => {
                self.send(&ServerMessage::Next {
                    id: &id,
                    payload: &response,
                });
                self.complete(&id);
            }
            Answer::Outcome(Outcome::Rendered(payload)) => {
                self.connection
                    .push(Frame::next(&frame::prefix(&id), &payload));
                self.complete(&id);
            }
            Answer::Opened(Err(errors)) | Answer::Outcome(Outcome::Refused(errors)) => {
                self.refuse(&id, &errors);
            }
        }
    }

    /// An operation has come to its end by itself.
    fn complete(&mut self, id: &OperationId) {
        self.protocol.finished(id);
        self.send(&ServerMessage::Complete { id });
    }

    /// An `error` message ends its operation.
    fn refuse(&mut self, id: &OperationId, errors: &[ServerError]) {
        self.protocol.finished(id);
        self.send(&ServerMessage::Error {
            id,
            payload: errors,
        });
    }

    /// Where the server goes down: closes the socket, unless an operation is under way whose answer
    /// the client waits for. What is answered already is written before the close frame.
    fn leave_if_done(&mut self) {
        if self.is_leaving && self.closing_until.is_none() && self.executions.is_empty() {
            let close = Close::Restarting;
            self.transport.metrics.closed(close.code());
            self.subscriptions.clear();
            self.closing_until = Some(Instant::now() + CLOSE_TIMEOUT);
            self.connection.close_behind(Frame::close(&close));
        }
    }

    fn broken(&mut self, close: &Close) -> Flow {
        self.is_deaf = true;
        if self.closing_until.is_some() {
            return Flow::Stop;
        }
        self.close(close);
        Flow::Continue
    }

    /// Ends all operations at once, and leaves the client a moment to answer the close frame.
    pub(super) fn close(&mut self, close: &Close) {
        let metrics = &self.transport.metrics;
        metrics.closed(close.code());
        if *close == Close::TooSlow {
            metrics.slow.increment(1);
        }
        self.authentication = None;
        self.executions.clear();
        self.subscriptions.clear();
        self.closing_until = Some(Instant::now() + CLOSE_TIMEOUT);
        self.connection.close(Frame::close(close));
    }

    fn send(&self, message: &ServerMessage<'_>) {
        self.connection.push(Frame::text(&message.to_text()));
    }
}

/// What a client is told that has as many operations under way as it may have.
fn too_many_operations() -> ServerError {
    server_error(Error::RateLimited {
        retry_after: RETRY_AFTER,
    })
}

/// Waits for the ban of whoever is watched.
async fn banned(ban: Option<&BanWatch>) {
    match ban {
        Some(ban) => ban.banned().await,
        None => std::future::pending().await,
    }
}

/// What a future comes to, where there is one.
async fn settled<F: Future + Unpin>(future: Option<&mut F>) -> Option<F::Output> {
    Some(future?.await)
}
