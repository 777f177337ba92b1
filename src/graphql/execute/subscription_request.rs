//! The request of a subscription: the topic that its root field asks for.

use std::sync::Arc;

use async_graphql::{PathSegment, ServerError};
use futures_util::{FutureExt, future::BoxFuture};

use super::{
    arguments::Arguments, normal_form::Field, operation::Operation, render::SharedExecution,
};
use crate::{
    error::Error,
    feed::{Feed, JointSink, Request, Requests, Sink, Subscription},
    graphql::{error::server_error, schema},
    memory::Account,
    model::Epoch,
    rooms::Participant,
};

/// A request for the topic of a subscription's root field.
pub(in crate::graphql) struct SubscriptionRequest(Box<dyn Subscribe>);

/// A request for any topic.
trait Subscribe: Send {
    fn subscribe(
        self: Box<Self>,
        subscriber: Subscriber,
    ) -> BoxFuture<'static, Result<Subscription, Error>>;
}

/// Requests for several topics, whose events come in one stream.
struct Several(Vec<SubscriptionRequest>);

/// A client that is about to subscribe.
#[derive(Clone)]
pub(super) struct Subscriber {
    pub(super) participant: Participant,
    pub(super) feed: Feed,
    pub(super) execution: Arc<SharedExecution>,
    pub(super) sink: Arc<dyn Sink>,
    pub(super) memory: Account,
}

impl<R: Request> Subscribe for R {
    fn subscribe(
        self: Box<Self>,
        subscriber: Subscriber,
    ) -> BoxFuture<'static, Result<Subscription, Error>> {
        async move {
            let joined = self.join(&subscriber.feed, &subscriber.participant).await?;
            let Subscriber { sink, memory, .. } = subscriber;
            subscriber.execution.subscribe(joined, sink, memory).await
        }
        .boxed()
    }
}

/// A request for a topic in several rooms.
struct InSeveralRooms<R>(R);

impl<R: Requests> Subscribe for InSeveralRooms<R> {
    fn subscribe(
        self: Box<Self>,
        subscriber: Subscriber,
    ) -> BoxFuture<'static, Result<Subscription, Error>> {
        async move {
            let sink = Arc::new(JointSink::new(Arc::clone(&subscriber.sink)));
            let rooms = self
                .0
                .join(&subscriber.feed, &subscriber.participant)
                .await?;
            let mut subscriptions = Vec::with_capacity(rooms.len());
            for joined in rooms {
                let to = Arc::<JointSink>::clone(&sink);
                let memory = subscriber.memory.clone();
                match subscriber.execution.subscribe(joined, to, memory).await {
                    Ok(subscription) => subscriptions.push(subscription),
                    Err(error) => return ended(&sink, subscriptions, error),
                }
            }
            Ok(subscriptions.into_iter().collect())
        }
        .boxed()
    }
}

impl Subscribe for Several {
    fn subscribe(
        self: Box<Self>,
        subscriber: Subscriber,
    ) -> BoxFuture<'static, Result<Subscription, Error>> {
        let sink = Arc::new(JointSink::new(Arc::clone(&subscriber.sink)));
        let subscriber = Subscriber {
            sink: Arc::<JointSink>::clone(&sink),
            ..subscriber
        };
        async move {
            let mut subscriptions = Vec::with_capacity(self.0.len());
            for request in self.0 {
                match request.subscribe(subscriber.clone()).await {
                    Ok(subscription) => subscriptions.push(subscription),
                    Err(error) => return ended(&sink, subscriptions, error),
                }
            }
            Ok(subscriptions.into_iter().collect())
        }
        .boxed()
    }
}

/// Ends a stream whose next topic is refused. If its post was moved or deleted meanwhile, an earlier topic has
/// sent that error already, and the stream has no second one.
fn ended(
    sink: &JointSink,
    subscriptions: Vec<Subscription>,
    refusal: Error,
) -> Result<Subscription, Error> {
    if sink.end() {
        Err(refusal)
    } else {
        Ok(subscriptions.into_iter().collect())
    }
}

