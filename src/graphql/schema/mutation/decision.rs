//! Decisions of moderators on comments, and the reports that they act on.

use async_graphql::{Context, ID, InputObject, SimpleObject};

use super::{announce, writer::writer};
use crate::{
    error::Error,
    graphql::{
        context::ContextExt,
        schema::{
            input,
            moderation::{ModeratedComment, ReportReason},
            post::Post,
        },
    },
    model::{Role, Timestamp},
    store::{ModerateComment, ModerationAction, NewReport, Pin, PinComment},
};

/// A comment to be reported.
#[derive(Debug, InputObject)]
pub(super) struct ReportCommentInput {
    /// The id of the comment.
    comment_id: ID,
    /// The reason.
    reason: ReportReason,
    /// A note for moderators: at most 500 characters after cleaning.
    note: Option<String>,
}

/// The comment that was reported.
#[derive(Debug, SimpleObject)]
pub(super) struct ReportCommentPayload {
    /// The id of the comment.
    comment_id: ID,
}

/// A comment to be published.
#[derive(Debug, InputObject)]
pub(super) struct ApproveCommentInput {
    /// The id of the comment.
    id: ID,
}

/// The comment that was approved.
#[derive(Debug, SimpleObject)]
pub(super) struct ApproveCommentPayload {
    /// The comment, as moderators see it.
    item: ModeratedComment,
}

/// A comment to be rejected.
#[derive(Debug, InputObject)]
pub(super) struct RejectCommentInput {
    /// The id of the comment.
    id: ID,
}

/// The comment that was rejected.
#[derive(Debug, SimpleObject)]
pub(super) struct RejectCommentPayload {
    /// The comment, as moderators see it.
    item: ModeratedComment,
}

/// A comment to be pinned.
#[derive(Debug, InputObject)]
pub(super) struct PinCommentInput {
    /// The id of the comment.
    id: ID,
}

/// The post whose comment was pinned.
#[derive(Debug, SimpleObject)]
pub(super) struct PinCommentPayload {
    /// The post.
    post: Post,
}

/// A comment to be unpinned.
#[derive(Debug, InputObject)]
pub(super) struct UnpinCommentInput {
    /// The id of the comment.
    id: ID,
}

/// The post whose comment was unpinned.
#[derive(Debug, SimpleObject)]
pub(super) struct UnpinCommentPayload {
    /// The post.
    post: Post,
}

pub(super) async fn report(
    context: &Context<'_>,
    input: ReportCommentInput,
) -> Result<ReportCommentPayload, Error> {
    let principal = context.signed_in()?;
    let at = Timestamp::now();
    let new = NewReport {
        comment: input::comment_id(&input.comment_id)?,
        by: writer(context, principal, at)?,
        reason: input.reason.into(),
        note: input
            .note
            .as_deref()
            .map(input::note)
            .transpose()?
            .flatten(),
        at,
        reports_to_hold: context.settings().reports_to_hold,
    };
    let write = context.store().report_comment(new);
    let effects = context.limits().report(&principal.user.id, write).await?;
    announce(context, effects);
    Ok(ReportCommentPayload {
        comment_id: input.comment_id,
    })
}

pub(super) async fn approve(
    context: &Context<'_>,
    input: &ApproveCommentInput,
) -> Result<ApproveCommentPayload, Error> {
    let item = decide(context, &input.id, ModerationAction::Approve).await?;
    Ok(ApproveCommentPayload { item })
}

pub(super) async fn reject(
    context: &Context<'_>,
    input: &RejectCommentInput,
) -> Result<RejectCommentPayload, Error> {
    let item = decide(context, &input.id, ModerationAction::Reject).await?;
    Ok(RejectCommentPayload { item })
}

pub(super) async fn pin(
    context: &Context<'_>,
    input: &PinCommentInput,
) -> Result<PinCommentPayload, Error> {
    let post = set_pin(context, &input.id, Pin::Pinned).await?;
    Ok(PinCommentPayload { post })
}

pub(super) async fn unpin(
    context: &Context<'_>,
    input: &UnpinCommentInput,
) -> Result<UnpinCommentPayload, Error> {
    let post = set_pin(context, &input.id, Pin::Unpinned).await?;
    Ok(UnpinCommentPayload { post })
}

async fn decide(
    context: &Context<'_>,
    id: &ID,
    action: ModerationAction,
) -> Result<ModeratedComment, Error> {
    let by = context.signed_in_as(Role::Moderator)?;
    let at = Timestamp::now();
    let decision = ModerateComment {
        id: input::comment_id(id)?,
        action,
        by: by.profile(at),
        at,
        origin: context.caller()?.client.clone(),
    };
    let write = context.store().moderate_comment(decision);
    let limits = context.limits();
    let decided = limits.mutation(&by.user.id, by.user.role, write).await?;
    announce(context, decided.effects);
    Ok(ModeratedComment(decided.comment))
}

async fn set_pin(context: &Context<'_>, id: &ID, pin: Pin) -> Result<Post, Error> {
    let by = context.signed_in_as(Role::Moderator)?;
    let at = Timestamp::now();
    let pin = PinComment {
        id: input::comment_id(id)?,
        pin,
        by: by.profile(at),
        at,
    };
    let write = context.store().pin_comment(pin);
    let limits = context.limits();
    let (post, effects) = limits.mutation(&by.user.id, by.user.role, write).await?;
    announce(context, effects);
    Ok(Post(post))
}
