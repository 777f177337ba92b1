//! The GraphQL schema and its execution: what every transport calls.

mod caller;
mod comment;
mod cost;
mod cursor;
mod datetime;
mod error;
mod input;
mod mutation;
mod operation;
mod page;
mod params;
mod persisted;
mod post;
mod query;
mod replies;
mod settings;
mod shared;
mod subscription;
mod template;
mod user;

use std::sync::Arc;

use async_graphql::{Response, SDLExportOptions, Schema, SchemaBuilder, ServerError};
use async_stream::stream;
use futures_util::{FutureExt, Stream, StreamExt, future::Either, stream::once};
use tokio_util::task::TaskTracker;

pub use self::{
    caller::Caller,
    error::{RequestCode, request_error, server_error},
    operation::{Operation, OperationKind},
    params::{Document, Params},
    persisted::{PersistedQueries, QueryHash},
    settings::Settings,
    shared::{Counts, Payload},
};
use self::{
    mutation::Mutation,
    query::Query,
    replies::Replies,
    shared::{Events, Group, Handover, Purpose, Renderer},
    subscription::SubscriptionRoot,
};
use crate::{
    auth::Authenticator, error::Error, feed::Feed, limits::Limits, rooms::Hub, store::Store,
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
    /// An event of a subscription was executed, for this subscriber and others: the response, in
    /// JSON.
    Event(Payload),
}

type ApiSchema = Schema<Query, Mutation, SubscriptionRoot>;

/// Executes operations. Cloning it is cheap and gives the same.
#[derive(Clone)]
pub struct Executor {
    schema: ApiSchema,
    renderer: Renderer,
    tasks: TaskTracker,
}

impl std::fmt::Debug for Executor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Executor").finish_non_exhaustive()
    }
}

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
            limits,
            settings,
        } = services;
        Self {
            schema: schema()
                .data(Replies::loader(store.clone(), tasks.clone()))
                .data(store)
                .data(hub)
                .data(feed)
                .data(authenticator)
                .data(limits)
                .data(settings)
                .finish(),
            renderer: Renderer::default(),
            tasks,
        }
    }

    /// Executes a query or a mutation.
    ///
    /// A mutation is begun by the call and runs to its end though the future is dropped, be it
    /// before its first poll: it is stored and published, or neither, whatever becomes of the
    /// client.
    pub fn execute(
        &self,
        operation: Operation,
        caller: Caller,
    ) -> impl Future<Output = Outcome> + Send + use<> {
        let kind = operation.kind();
        let schema = self.schema.clone();
        let request = operation.with(caller).into_request();
        let execution = async move { Outcome::of(schema.execute(request).await) };
        match kind {
            OperationKind::Mutation => {
                let begun = self.tasks.spawn(execution);
                Either::Left(begun.map(|ended| {
                    ended.unwrap_or_else(|panic| {
                        let error = server_error(Error::Internal(Box::new(panic)));
                        Outcome::Executed(Response::from_errors(vec![error]))
                    })
                }))
            }
            OperationKind::Query | OperationKind::Subscription => Either::Right(execution),
        }
    }

    /// Executes any operation as a stream of outcomes: one of a query or mutation, those of a
    /// subscription until it ends. A refusal is the last. Dropping the stream ends a subscription
    /// at once, and with it its membership.
    pub fn stream(
        &self,
        operation: Operation,
        caller: Caller,
    ) -> impl Stream<Item = Outcome> + Send + 'static {
        if operation.kind() == OperationKind::Subscription {
            self.clone().events(operation, caller).left_stream()
        } else {
            once(self.execute(operation, caller)).right_stream()
        }
    }

    /// How many events were executed for how many deliveries.
    pub fn counts(&self) -> Counts {
        self.renderer.counts()
    }

    fn events(
        self,
        operation: Operation,
        caller: Caller,
    ) -> impl Stream<Item = Outcome> + Send + 'static {
        stream! {
            let (group, mut events) = match self.open(operation, caller).await {
                Ok(opened) => opened,
                Err(errors) => {
                    yield Outcome::Refused(errors);
                    return;
                }
            };
            while let Some(event) = events.next().await {
                let event = match event {
                    Ok(event) => event,
                    Err(error) => {
                        yield Outcome::Refused(vec![server_error(error)]);
                        return;
                    }
                };
                let execute = |operation| first(self.schema.clone(), operation);
                match group.render(event, &self.tasks, execute).await {
                    Some(payload) => yield Outcome::Event(payload),
                    None => {
                        let error = Error::Internal("an event could not be executed".into());
                        yield Outcome::Refused(vec![server_error(error)]);
                        return;
                    }
                }
            }
        }
    }

    /// Has the subscription's resolver do its own work, once for this subscriber.
    async fn open(
        &self,
        operation: Operation,
        caller: Caller,
    ) -> Result<(Arc<Group>, Events), Vec<ServerError>> {
        let handover = Handover::default();
        let opening = operation.again();
        let opening = opening.with(caller).with(Purpose::Open(handover.clone()));
        let response = first(self.schema.clone(), opening).await;
        match handover.take() {
            Some(events) if response.errors.is_empty() => {
                Ok((self.renderer.group(operation), events))
            }
            _ if response.errors.is_empty() => {
                let error = ServerError::new("The operation subscribes to nothing.", None);
                Err(vec![request_error(RequestCode::ValidationFailed, error)])
            }
            _ => Err(response.errors),
        }
    }
}

/// The first response of a subscription's execution. An opening has none that says anything: its
/// resolver hands over its events, and ends.
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
            Self::Refused(response.errors)
        } else {
            Self::Executed(response)
        }
    }
}
