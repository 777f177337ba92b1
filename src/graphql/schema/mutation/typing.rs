//! Typing indicators.

use async_graphql::{Context, ID, InputObject, SimpleObject};

use crate::{
    error::Error,
    graphql::{
        context::ContextExt,
        schema::{input, user},
    },
};

/// A typing indicator.
#[derive(Debug, InputObject)]
pub(super) struct SetTypingInput {
    /// The id of the post.
    post_id: ID,
    /// True starts or refreshes the indicator, false ends it.
    is_typing: bool,
}

/// The typing indicator that was set.
#[derive(Debug, SimpleObject)]
pub(super) struct SetTypingPayload {
    /// The state that was sent.
    is_typing: bool,
}

pub(super) async fn set(
    context: &Context<'_>,
    input: &SetTypingInput,
) -> Result<SetTypingPayload, Error> {
    let caller = context.caller()?;
    let principal = context.signed_in()?;
    context.limits().typing(&principal.user.id)?;
    let post = input::post_id(&input.post_id)?;
    let hub = context.hub();
    let post = context.feed().head(&post).await?.post;
    // An older token may have an older name.
    let user = user::profile(context, principal).await?;
    if input.is_typing {
        hub.start_typing(&post, &user, caller.client.as_ref());
    } else {
        hub.stop_typing(&post, &user, caller.client.as_ref());
    }
    Ok(SetTypingPayload {
        is_typing: input.is_typing,
    })
}
