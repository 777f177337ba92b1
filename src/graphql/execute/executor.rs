//! Executes operations that are ready.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use apollo_compiler::{Schema as SchemaDocument, validation::Valid};
use async_graphql::{Name, Response, Schema, ServerError, Value};
use futures_util::{Stream, StreamExt, future::Either};
use tokio::{task::JoinHandle, time::timeout};
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use super::{
    introspection,
    metrics::CacheMetrics,
    operation::{Operation, OperationKind},
    outcome::{Executed, Outcome, failed},
    panics::contain_async,
    render::{Counts, RenderServices, Renderer},
    response_budget::ResponseBudget,
    response_cache::{Cacheability, ResponseCache, State},
    stream,
    subscription_request::{Subscriber, SubscriptionRequest, located},
};
use crate::{
    error::Error,
    feed::{Feed, Payload, Sink, Subscription},
    graphql::{
        Caller, Services,
        error::{self, request_error, server_error},
        error_code::ErrorCode,
        schema,
        schema::{Mutation, Query, StoreLoader, SubscriptionRoot},
        schema_document,
    },
    limits::Limits,
    memory::{MemoryBudget, Reservation},
    store::Store,
    telemetry::Registry,
};

pub(super) type ApiSchema = Schema<Query, Mutation, SubscriptionRoot>;

/// Executes operations. A clone is cheap and shares everything.
#[derive(Clone)]
pub struct Executor {
    schema: ApiSchema,
    schema_document: Arc<Valid<SchemaDocument>>,
    store: Store,
    feed: Feed,
    limits: Arc<Limits>,
    memory: MemoryBudget,
    responses: ResponseCache,
    renderer: Renderer,
    /// The time after which a caller is answered without the result.
    timeout: Duration,
    tasks: TaskTracker,
}

impl std::fmt::Debug for Executor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Executor").finish_non_exhaustive()
    }
}

const QUERY_TIMED_OUT: &str = "The operation took too long.";
const MUTATION_TIMED_OUT: &str = "The operation took too long to wait for and goes on. \
    Check whether it was done before you send it again.";

impl Executor {
    /// Creates an executor whose resolvers work on `services`. Its tasks are spawned on `tasks`.
    pub fn new(services: Services, tasks: TaskTracker, registry: &Registry) -> Self {
        let (store, feed) = (services.store.clone(), services.feed.clone());
        let (limits, memory) = (Arc::clone(&services.limits), services.memory.clone());
        let timeout = services.settings.operation_timeout;
        let schema = schema().data(services).finish();
        let render_services = RenderServices {
            feed: feed.clone(),
            store: store.clone(),
            tasks: tasks.clone(),
        };
        Self {
            renderer: Renderer::new(schema.clone(), render_services),
            schema,
            schema_document: schema_document(),
            store,
            feed,
            limits,
            memory,
            responses: ResponseCache::new(CacheMetrics::responses(registry)),
            timeout,
            tasks,
        }
    }

    /// Executes a query or a mutation. An operation that takes too long is answered with
    /// `OPERATION_TIMEOUT`: a query ends with that, and a mutation goes on.
    ///
    /// A mutation is begun by the call and runs to its end even if the future is dropped, also
    /// before its first poll. So it is stored and published, or neither, whatever its client does.
    pub fn execute(
        &self,
        operation: Operation,
        caller: Caller,
    ) -> impl Future<Output = Outcome> + Send + use<> {
        match operation.kind() {
            OperationKind::Mutation => {
                let (begun, limit) = (self.begin(operation, caller), self.timeout);
                Either::Left(async move {
                    match begun {
                        Ok(task) => in_time(limit, MUTATION_TIMED_OUT, joined(task)).await,
                        Err(error) => Outcome::Refused(vec![server_error(error)]),
                    }
                })
            }
            OperationKind::Query | OperationKind::Subscription => {
                // Reserved at once: the future may wait for its first poll, and holds its variables.
                let memory = self.reserve(&operation, &caller);
                let answer = contain_async(self.clone().answer(operation, caller, memory));
                let answer = async {
                    match answer.await {
                        Ok(Ok(outcome)) => outcome,
                        Ok(Err(refusal)) => Outcome::Refused(vec![server_error(refusal)]),
                        Err(panic) => failed(server_error(panic)),
                    }
                };
                Either::Right(in_time(self.timeout, QUERY_TIMED_OUT, answer))
            }
        }
    }

