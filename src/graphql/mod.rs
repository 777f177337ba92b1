//! The GraphQL schema and its execution: what every transport calls.

mod caller;
mod comment;
mod cursor;
mod datetime;
mod error;
mod input;
mod mutation;
mod operation;
mod page;
mod post;
mod query;
mod replies;
mod settings;
mod subscription;
mod user;

use std::sync::Arc;

use async_graphql::{Response, SDLExportOptions, Schema, SchemaBuilder, ServerError};
use futures_util::{FutureExt, Stream, StreamExt, future::Either, stream};
use tokio_util::task::TaskTracker;

pub use self::{
    caller::Caller,
    error::{RequestCode, request_error, server_error},
    operation::{Operation, OperationKind, Params},
    settings::Settings,
};
use self::{mutation::Mutation, query::Query, replies::Replies, subscription::SubscriptionRoot};
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
}

/// Executes operations. Cloning it is cheap and gives the same.
#[derive(Clone)]
pub struct Executor {
    schema: Schema<Query, Mutation, SubscriptionRoot>,
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
        let request = operation.request.data(caller);
        let execution = async move { Outcome::of(schema.execute(request).await, kind) };
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
        let kind = operation.kind();
        if kind == OperationKind::Subscription {
            let request = operation.request.data(caller);
            self.schema
                .execute_stream(request)
                .map(move |response| Outcome::of(response, kind))
                .left_stream()
        } else {
            stream::once(self.execute(operation, caller)).right_stream()
        }
    }
}

impl Outcome {
    fn of(mut response: Response, kind: OperationKind) -> Self {
        response.errors.iter_mut().for_each(error::complete);
        let has_data = response.data != async_graphql::Value::Null;
        let is_refused = !has_data
            && !response.errors.is_empty()
            // A subscription whose stream could not be made, or broke, has no response at all.
            && (kind == OperationKind::Subscription
                || response.errors.iter().all(|error| error.path.is_empty()));
        if is_refused {
            Self::Refused(response.errors)
        } else {
            Self::Executed(response)
        }
    }
}
