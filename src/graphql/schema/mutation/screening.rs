//! The screening of a text before it is stored.

use async_graphql::Context;

use crate::{
    auth::Principal,
    error::{Error, Kind},
    graphql::context::ContextExt,
    model::{Comment, CommentId, PostId, Role},
    moderation::Submission,
    store::Screened,
};

/// A text that is about to be stored.
pub(super) struct Text<'a> {
    pub(super) post: &'a PostId,
    pub(super) body: &'a str,
    /// The comment that it replies to.
    pub(super) parent: Option<CommentId>,
    /// The comment whose text it replaces.
    pub(super) edited: Option<CommentId>,
}

/// Returns the findings on a text of `by`. Those of authors and moderators are exempt.
///
/// # Errors
///
/// Returns `BadUserInput` if the site's check rejects the text, and `NotFound` without such a post.
pub(super) async fn screen(
    context: &Context<'_>,
    by: &Principal,
    text: Text<'_>,
) -> Result<Screened, Error> {
    let mode = context.settings().moderation;
    if is_exempt(context, by) {
        return Ok(Screened { reason: None, mode });
    }
    let caller = context.caller()?;
    let post = context.store().post(text.post).await?;
    let submission = Submission {
        post: &post.ok_or(Error::NotFound(Kind::Post))?,
        author: &by.user,
        body: text.body,
        parent: text.parent,
        edited: text.edited,
        address: caller.address,
        user_agent: caller.source.user_agent.as_deref(),
        referrer: caller.source.referrer.as_deref(),
    };
    let reason = context.screening().screen(&submission).await?;
    Ok(Screened { reason, mode })
}

/// Returns the findings on a comment's new text, as [`screen`] does, if `permit` allows the edit.
pub(super) async fn screen_edit(
    context: &Context<'_>,
    by: &Principal,
    id: CommentId,
    body: &str,
    permit: impl Fn(&Comment) -> Result<(), Error>,
) -> Result<Screened, Error> {
    let mode = context.settings().moderation;
    if is_exempt(context, by) {
        return Ok(Screened { reason: None, mode });
    }
    let written = context.store().written_comment(id).await?;
    let comment = written.ok_or(Error::NotFound(Kind::Comment))?.comment;
    permit(&comment)?;
    let text = Text {
        post: &comment.post_id,
        body,
        parent: comment.parent_id,
        edited: Some(id),
    };
    screen(context, by, text).await
}

fn is_exempt(context: &Context<'_>, by: &Principal) -> bool {
    by.user.role >= Role::Author || !context.screening().is_active()
}
