//! The request of a subscription: the post's room to join, and the options to subscribe with.

use async_graphql::{PathSegment, ServerError};

use super::{arguments::Arguments, normal_form::Field, operation::Operation};
use crate::{
    error::Error,
    feed::{ChangeFilter, SubscribeOptions},
    graphql::{
        error::server_error,
        schema::{cursor, input},
    },
    model::PostId,
};

/// The post and options of a subscription's root field.
#[derive(Debug)]
pub(super) struct SubscriptionRequest {
    pub(super) post: PostId,
    pub(super) options: SubscribeOptions,
}

impl SubscriptionRequest {
    /// Reads the root field of a subscription. The first subscriber of an operation and all later
    /// ones come through here, so each gets the same verdict.
    ///
    /// # Errors
    ///
    /// Returns an error with the field's path and position for an argument that is refused.
    pub(super) fn of(operation: &Operation) -> Result<Self, ServerError> {
        let field = root(operation)?;
        let arguments = Arguments::new(operation.arguments(field));
        read(&field.name, arguments).map_err(|error| located(error, operation))
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

fn read(field: &str, mut arguments: Arguments) -> Result<SubscriptionRequest, Error> {
    let post = input::post_id(&arguments.id("postId")?)?;
    let options = match field {
        "commentAdded" => changes(ChangeFilter::Additions, &post, &mut arguments)?,
        "commentChanged" => changes(ChangeFilter::All, &post, &mut arguments)?,
        "viewerCount" => SubscribeOptions::Viewers,
        "typing" => SubscribeOptions::Typing,
        _ => return Err(Error::Internal(format!("no topic is {field}").into())),
    };
    arguments.end()?;
    Ok(SubscriptionRequest { post, options })
}

fn changes(
    filter: ChangeFilter,
    post: &PostId,
    arguments: &mut Arguments,
) -> Result<SubscribeOptions, Error> {
    let after = arguments.text("after")?;
    Ok(SubscribeOptions::Changes {
        filter,
        after: after
            .map(|after| cursor::decode(post, &after))
            .transpose()?,
        include_own: arguments.flag("includeOwn")?,
    })
}

#[cfg(test)]
mod tests {
    use apollo_compiler::ast::Type;
    use async_graphql::{Name, Value};

    use super::*;
    use crate::graphql::schema_document;

    /// A valid value of each type that a root field of a subscription takes.
    fn example(ty: &Type, post: &PostId) -> Value {
        match ty.inner_named_type().as_str() {
            "ID" => Value::String(post.to_string()),
            "Cursor" => Value::String(cursor::encode(post, crate::model::Seq(1))),
            "Boolean" => Value::Boolean(true),
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
            let read = read(name, Arguments::new(arguments.collect()));
            assert!(read.is_ok(), "{name}: {read:?}");
        }
    }

    #[test]
    fn argument_that_no_topic_takes_is_refused() {
        let text = |text: &str| Value::String(text.to_owned());
        let arguments = vec![
            (Name::new("postId"), text("hello")),
            (Name::new("first"), Value::from(7)),
        ];
        assert!(read("viewerCount", Arguments::new(arguments)).is_err());
    }
}
