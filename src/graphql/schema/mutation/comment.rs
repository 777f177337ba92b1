//! Creation, editing and deletion of comments.

use std::sync::Arc;

use async_graphql::{Context, ID, InputObject, SimpleObject};

use crate::{
    error::Error,
    graphql::{
        context::ContextExt,
        schema::{comment::Comment, input},
    },
    model::{Change, Role, Timestamp},
    store::{DeleteComment, Deletion, EditComment, NewComment},
};

/// A new comment.
#[derive(Debug, InputObject)]
pub(super) struct CreateCommentInput {
    /// The id of its post.
    post_id: ID,
    /// The text, 1 to 10,000 characters after trimming.
    body: String,
    /// The id of the comment that it replies to: one of the same post, above the maximum depth.
    parent_id: Option<ID>,
}

/// The comment that was added.
#[derive(Debug, SimpleObject)]
pub(super) struct CreateCommentPayload {
    /// The comment.
    comment: Comment,
}

/// A comment's new text.
#[derive(Debug, InputObject)]
pub(super) struct EditCommentInput {
    /// The id of the comment.
    id: ID,
    /// The text, 1 to 10,000 characters after trimming.
    body: String,
}

/// The comment that was edited.
#[derive(Debug, SimpleObject)]
pub(super) struct EditCommentPayload {
    /// The comment after the edit.
    comment: Comment,
}

/// A comment to be deleted.
#[derive(Debug, InputObject)]
pub(super) struct DeleteCommentInput {
    /// The id of the comment.
    id: ID,
}

/// The comment that was deleted.
#[derive(Debug, SimpleObject)]
pub(super) struct DeleteCommentPayload {
    /// The tombstone.
    comment: Comment,
}

pub(super) async fn create(
    context: &Context<'_>,
    input: &CreateCommentInput,
) -> Result<CreateCommentPayload, Error> {
    let caller = context.caller()?;
    let author = context.signed_in()?.user.clone();
    let parent_id = input.parent_id.as_ref().map(|id| {
        input::comment_id(id).map_err(|_| {
            Error::bad_input("parentId", "The parent must be a comment of the same post.")
        })
    });
    let new = NewComment {
        body: input::body(&input.body)?,
        post_id: input::post_id(&input.post_id)?,
        parent_id: parent_id.transpose()?,
        max_depth: context.settings().reply_depth,
        author,
        at: Timestamp::now(),
        origin: caller.client.clone(),
    };
    let author = new.author.id.clone();
    let write = context.store().create_comment(new);
    let limits = context.limits();
    let change = limits.comment(&author, caller.address, write).await?;
    Ok(CreateCommentPayload {
        comment: publish(context, change),
    })
}

pub(super) async fn edit(
    context: &Context<'_>,
    input: &EditCommentInput,
) -> Result<EditCommentPayload, Error> {
    let caller = context.caller()?;
    let principal = context.signed_in()?.clone();
    let window = context.settings().edit_window;
    let at = Timestamp::now();
    let edit = EditComment {
        body: input::body(&input.body)?,
        id: input::comment_id(&input.id)?,
        at,
        origin: caller.client.clone(),
    };
    let (user, role) = (principal.user.id.clone(), principal.role);
    let may_edit = move |comment: &_| principal.may_edit(comment, window, at);
    let write = context.store().edit_comment(edit, may_edit);
    let limits = context.limits();
    let change = match role {
        Role::Moderator => limits.mutation(&user, role, write).await?,
        Role::Reader | Role::Author => limits.comment(&user, caller.address, write).await?,
    };
    Ok(EditCommentPayload {
        comment: publish(context, change),
    })
}

pub(super) async fn delete(
    context: &Context<'_>,
    input: &DeleteCommentInput,
) -> Result<DeleteCommentPayload, Error> {
    let caller = context.caller()?;
    let principal = context.signed_in()?.clone();
    let delete = DeleteComment {
        id: input::comment_id(&input.id)?,
        at: Timestamp::now(),
        origin: caller.client.clone(),
    };
    let (user, role) = (principal.user.id.clone(), principal.role);
    let may_delete = move |comment: &_| principal.may_delete(comment);
    let write = context.store().delete_comment(delete, may_delete);
    let deletion = context.limits().mutation(&user, role, write).await?;
    Ok(DeleteCommentPayload {
        comment: match deletion {
            Deletion::Deleted(change) => publish(context, change),
            Deletion::AlreadyDeleted(tombstone) => tombstone.into(),
        },
    })
}

/// Publishes a change that was committed.
fn publish(context: &Context<'_>, change: Change) -> Comment {
    let comment = Arc::clone(&change.comment).into();
    context.hub().publish(Arc::new(change));
    comment
}
