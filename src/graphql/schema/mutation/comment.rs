//! Creation, editing and deletion of comments.

use async_graphql::{Context, ID, InputObject, SimpleObject};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{
    announce,
    screening::{screen, screen_edit},
    writer::writer,
};
use crate::{
    error::Error,
    graphql::{
        context::ContextExt,
        schema::{comment::Comment, input, moderation::CommentStatus},
    },
    model::{Timestamp, User},
    store::{DeleteComment, EditComment, IdempotencyKey, NewComment, Screened, Written},
};

/// Maximum length of an idempotency key, in characters.
const MAX_KEY_CHARS: usize = 64;

/// A new comment.
#[derive(Debug, InputObject)]
pub(super) struct CreateCommentInput {
    /// The id of its post.
    post_id: ID,
    /// The text: 1 to 10,000 characters without blank lines at its start and white space at its end, at
    /// least one of them visible.
    body: String,
    /// The id of the comment that it replies to: one of the same post, above the maximum depth.
    parent_id: Option<ID>,
    /// A key that the client makes for this comment, such as a UUID, and sends again whenever it sends the
    /// comment again: 1 to 64 characters. A user's second comment with one key is not created: the first is
    /// answered, as it is now. CONFLICT if post, parent or body differ from the first request's. Keys are
    /// kept for 7 days.
    idempotency_key: Option<ID>,
}

/// The comment that was created.
#[derive(Debug, SimpleObject)]
pub(super) struct CreateCommentPayload {
    /// The comment with its body, also if it waits for a moderator.
    comment: Comment,
    /// PENDING: readers do not see it until a moderator approves it.
    status: CommentStatus,
}

/// A comment's new text.
#[derive(Debug, InputObject)]
pub(super) struct EditCommentInput {
    /// The id of the comment.
    id: ID,
    /// The text: 1 to 10,000 characters without blank lines at its start and white space at its end, at
    /// least one of them visible.
    body: String,
}

/// The comment that was edited.
#[derive(Debug, SimpleObject)]
pub(super) struct EditCommentPayload {
    /// The comment after the edit.
    comment: Comment,
    /// An edit is checked as a new comment is. Readers of a published comment that goes back to PENDING see
    /// it DELETED; its approval is RESTORED.
    status: CommentStatus,
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
    let at = Timestamp::now();
    let principal = context.signed_in()?;
    let author = writer(context, principal, at)?;
    let key = input.idempotency_key.as_ref();
    let key = key.map(|key| idempotency_key(key, input)).transpose()?;
    // What was done already needs no limit and no check, which it may not pass any more.
    if let Some(key) = &key
        && let Some(first) = repeated(context, &author.user, key).await?
    {
        return Ok(created(context, first));
    }
    let parent_id = input.parent_id.as_ref().map(|id| {
        input::comment_id(id).map_err(|_| {
            Error::bad_input("parentId", "The parent must be a comment of the same post.")
        })
    });
    let mut new = NewComment {
        body: input::body(&input.body)?,
        screened: Screened::PASSED,
        post_id: input::post_id(&input.post_id)?,
        parent_id: parent_id.transpose()?,
        max_depth: context.settings().reply_depth,
        author,
        at,
        origin: caller.client.clone(),
        key,
    };
    let write = async {
        new.screened = screen(context, principal, &new).await?;
        // They may have been banned while the site's check was asked.
        context.signed_in()?;
        context.store().create_comment(new).await
    };
    let (limits, author) = (context.limits(), &principal.user);
    let limited = limits.comment(&author.id, author.role, caller.address, write);
    let written = limited.await?;
    if written.held.is_some() {
        let post = &written.comment.post_id;
        context
            .hub()
            .stop_typing(post, author, caller.client.as_ref());
    }
    Ok(created(context, written))
}

/// Returns the comment that this user's first request with this key made, if there was one.
async fn repeated(
    context: &Context<'_>,
    user: &User,
    key: &IdempotencyKey,
) -> Result<Option<Written>, Error> {
    let store = context.store();
    match store.comment_of_key(&user.id, key).await? {
        Some(id) => store.comment_known_to(user, id).await,
        None => Ok(None),
    }
}

fn created(context: &Context<'_>, written: Written) -> CreateCommentPayload {
    let status = written.status.into();
    CreateCommentPayload {
        comment: publish(context, written),
        status,
    }
}

fn idempotency_key(key: &ID, input: &CreateCommentInput) -> Result<IdempotencyKey, Error> {
    if !(1..=MAX_KEY_CHARS).contains(&key.chars().count()) || key.contains('\0') {
        let message = format!("A key has 1 to {MAX_KEY_CHARS} characters.");
        return Err(Error::bad_input("idempotencyKey", message));
    }
    let parent = input.parent_id.as_ref().map(|id| id.as_str());
    let request = json!([input.post_id.as_str(), parent, input.body]);
    Ok(IdempotencyKey {
        key: key.to_string(),
        request: Sha256::digest(request.to_string()).into(),
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
    let mut edit = EditComment {
        body: input::body(&input.body)?,
        screened: Screened::PASSED,
        id: input::comment_id(&input.id)?,
        by: writer(context, &principal, at)?,
        at,
        origin: caller.client.clone(),
    };
    let (user, role) = (principal.user.id.clone(), principal.user.role);
    let write = async {
        let may_edit = |comment: &_| principal.may_edit(comment, window, at);
        edit.screened = screen_edit(context, &principal, &edit, may_edit).await?;
        context.signed_in()?;
        let may_edit = move |comment: &_| principal.may_edit(comment, window, at);
        context.store().edit_comment(edit, may_edit).await
    };
    let limits = context.limits();
    let written = limits.comment(&user, role, caller.address, write).await?;
    let status = written.status.into();
    Ok(EditCommentPayload {
        comment: publish(context, written),
        status,
    })
}

pub(super) async fn delete(
    context: &Context<'_>,
    input: &DeleteCommentInput,
) -> Result<DeleteCommentPayload, Error> {
    let caller = context.caller()?;
    let principal = context.signed_in()?.clone();
    let at = Timestamp::now();
    let delete = DeleteComment {
        id: input::comment_id(&input.id)?,
        by: writer(context, &principal, at)?,
        at,
        origin: caller.client.clone(),
    };
    let (user, role) = (principal.user.id.clone(), principal.user.role);
    let may_delete = move |comment: &_| principal.may_delete(comment);
    let write = context.store().delete_comment(delete, may_delete);
    let written = context.limits().mutation(&user, role, write).await?;
    Ok(DeleteCommentPayload {
        comment: publish(context, written),
    })
}

/// Publishes the effects of a write that was committed, and returns the comment as its author sees it.
fn publish(context: &Context<'_>, written: Written) -> Comment {
    announce(context, written.effects);
    written.comment.into()
}
