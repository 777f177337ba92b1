//! The GraphQL schema and its execution: what every transport calls.

mod allowance;
mod answers;
mod ban;
mod cache;
mod caller;
mod comment;
mod cost;
mod cursor;
mod datetime;
mod documents;
mod error;
mod extent;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod input;
mod mutation;
mod opening;
mod operation;
mod page;
mod params;
mod persisted;
mod post;
mod query;
mod replies;
mod settings;
mod shared;
mod stream;
mod subscription;
mod template;
mod user;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_graphql::{Response, SDLExportOptions, Schema, SchemaBuilder, ServerError};
use futures_util::{Stream, StreamExt, future::Either};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use self::{
    allowance::Allowance,
    answers::{Answers, Outlook},
    mutation::Mutation,
    query::Query,
    replies::Replies,
    shared::{Group, Handover, Purpose, Renderer},
    subscription::SubscriptionRoot,
};
pub use self::{
    caller::Caller,
    error::{RequestCode, request_error, server_error},
    operation::{Operation, OperationKind},
    params::{Document, Params},
    persisted::{PersistedQueries, QueryHash},
    settings::Settings,
    shared::Counts,
};
pub use crate::feed::{Closed, Outlet, Payload, Subscription};
use crate::{
    auth::Authenticator,
    error::Error,
    feed::{Feed, Joined},
    limits::Limits,
    metrics::GraphqlMetrics,
    moderation::Moderation,
    rooms::Hub,
    store::Store,
};

/// What the resolvers work on.
#[derive(Debug)]
pub struct Services {
    /// The log.
    pub store: Store,
    /// The rooms.
    pub hub: Hub,
    /// Both, as feeds.
    pub feed: Feed,
    /// Signs guests' tokens.
    pub authenticator: Arc<Authenticator>,
    /// Bans users.
    pub moderation: Arc<Moderation>,
    /// Holds users to a number of requests.
    pub limits: Arc<Limits>,
    /// What of the configuration the resolvers go by.
    pub settings: Settings,
}

/// What became of an operation.
#[derive(Debug)]
pub enum Outcome {
    /// It was refused as a whole, and nothing of it was done (GraphQL specification, section 7.1,
    /// request error).
    Refused(Vec<ServerError>),
    /// It was executed; the response has data, errors, or both.
    Executed(Response),
    /// It was executed, or an event of it, for this client and for others: the response, in JSON.
    Rendered(Payload),
}

type ApiSchema = Schema<Query, Mutation, SubscriptionRoot>;

/// Executes operations. Cloning it is cheap and gives the same.
#[derive(Clone)]
pub struct Executor {
    schema: ApiSchema,
    store: Store,
    feed: Feed,
    answers: Answers,
    renderer: Renderer,
    /// How long an answer is waited for.
    patience: Duration,
    tasks: TaskTracker,
}

impl std::fmt::Debug for Executor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Executor").finish_non_exhaustive()
    }
}

/// How many faults of a document are told. Each is longer than what is at fault.
const MAX_ERRORS: usize = 20;

const TOO_LATE_FOR_QUERY: &str = "The operation took too long.";
const TOO_LATE_FOR_MUTATION: &str = "The operation took too long to be waited for. It goes on: \
    look whether it was done before it is sent again.";

fn schema() -> SchemaBuilder<Query, Mutation, SubscriptionRoot> {
    Schema::build(Query, Mutation, SubscriptionRoot)
}

/// The schema in GraphQL's schema definition language.
pub fn sdl() -> String {
    schema()
        .finish()
        .sdl_with_options(SDLExportOptions::new().prefer_single_line_descriptions())
}