impl SubscriptionRequest {
    /// Creates a request for a topic.
    pub(in crate::graphql) fn new(request: impl Request) -> Self {
        Self(Box::new(request))
    }

    /// Creates a request for a topic in several rooms.
    pub(in crate::graphql) fn in_several_rooms(requests: impl Requests) -> Self {
        Self(Box::new(InSeveralRooms(requests)))
    }

    /// Creates a request for several topics. The client subscribes to them in this order.
    pub(in crate::graphql) fn several(requests: Vec<Self>) -> Self {
        Self(Box::new(Several(requests)))
    }

    /// Reads the root field of a subscription, whose cursors are of `epoch`. The first subscriber of an
    /// operation and all later ones come through here, so each gets the same verdict.
    ///
    /// # Errors
    ///
    /// Returns an error with the field's path and position for an argument that is refused.
    pub(super) fn of(operation: &Operation, epoch: Epoch) -> Result<Self, ServerError> {
        let field = root(operation)?;
        let last_event_id = operation.last_event_id().map(Into::into);
        let arguments = Arguments::new(operation.arguments(field)).resumed_after(last_event_id);
        read(&field.name, arguments, epoch).map_err(|error| located(error, operation))
    }

    /// Joins the topic's room and adds the subscriber to its group there.
    pub(super) async fn subscribe(self, subscriber: Subscriber) -> Result<Subscription, Error> {
        self.0.subscribe(subscriber).await
    }
}

/// Gives an error the path and position of the operation's root field.
pub(super) fn located(error: Error, operation: &Operation) -> ServerError {
    let mut error = server_error(error);
    if let Ok(field) = root(operation) {
        error.locations = vec![field.position];
        error.path = vec![PathSegment::Field(field.response_name().to_string())];
    }
    error
}

fn root(operation: &Operation) -> Result<&Field, ServerError> {
    let field = operation.fields().first();
    field.ok_or_else(|| server_error(Error::Internal("a subscription has no root field".into())))
}

fn read(field: &str, mut arguments: Arguments, epoch: Epoch) -> Result<SubscriptionRequest, Error> {
    let request = schema::subscription_request(field, &mut arguments, epoch)?;
    arguments.end()?;
    Ok(request)
}

#[cfg(test)]
mod tests {
    use apollo_compiler::ast::Type;
    use async_graphql::{Name, Value};

    use super::*;
    use crate::{
        graphql::{schema::cursor, schema_document},
        model::{PostId, Seq},
    };

    /// A valid value of each type that a root field of a subscription takes.
    fn example(ty: &Type, post: &PostId) -> Value {
        match ty.inner_named_type().as_str() {
            "ID" => Value::String(post.to_string()),
            "Cursor" => Value::String(cursor::encode(Epoch::FIRST, post, Seq(1))),
            "Boolean" => Value::Boolean(true),
            "RoomTopic" => Value::Enum(Name::new("POST")),
            other => panic!("no example of {other}"),
        }
    }

    #[test]
    fn every_argument_of_every_subscription_is_read() {
        let schema = schema_document();
        let post = PostId::parse("hello").unwrap();
        let root = schema.get_object("Subscription").unwrap();
        for (name, field) in &root.fields {
            let arguments = field.arguments.iter().map(|argument| {
                let name = Name::new(argument.name.as_str());
                (name, example(&argument.ty, &post))
            });
            let read = read(name, Arguments::new(arguments.collect()), Epoch::FIRST);
            assert!(read.is_ok(), "{name}: {:?}", read.err());
        }
    }

    #[test]
    fn argument_that_no_topic_takes_is_refused() {
        let text = |text: &str| Value::String(text.to_owned());
        let arguments = vec![
            (Name::new("postId"), text("hello")),
            (Name::new("first"), Value::from(7)),
        ];
        assert!(read("viewerCount", Arguments::new(arguments), Epoch::FIRST).is_err());
    }
}
