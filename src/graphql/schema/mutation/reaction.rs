//! Adding and removing reactions.

use async_graphql::{Context, ID, InputObject, SimpleObject};

use super::{announce, writer::writer};
use crate::{
    auth::Principal,
    error::Error,
    graphql::{
        context::ContextExt,
        schema::{comment::Comment, input, reaction::ReactionContent, viewer::Viewer},
    },
    model::Timestamp,
    store::{React, ReactionState},
};

/// A reaction to be added.
#[derive(Debug, InputObject)]
pub(super) struct AddReactionInput {
    /// The id of the comment.
    comment_id: ID,
    /// The content.
    content: ReactionContent,
}

/// The comment that was reacted to.
#[derive(Debug, SimpleObject)]
pub(super) struct AddReactionPayload {
    /// The comment.
    comment: Comment,
    /// The user, with their reactions.
    viewer: Viewer,
}

/// A reaction to be removed.
#[derive(Debug, InputObject)]
pub(super) struct RemoveReactionInput {
    /// The id of the comment.
    comment_id: ID,
    /// The content.
    content: ReactionContent,
}

/// The comment that the reaction was removed from.
#[derive(Debug, SimpleObject)]
pub(super) struct RemoveReactionPayload {
    /// The comment.
    comment: Comment,
    /// The user, with their reactions.
    viewer: Viewer,
}

pub(super) async fn add(
    context: &Context<'_>,
    input: &AddReactionInput,
) -> Result<AddReactionPayload, Error> {
    let principal = context.signed_in()?;
    if !context.settings().reactions.contains(input.content.into()) {
        return Err(Error::Forbidden("This reaction is not offered here."));
    }
    let (id, content) = (&input.comment_id, input.content);
    Ok(AddReactionPayload {
        comment: react(context, principal, id, content, ReactionState::Added).await?,
        viewer: Viewer(principal.clone()),
    })
}

pub(super) async fn remove(
    context: &Context<'_>,
    input: &RemoveReactionInput,
) -> Result<RemoveReactionPayload, Error> {
    let principal = context.signed_in()?;
    let (id, content) = (&input.comment_id, input.content);
    Ok(RemoveReactionPayload {
        comment: react(context, principal, id, content, ReactionState::Removed).await?,
        viewer: Viewer(principal.clone()),
    })
}

async fn react(
    context: &Context<'_>,
    principal: &Principal,
    comment: &ID,
    content: ReactionContent,
    state: ReactionState,
) -> Result<Comment, Error> {
    let at = Timestamp::now();
    let react = React {
        comment: input::comment_id(comment)?,
        content: content.into(),
        state,
        by: writer(context, principal, at)?,
        at,
    };
    let write = context.store().react(react);
    let written = context.limits().reaction(&principal.user.id, write).await;
    let (comment, effects) = written?;
    announce(context, effects);
    Ok(comment.into())
}