    /// Begins a mutation, unless too many of its caller are under way.
    fn begin(&self, operation: Operation, caller: Caller) -> Result<JoinHandle<Outcome>, Error> {
        let user = caller.principal.as_ref();
        let user = user.map(|principal| &principal.user.id);
        let permit = self.limits.begin_mutation(user, caller.address)?;
        let memory = self.reserve(&operation, &caller)?;
        let turn = caller.turns.take_place();
        let (operation, budget) = self.budgeted(operation, caller, memory);
        let request = operation.keeping(permit).into_request();
        let schema = self.schema.clone();
        let execution = async move {
            let _turn = turn.await;
            let response = schema.execute(request).await;
            Outcome::of(response, &budget)
                .unwrap_or_else(|error| failed(server_error(budget.refusal(error))))
        };
        Ok(self.tasks.spawn(execution.in_current_span()))
    }

    /// Reserves the memory of an execution, as far as it is known before.
    fn reserve(&self, operation: &Operation, caller: &Caller) -> Result<Reservation, Error> {
        let account = self.memory.of_requests(caller.address);
        account.reserve(operation.execution_bytes())
    }

    /// Adds the budget of an execution, and all that resolvers need of its caller.
    fn budgeted(
        &self,
        operation: Operation,
        caller: Caller,
        memory: Reservation,
    ) -> (Operation, Arc<ResponseBudget>) {
        let turns = self.limits.read_turns(caller.address);
        let budget = ResponseBudget::of_request(memory, operation.kind(), turns);
        let replies = StoreLoader::new(self.store.clone(), Arc::clone(&budget), self.tasks.clone());
        let operation = operation.with(caller).with(replies);
        (operation.with(Arc::clone(&budget)), budget)
    }

    /// Answers a query from the response cache if it is there, else executes it, and caches a
    /// response that is the same for every caller.
    ///
    /// # Errors
    ///
    /// Fails if the memory for the execution or the response cannot be reserved.
    async fn answer(
        self,
        operation: Operation,
        caller: Caller,
        memory: Result<Reservation, Error>,
    ) -> Result<Outcome, Error> {
        let mut memory = memory?;
        let (fingerprint, since) = (operation.fingerprint(), Instant::now());
        let cached = self.responses.get(&fingerprint, since);
        let (valid, state) = self.validated(&operation, cached).await;
        self.responses.record(valid.is_some());
        if let Some(payload) = valid {
            memory.resize(payload.len())?;
            return Ok(Outcome::rendered(payload.reserved_by(memory)));
        }
        let cacheability = Cacheability::default();
        let operation = operation.with(cacheability.clone());
        let outcome = self.query(operation, caller, memory).await?;
        if let Outcome::Executed(Executed {
            payload,
            code: None,
        }) = &outcome
            && cacheability.is_cacheable()
            && state.is_known()
        {
            // The cache has a bound of its own.
            self.responses
                .insert(fingerprint, payload.unreserved(), state, since);
        }
        Ok(outcome)
    }

    /// Returns a cached response if it is still valid, and the current state of the store.
    async fn validated(
        &self,
        operation: &Operation,
        cached: Option<(Payload, State)>,
    ) -> (Option<Payload>, State) {
        let data = self.store.data_version();
        let versions = None;
        let (payload, known) = match cached {
            Some((payload, known)) if data.is_some() && known.data == data => {
                return (Some(payload), State { data, versions });
            }
            Some((payload, known)) => (Some(payload), known.versions),
            // The versions cost a statement, which an operation may never need that comes once.
            None if data.is_some() => return (None, State { data, versions }),
            None => (None, None),
        };
        let versions = match operation.posts() {
            // Without them the response is not cached, or read again.
            Some(posts) => self.store.versions(&posts).await.ok().flatten(),
            None => None,
        };
        let payload = payload.filter(|_| versions.is_some() && known == versions);
        (payload, State { data, versions })
    }

    /// Executes a query within its budget.
    async fn query(
        &self,
        operation: Operation,
        caller: Caller,
        memory: Reservation,
    ) -> Result<Outcome, Error> {
        let (operation, budget) = self.budgeted(operation, caller, memory);
        match Outcome::of(self.respond(operation).await, &budget) {
            Err(error @ Error::TooLarge(_)) => Ok(failed(server_error(error))),
            outcome => outcome,
        }
    }