impl Executor {
    /// Resolvers work on `services`; what they start runs in `tasks`.
    pub fn new(services: Services, tasks: TaskTracker) -> Self {
        let Services {
            store,
            hub,
            feed,
            authenticator,
            moderation,
            limits,
            settings,
        } = services;
        let schema = schema()
            .data(Replies::loader(store.clone(), tasks.clone()))
            .data(store.clone())
            .data(hub)
            .data(feed.clone())
            .data(authenticator)
            .data(moderation)
            .data(limits)
            .data(settings)
            .finish();
        Self {
            renderer: Renderer::new(schema.clone(), feed.clone(), tasks.clone()),
            schema,
            store,
            feed,
            answers: Answers::default(),
            patience: settings.operation_timeout,
            tasks,
        }
    }

    /// With what it is counted by.
    #[must_use]
    pub fn measured(self, metrics: &GraphqlMetrics) -> Self {
        Self {
            answers: self.answers.measured(metrics.answers.clone()),
            ..self
        }
    }

    /// Executes a query or a mutation. What takes too long is answered with `OPERATION_TIMEOUT`: a
    /// query ends with that, and a mutation goes on.
    ///
    /// A mutation is begun by the call and runs to its end though the future is dropped, be it
    /// before its first poll: it is stored and published, or neither, whatever becomes of the
    /// client.
    pub fn execute(
        &self,
        operation: Operation,
        caller: Caller,
    ) -> impl Future<Output = Outcome> + Send + use<> {
        match operation.kind() {
            OperationKind::Mutation => {
                let operation = operation.with(caller).with(Allowance::default());
                let request = operation.into_request();
                let schema = self.schema.clone();
                let execution = async move { Outcome::of(schema.execute(request).await) };
                let begun = self.tasks.spawn(execution.in_current_span());
                Either::Left(in_time(self.patience, TOO_LATE_FOR_MUTATION, async {
                    begun.await.unwrap_or_else(|panic| {
                        failed(server_error(Error::Internal(Box::new(panic))))
                    })
                }))
            }
            OperationKind::Query | OperationKind::Subscription => {
                let answer = self.clone().answer(operation, caller);
                Either::Right(in_time(self.patience, TOO_LATE_FOR_QUERY, answer))
            }
        }
    }

    /// Answers a query as others were answered who asked the same, if that is the same for all and
    /// still holds; else executes it, and keeps the answer for them.
    async fn answer(self, operation: Operation, caller: Caller) -> Outcome {
        let operation = operation.with(caller).with(Allowance::default());
        // Where others write too, nobody here knows how long an answer holds.
        let Some(state) = self.store.data_version() else {
            let request = operation.into_request();
            return Outcome::of(self.schema.execute(request).await);
        };
        let (query, since) = (operation.template(), Instant::now());
        if let Some(payload) = self.answers.get(&query, state, since) {
            return Outcome::Rendered(payload);
        }
        let outlook = Outlook::default();
        let request = operation.with(outlook.clone()).into_request();
        let outcome = Outcome::of(self.schema.execute(request).await);
        let Outcome::Executed(response) = outcome else {
            return outcome;
        };
        if !response.errors.is_empty() || !outlook.is_store_alone() {
            return Outcome::Executed(response);
        }
        match serde_json::to_string(&response) {
            Ok(payload) => {
                let payload = Payload::from(payload);
                self.answers.keep(query, Arc::clone(&payload), state, since);
                Outcome::Rendered(payload)
            }
            Err(_) => Outcome::Executed(response),
        }
    }

    /// Starts a subscription, whose events go to `outlet`, each executed once for all subscribers
    /// who ask the same of it. Dropping what is returned ends it at once, and with it its
    /// membership. The errors are those of a refusal.
    pub async fn subscribe(
        &self,
        operation: Operation,
        caller: Caller,
        outlet: Arc<dyn Outlet>,
    ) -> Result<Subscription, Vec<ServerError>> {
        let template = operation.template();
        if let Some(group) = self.renderer.known(&template)
            && let Some((post, wish)) = opening::wish_of(&operation)
            && let Ok(joined) = self.feed.join(&post, &caller.visitor(), wish).await
        {
            return admit(&group, joined, outlet).await;
        }
        let joined = self.open(&operation, caller).await?;
        let group = self.renderer.group(template, &operation);
        admit(&group, joined, outlet).await
    }

