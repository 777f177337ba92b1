//! The root of what moderators see.

use std::sync::Arc;

use async_graphql::{Context, ID, Object, SimpleObject};

use super::{comment::ModeratedComment, enums::CommentStatus};
use crate::{
    error::Error,
    graphql::{
        context::ContextExt,
        error::{At, Result},
        execute::ResponseBudget,
        schema::{
            ban::Ban,
            input,
            non_null::NonNull,
            page::{self, Connection},
            timed_place,
        },
    },
    model::{self, CommentId, UserId},
    store::{BanKey, CommentFilter, WrittenAt},
};

/// The part of the schema that moderators see. It is only made for a moderator.
#[derive(Debug)]
pub(in crate::graphql::schema) struct Moderation;

/// Lists that only moderators may see.
#[Object]
impl Moderation {
    /// A constant id, for caches.
    async fn id(&self) -> ID {
        "moderation".into()
    }

    /// Comments by status, newest first. Deleted comments are not here. At most 100 a page. A page of a search
    /// may be short, or empty, before the list ends: `endCursor` goes on where it stopped.
    #[allow(clippy::too_many_arguments, reason = "the contract has them")]
    async fn comments(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Keeps comments of one status.")] status: Option<CommentStatus>,
        #[graphql(
            desc = "Keeps comments with unresolved reports.",
            default_with = "NonNull::from(false)"
        )]
        reported_only: NonNull<bool>,
        #[graphql(desc = "Keeps comments of one post.")] post_id: Option<ID>,
        #[graphql(desc = "Keeps comments of one user.")] author_id: Option<ID>,
        #[graphql(
            desc = "Keeps comments whose body contains this text, ignoring case: 1 to 200 characters."
        )]
        search: Option<String>,
        #[graphql(
            desc = "Maximum number of items, 0 to 100.",
            default_with = "Some(page::DEFAULT_FIRST)"
        )]
        first: Option<i32>,
        #[graphql(desc = "The cursor of an edge or a page: items after it.")] after: Option<String>,
    ) -> Result<Connection<ModeratedComment>> {
        let filter = || {
            Ok::<_, Error>(CommentFilter {
                status: status.map(Into::into),
                unpublished_only: false,
                reported_only: reported_only.value("reportedOnly")?,
                post: post_id.map(|id| input::post_id(&id)).transpose()?,
                author: author_id.map(|id| input::user_id(&id)).transpose()?,
                search: search.as_deref().map(input::search).transpose()?,
            })
        };
        let page = Box::pin(async { comments(context, filter()?, first, after).await });
        page.await.at(context)
    }

    /// The lengths of the lists that wait for moderators.
    async fn queue(&self, context: &Context<'_>) -> Result<ModerationQueueStatus> {
        let queue = context.store().moderation_queue();
        let queue = Box::pin(context.budget().in_turn(queue));
        queue.await.at(context).map(Into::into)
    }

    /// The bans in effect, newest first. At most 100 a page.
    async fn bans(
        &self,
        context: &Context<'_>,
        #[graphql(
            desc = "Maximum number of items, 0 to 100.",
            default_with = "Some(page::DEFAULT_FIRST)"
        )]
        first: Option<i32>,
        #[graphql(desc = "The cursor of an edge or a page: items after it.")] after: Option<String>,
    ) -> Result<Connection<Ban>> {
        Box::pin(bans(context, first, after)).await.at(context)
    }
}

async fn bans(
    context: &Context<'_>,
    first: Option<i32>,
    after: Option<String>,
) -> std::result::Result<Connection<Ban>, Error> {
    let slice = page::slice(first, after.as_deref(), |text| {
        let (at, user) = timed_place::decode(text, UserId::parse)?;
        Ok(BanKey { at, user })
    })?;
    let budget = context.budget();
    let allowance = Arc::<ResponseBudget>::clone(budget);
    let bans = budget.in_turn(context.store().bans(slice, allowance));
    let cursor = |ban: &model::Ban| timed_place::encode(ban.at, &ban.user_id);
    page::connection(context, bans.await?, after, cursor, Ban)
}

async fn comments(
    context: &Context<'_>,
    filter: CommentFilter,
    first: Option<i32>,
    after: Option<String>,
) -> std::result::Result<Connection<ModeratedComment>, Error> {
    let slice = page::slice(first, after.as_deref(), decode)?;
    let budget = context.budget();
    let allowance = Arc::<ResponseBudget>::clone(budget);
    let found = context.store().comments_where(filter, slice, allowance);
    let found = budget.in_turn(found).await?;
    let end = found.end.map(encode);
    let cursor = |comment: &model::ModeratedComment| encode(comment.into());
    let page = page::connection(context, found.page, after, cursor, ModeratedComment)?;
    Ok(page.ending_at(end))
}

/// Encodes the place of a comment in a list by time.
pub(in crate::graphql::schema) fn encode(place: WrittenAt) -> String {
    timed_place::encode(place.created_at, place.id)
}

/// Decodes the place of a comment in a list by time.
///
/// # Errors
///
/// Returns `BadUserInput` for `after` if it is no such place.
pub(in crate::graphql::schema) fn decode(text: &str) -> std::result::Result<WrittenAt, Error> {
    let (created_at, id) = timed_place::decode(text, CommentId::parse)?;
    Ok(WrittenAt { created_at, id })
}

/// The lengths of the lists that wait for moderators.
#[derive(Clone, Copy, Debug, SimpleObject)]
pub(in crate::graphql::schema) struct ModerationQueueStatus {
    /// The number of pending comments.
    pending_count: i32,
    /// The number of published comments with unresolved reports.
    reported_count: i32,
}

impl From<model::QueueStatus> for ModerationQueueStatus {
    fn from(queue: model::QueueStatus) -> Self {
        let shown = |count: u64| i32::try_from(count).unwrap_or(i32::MAX);
        Self {
            pending_count: shown(queue.pending),
            reported_count: shown(queue.reported),
        }
    }
}
