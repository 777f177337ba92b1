//! The operations of one socket: starting, completion and bounds.

use std::{collections::HashMap, sync::Arc, time::Duration};

use async_graphql::ServerError;
use futures_util::{
    FutureExt,
    future::{BoxFuture, IntoStream},
};
use tokio::sync::Semaphore;
use tokio_stream::{StreamExt, StreamMap};
use tracing::Instrument;

use super::{message::OperationId, sink::NextMessages, writer::SocketWriter};
use crate::{
    error::Error,
    graphql::{Caller, ErrorCode, OperationKind, Outcome, Params, Subscription, server_error},
    limits::{Excess, SocketRate},
    model::ClientAddress,
    transport::{
        Transport,
        http::request_id::RequestId,
        operation_log::{OperationLog, SubscriptionLog, TransportLabel, code_of_errors},
    },
};

/// Retry hint for a client at its limit of operations.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A query or mutation in execution, or a subscription that is being opened: a stream of one
/// result.
type Execution = IntoStream<BoxFuture<'static, Box<OperationResult>>>;

/// A subscription with the guard of its log, or the errors that refuse it.
type Opened = Result<ActiveSubscription, Vec<ServerError>>;
pub(super) type ActiveSubscription = (Subscription, Option<SubscriptionLog>);

/// The result of starting an operation.
pub(super) enum OperationResult {
    /// A query or mutation was executed.
    Outcome(Outcome),
    /// A subscription was opened or refused.
    Opened(Opened),
}

/// The operations of one socket. Dropping it ends them, and with them the memberships of
/// subscriptions; mutations still run to their end.
pub(super) struct Operations {
    transport: Arc<Transport>,
    writer: Arc<SocketWriter>,
    /// The id of the handshake's request.
    request_id: RequestId,
    rate: SocketRate,
    /// The last operation was refused because of its rate. Of a series only the first is logged.
    is_rate_limited: bool,
    /// The number of operations started or refused.
    count: u32,
    executions: StreamMap<OperationId, Execution>,
    /// Permits of mutations. A mutation that the client completes still runs to its end, and holds
    /// its permit until then.
    mutation_permits: Arc<Semaphore>,
    subscriptions: HashMap<OperationId, ActiveSubscription>,
}

impl Operations {
    /// Creates an empty set with at most `mutation_limit` mutations in execution.
    pub(super) fn new(
        transport: Arc<Transport>,
        writer: Arc<SocketWriter>,
        request_id: RequestId,
        address: Option<ClientAddress>,
        mutation_limit: usize,
    ) -> Self {
        Self {
            rate: transport.operation_limits.socket(address),
            is_rate_limited: false,
            transport,
            writer,
            request_id,
            count: 0,
            executions: StreamMap::new(),
            mutation_permits: Arc::new(Semaphore::new(mutation_limit)),
            subscriptions: HashMap::new(),
        }
    }

    /// Counts an operation that is to be started.
    ///
    /// # Errors
    ///
    /// Returns the excess if the socket or its address is over its rate.
    pub(super) fn admit(&mut self) -> Result<(), Excess> {
        let admitted = self.transport.operation_limits.count(&self.rate);
        let was_limited = std::mem::replace(&mut self.is_rate_limited, admitted.is_err());
        if admitted.is_err() && !was_limited {
            self.reject(ErrorCode::RateLimited.as_str());
        }
        admitted
    }

    /// Starts an operation. [`next`](Self::next) returns its result.
    ///
    /// # Errors
    ///
    /// Fails if the request is invalid or there are too many mutations.
    pub(super) fn start(
        &mut self,
        id: OperationId,
        mut params: Params,
        caller: &Caller,
    ) -> Result<(), Vec<ServerError>> {
        let request_id = self.next_request_id();
        let mut caller = caller.clone();
        let named = caller.name_client(params.client.take());
        let prepared = match named {
            Ok(()) => self.transport.requests.prepare(params),
            Err(error) => Err(vec![server_error(error)]),
        };
        let operation = prepared.and_then(|operation| match operation.kind() {
            OperationKind::Mutation => {
                match Arc::clone(&self.mutation_permits).try_acquire_owned() {
                    Ok(permit) => Ok(operation.keeping(permit)),
                    Err(_) => Err(vec![too_many_operations()]),
                }
            }
            OperationKind::Query | OperationKind::Subscription => Ok(operation),
        });
        let operation = operation.inspect_err(|errors| {
            let code = code_of_errors(errors);
            self.log_rejected(&request_id, code);
        })?;
        let executor = self.transport.executor.clone();
        let log = OperationLog::begin(
            &self.transport.metrics,
            &request_id,
            TransportLabel::WebSocket,
            &operation,
            &caller,
        );
        // Each kind is boxed at its own size: the future of a query is large, and opening a
        // subscription must not move as many bytes.
        let execution: BoxFuture<'static, Box<OperationResult>> =
            if operation.kind() == OperationKind::Subscription {
                let sink = NextMessages::new(Arc::clone(&self.writer), id.clone());
                let span = log.span();
                Box::pin(async move {
                    let opening = executor.subscribe(operation, caller, Arc::new(sink));
                    let opened = opening.instrument(span).await;
                    let guard = log.opened(opened.as_ref().map(drop).map_err(Vec::as_slice));
                    let opened = opened.map(|subscription| (subscription, guard));
                    Box::new(OperationResult::Opened(opened))
                })
            } else {
                let execution = log.execute(&executor, operation, caller);
                execution
                    .map(OperationResult::Outcome)
                    .map(Box::new)
                    .boxed()
            };
        self.executions.insert(id, execution.into_stream());
        Ok(())
    }

    /// Logs an operation that was rejected with `code` before its start.
    pub(super) fn reject(&mut self, code: &str) {
        let request_id = self.next_request_id();
        self.log_rejected(&request_id, code);
    }

    /// Waits for the next result of an operation. Returns `None` at once if none is in execution.
    /// Cancel safe.
    pub(super) fn next(
        &mut self,
    ) -> impl Future<Output = Option<(OperationId, Box<OperationResult>)>> + '_ {
        self.executions.next()
    }

    /// Returns true while a query or mutation is in execution, or a subscription is being opened.
    pub(super) fn is_executing(&self) -> bool {
        !self.executions.is_empty()
    }

    /// Keeps an opened subscription until it is stopped.
    pub(super) fn insert_subscription(
        &mut self,
        id: OperationId,
        subscription: ActiveSubscription,
    ) {
        self.subscriptions.insert(id, subscription);
    }

    /// Drops a subscription, which leaves its room.
    pub(super) fn remove_subscription(&mut self, id: &OperationId) {
        self.subscriptions.remove(id);
    }

    /// Stops an operation.
    pub(super) fn stop(&mut self, id: &OperationId) {
        self.executions.remove(id);
        self.subscriptions.remove(id);
    }

    /// Stops all operations.
    pub(super) fn clear(&mut self) {
        self.executions.clear();
        self.subscriptions.clear();
    }

    fn next_request_id(&mut self) -> RequestId {
        self.count = self.count.wrapping_add(1);
        self.request_id.operation(self.count)
    }

    fn log_rejected(&self, request_id: &RequestId, code: &str) {
        let metrics = &self.transport.metrics;
        OperationLog::rejected(metrics, request_id, TransportLabel::WebSocket, code);
    }
}

/// Returns the error for an operation beyond the limit.
pub(super) fn too_many_operations() -> ServerError {
    server_error(Error::RateLimited {
        retry_after: RETRY_AFTER,
    })
}
