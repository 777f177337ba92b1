//! The screening of a text before it is stored.

use async_graphql::Context;

use crate::{
    auth::Principal,
    error::{Error, Kind},
    graphql::context::ContextExt,
    model::{Comment, CommentId, Post},
    moderation::Submission,
    store::{EditComment, NewComment, Screened},
};

/// Returns the findings on a new comment of `by`. Those of authors and moderators are exempt.
///
/// # Errors
///
/// Returns the error with which the store would refuse the comment. Returns `BadUserInput` if the site's check
/// rejects the text, and `RateLimited` if it is asked too often.
pub(super) async fn screen(
    context: &Context<'_>,
    by: &Principal,
    new: &NewComment,
) -> Result<Screened, Error> {
    if is_exempt(context, by) {
        return Ok(unscreened(context));
    }
    let post = context.store().post_of_new(new).await?;
    let text = Text {
        post: &post,
        body: &new.body,
        parent: new.parent_id,
        edited: None,
    };
    text.screen(context, by).await
}

/// Returns the findings on a comment's new text, as [`screen`] does, if `permit` allows the edit.
pub(super) async fn screen_edit(
    context: &Context<'_>,
    by: &Principal,
    edit: &EditComment,
    permit: impl Fn(&Comment) -> Result<(), Error>,
) -> Result<Screened, Error> {
    if is_exempt(context, by) {
        return Ok(unscreened(context));
    }
    let store = context.store();
    let known = store.comment_known_to(&by.user, edit.id).await?;
    let comment = known.ok_or(Error::NotFound(Kind::Comment))?.comment;
    permit(&comment)?;
    let post = store.post(&comment.post_id).await?;
    let text = Text {
        post: &post.ok_or(Error::NotFound(Kind::Post))?,
        body: &edit.body,
        parent: comment.parent_id,
        edited: Some(edit.id),
    };
    if comment.is_deleted {
        return Err(Error::Conflict("The comment was deleted."));
    }
    text.screen(context, by).await
}

fn is_exempt(context: &Context<'_>, by: &Principal) -> bool {
    by.user.role.is_trusted() || !context.screening().is_active()
}

fn unscreened(context: &Context<'_>) -> Screened {
    Screened {
        reason: None,
        mode: context.settings().moderation,
    }
}

/// A text that is about to be stored.
struct Text<'a> {
    post: &'a Post,
    body: &'a str,
    /// The comment that it replies to.
    parent: Option<CommentId>,
    /// The comment whose text it replaces.
    edited: Option<CommentId>,
}

impl Text<'_> {
    async fn screen(self, context: &Context<'_>, by: &Principal) -> Result<Screened, Error> {
        let caller = context.caller()?;
        let submission = Submission {
            post: self.post,
            author: &by.user,
            body: self.body,
            parent: self.parent,
            edited: self.edited,
            address: caller.address,
            user_agent: caller.source.user_agent.as_deref(),
            referrer: caller.source.referrer.as_deref(),
        };
        let limits = context.limits();
        let admit = || limits.begin_check(&by.user.id, caller.address);
        let reason = context.screening().screen(&submission, admit).await?;
        Ok(Screened {
            reason,
            ..unscreened(context)
        })
    }
}
