//! The fields that depend on the caller.

use std::sync::Arc;

use async_graphql::{Context, ID, Object};

use super::{
    datetime::DateTime,
    input,
    moderation::{CommentStatus, HoldReason, decode, encode},
    page::{self, Connection},
    post::Post,
    reaction::{self, ViewerReaction},
    user::{self, Role, User},
};
use crate::{
    auth::Principal,
    error::Error,
    graphql::{
        context::ContextExt,
        error::{At, Result},
        execute::ResponseBudget,
    },
    model,
    store::CommentFilter,
};

/// The caller, signed in.
#[derive(Clone, Debug)]
pub(super) struct Viewer(pub Principal);

/// The fields that depend on the caller.
#[Object]
impl Viewer {
    /// The id of the user.
    async fn id(&self) -> ID {
        self.0.user.id.as_str().into()
    }

    /// The user, as others see them. Name, picture and role are the token's until the user first writes.
    async fn user(&self, context: &Context<'_>) -> Result<User> {
        let user = Box::pin(user::profile(context, &self.0));
        user.await.at(context).map(User)
    }

    /// The role of this request's token.
    async fn role(&self) -> Role {
        self.0.user.role.into()
    }

    /// The user's own comments that wait for a moderator or were rejected, newest first. At most 100 a page.
    async fn unpublished_comments(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Keeps comments of one post.")] post_id: Option<ID>,
        #[graphql(
            desc = "Maximum number of items, 0 to 100.",
            default_with = "Some(page::DEFAULT_FIRST)"
        )]
        first: Option<i32>,
        #[graphql(desc = "The cursor of an edge or a page: items after it.")] after: Option<String>,
    ) -> Result<Connection<UnpublishedComment>> {
        Box::pin(self.load_unpublished(context, post_id, first, after))
            .await
            .at(context)
    }

    /// The user's own reactions to comments of a post, newest first: the newest 1,000.
    async fn reactions(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The id of the post.")] post_id: ID,
    ) -> Result<Vec<ViewerReaction>> {
        let reactions = async {
            let post = input::post_id(&post_id)?;
            reaction::of_viewer(context, &self.0.user.id, &post).await
        };
        Box::pin(reactions).await.at(context)
    }
}

impl Viewer {
    async fn load_unpublished(
        &self,
        context: &Context<'_>,
        post: Option<ID>,
        first: Option<i32>,
        after: Option<String>,
    ) -> std::result::Result<Connection<UnpublishedComment>, Error> {
        let filter = CommentFilter {
            unpublished_only: true,
            author: Some(self.0.user.id.clone()),
            post: post.map(|id| input::post_id(&id)).transpose()?,
            ..CommentFilter::default()
        };
        let slice = page::slice(first, after.as_deref(), decode)?;
        let budget = context.budget();
        let allowance = Arc::<ResponseBudget>::clone(budget);
        let found = context.store().comments_where(filter, slice, allowance);
        let found = budget.in_turn(found).await?;
        let cursor = |comment: &model::ModeratedComment| encode(comment.into());
        page::connection(context, found.page, after, cursor, UnpublishedComment)
    }
}

/// A comment that readers do not see.
#[derive(Clone, Debug)]
pub(super) struct UnpublishedComment(pub model::ModeratedComment);

/// A comment as its author sees it while readers do not.
#[Object]
impl UnpublishedComment {
    /// The id: the same as the comment's.
    async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }

    /// Its post.
    async fn post(&self, context: &Context<'_>) -> Result<Post> {
        let post = Post::load(context, &self.0.post_id);
        Box::pin(post).await.at(context)
    }

    /// The id of the comment that it replies to. Null for a top-level comment.
    async fn parent_id(&self) -> Option<ID> {
        self.0.parent_id.map(|parent| parent.to_string().into())
    }

    /// The text as it was written.
    async fn body(&self, context: &Context<'_>) -> Result<&str> {
        context.text(&self.0.body).at(context)
    }

    /// The time at which it was written.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.created_at)
    }

    /// The time of the last edit. Null if it was never edited.
    async fn edited_at(&self) -> Option<DateTime> {
        self.0.edited_at.map(DateTime)
    }

    /// PENDING or REJECTED.
    async fn status(&self) -> CommentStatus {
        self.0.status.into()
    }

    /// The reason why it was held or rejected.
    async fn reason(&self) -> Option<HoldReason> {
        self.0.reason.map(Into::into)
    }
}