    /// Executes a query: introspection from the schema document, everything else by resolvers.
    async fn respond(&self, operation: Operation) -> Response {
        let introspected = operation.again();
        let Some((document, variables)) = introspected.introspected() else {
            return self.schema.execute(operation.into_request()).await;
        };
        let mut fields = introspected.fields().iter();
        // The others come first, because they may wait, and what introspection answers is long.
        let mut response = if fields.any(|field| !field.is_introspection()) {
            self.schema.execute(operation.into_request()).await
        } else {
            Response::new(Value::Object(introspection::Fields::new()))
        };
        let answer =
            introspection::answer(&self.schema_document, document, &introspected, variables);
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => return Response::from_errors(vec![error]),
        };
        let fields = introspected.fields().iter();
        let names: Vec<_> = fields.map(|field| field.response_name().clone()).collect();
        // Null wins over whatever else there is (GraphQL specification, section 6.4.4).
        response.data = match (response.data, answer.fields) {
            (Value::Object(resolved), Some(introspected)) => {
                Value::Object(merge(&names, resolved, introspected))
            }
            _ => Value::Null,
        };
        response.errors.extend(answer.errors);
        response
    }

    /// Starts a subscription, whose payloads go to `sink`. An event is executed once for all
    /// subscribers of the same fingerprint. Dropping the subscription ends it at once, and with it
    /// its membership.
    ///
    /// # Errors
    ///
    /// Returns the errors of a refusal.
    pub async fn subscribe(
        &self,
        operation: Operation,
        caller: Caller,
        sink: Arc<dyn Sink>,
    ) -> Result<Subscription, Vec<ServerError>> {
        let request = SubscriptionRequest::of(&operation, self.feed.epoch());
        let request = request.map_err(|error| vec![error])?;
        let account = self.memory.of_requests(caller.address);
        let fingerprint = operation.fingerprint();
        let execution = self.renderer.execution(fingerprint, &operation, &account);
        let subscriber = Subscriber {
            participant: caller.visitor(),
            feed: self.feed.clone(),
            execution: execution.map_err(|error| vec![located(error, &operation)])?,
            sink,
            memory: account,
        };
        let opening = request.subscribe(subscriber);
        let opened = contain_async(opening).await.unwrap_or_else(Err);
        opened.map_err(|error| vec![located(error, &operation)])
    }

    /// Executes a subscription as a stream of outcomes, until it ends. A refusal is the last.
    /// Dropping the stream ends the subscription at once, and with it its membership.
    ///
    /// `opened` is called once, when the subscription was opened or refused. Its result is kept
    /// until the stream ends.
    pub fn stream<Kept: Send + 'static>(
        &self,
        operation: Operation,
        caller: Caller,
        opened: impl FnOnce(Result<(), &[ServerError]>) -> Kept + Send + 'static,
    ) -> impl Stream<Item = Outcome> + Send + 'static {
        stream::events(self.clone(), operation, caller, opened)
    }

    /// Returns the numbers of executions and deliveries of events.
    pub fn counts(&self) -> Counts {
        self.renderer.counts()
    }
}

/// Merges the values of two disjoint sets of fields in the order of `names`.
fn merge(
    names: &[Name],
    mut resolved: introspection::Fields,
    mut introspected: introspection::Fields,
) -> introspection::Fields {
    let values = names.iter().filter_map(|name| {
        let value = resolved.swap_remove(name);
        let value = value.or_else(|| introspected.swap_remove(name))?;
        Some((name.clone(), value))
    });
    values.collect()
}

/// Awaits the end of a mutation.
async fn joined(task: JoinHandle<Outcome>) -> Outcome {
    task.await
        .unwrap_or_else(|panic| failed(server_error(Error::Internal(Box::new(panic)))))
}

/// Awaits an outcome, or answers with `OPERATION_TIMEOUT`.
async fn in_time(
    limit: Duration,
    message: &'static str,
    outcome: impl Future<Output = Outcome> + Send,
) -> Outcome {
    timeout(limit, outcome).await.unwrap_or_else(|_| {
        let error = ServerError::new(message, None);
        failed(request_error(ErrorCode::OperationTimeout, error))
    })
}

/// Returns the first response of a subscription's execution. Its errors have paths and no locations,
/// because subscribers share it whose documents have the field in different places.
pub(super) async fn first(schema: ApiSchema, operation: Operation) -> Response {
    let mut responses = schema.execute_stream(operation.into_request());
    let mut response = responses.next().await.unwrap_or_default();
    for error in &mut response.errors {
        error::complete(error);
        error.locations.clear();
    }
    response
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn operation_that_takes_too_long_is_answered_with_a_code() {
        let limit = Duration::from_secs(30);
        let late = in_time(limit, QUERY_TIMED_OUT, pending()).await;
        let Outcome::Executed(executed) = late else {
            panic!("not executed: {late:?}");
        };
        assert_eq!(executed.code.as_deref(), Some("OPERATION_TIMEOUT"));
        let done = ready(Outcome::Refused(Vec::new()));
        let done = in_time(limit, QUERY_TIMED_OUT, done).await;
        assert!(matches!(done, Outcome::Refused(_)));
    }
}