    /// Executes a subscription as a stream of outcomes, until it ends. A refusal is the last. Dropping
    /// the stream ends the subscription at once, and with it its membership.
    ///
    /// `opened` is called once, when the subscription was opened or refused; what it returns is kept
    /// for as long as it goes on.
    pub fn stream<Kept: Send + 'static>(
        &self,
        operation: Operation,
        caller: Caller,
        opened: impl FnOnce(Result<(), &[ServerError]>) -> Kept + Send + 'static,
    ) -> impl Stream<Item = Outcome> + Send + 'static {
        stream::events(self.clone(), operation, caller, opened)
    }

    /// How many events were executed for how many deliveries.
    pub fn counts(&self) -> Counts {
        self.renderer.counts()
    }

    /// Has the subscription's resolver do its own work, once for this subscriber.
    async fn open(
        &self,
        operation: &Operation,
        caller: Caller,
    ) -> Result<Joined, Vec<ServerError>> {
        let handover = Handover::default();
        let opening = operation.again();
        let opening = opening.with(caller).with(Purpose::Open(handover.clone()));
        let response = first(self.schema.clone(), opening).await;
        match handover.take() {
            Some(joined) if response.errors.is_empty() => Ok(joined),
            _ if response.errors.is_empty() => {
                let error = ServerError::new("The operation subscribes to nothing.", None);
                Err(vec![request_error(RequestCode::ValidationFailed, error)])
            }
            _ => Err(response.errors),
        }
    }
}

/// The outcome, or that it took too long.
async fn in_time(
    patience: Duration,
    too_late: &'static str,
    outcome: impl Future<Output = Outcome> + Send,
) -> Outcome {
    timeout(patience, outcome).await.unwrap_or_else(|_| {
        let error = ServerError::new(too_late, None);
        failed(request_error(RequestCode::TimedOut, error))
    })
}

/// An operation that was begun, and of which there is nothing to show.
fn failed(error: ServerError) -> Outcome {
    Outcome::Executed(Response::from_errors(vec![error]))
}

async fn admit(
    group: &Arc<Group>,
    joined: Joined,
    outlet: Arc<dyn Outlet>,
) -> Result<Subscription, Vec<ServerError>> {
    let admitted = group.admit(joined, outlet).await;
    admitted.map_err(|error| vec![server_error(error)])
}

/// The first response of a subscription's execution. An opening has none that says anything: its
/// resolver hands over what it joined, and ends.
async fn first(schema: ApiSchema, operation: Operation) -> Response {
    let mut responses = schema.execute_stream(operation.into_request());
    let mut response = responses.next().await.unwrap_or_default();
    response.errors.iter_mut().for_each(error::complete);
    response
}

impl Outcome {
    fn of(mut response: Response) -> Self {
        response.errors.iter_mut().for_each(error::complete);
        let has_data = response.data != async_graphql::Value::Null;
        let is_refused = !has_data
            && !response.errors.is_empty()
            && response.errors.iter().all(|error| error.path.is_empty());
        if is_refused {
            response.errors.truncate(MAX_ERRORS);
            Self::Refused(response.errors)
        } else {
            Self::Executed(response)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_takes_too_long_is_answered_with_a_code() {
        let patience = Duration::from_secs(30);
        let late = in_time(patience, TOO_LATE_FOR_QUERY, pending()).await;
        let Outcome::Executed(response) = late else {
            panic!("not executed: {late:?}");
        };
        let code = response.errors[0].extensions.as_ref();
        let code = code.and_then(|extensions| extensions.get("code")).unwrap();
        assert_eq!(code.to_string(), "\"OPERATION_TIMEOUT\"");
        let done = ready(Outcome::Refused(Vec::new()));
        let done = in_time(patience, TOO_LATE_FOR_QUERY, done).await;
        assert!(matches!(done, Outcome::Refused(_)));
    }
}
