//! Comments as moderators see them.

use async_graphql::{Context, ID, Object};

use super::{
    enums::{CommentStatus, HoldReason},
    report::{Report, ReportsOf},
};
use crate::{
    error::Error,
    graphql::{
        context::ContextExt,
        error::{At, Result},
        schema::{
            comment::{self, Comment},
            datetime::DateTime,
            page,
            post::Post,
            relatives::{CommentWith, UserWith},
            user::User,
        },
    },
    model,
};

/// A comment whatever its status.
#[derive(Clone, Debug)]
pub(in crate::graphql::schema) struct ModeratedComment(pub model::ModeratedComment);

/// A comment as moderators see it, whatever its status.
#[Object]
impl ModeratedComment {
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

    /// The user who wrote it.
    async fn author(&self) -> User {
        User(self.0.author.clone())
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

    /// The status.
    async fn status(&self) -> CommentStatus {
        self.0.status.into()
    }

    /// The reason why it was last held or rejected. Null if it never was.
    async fn reason(&self) -> Option<HoldReason> {
        self.0.reason.map(Into::into)
    }

    /// The moderator who decided last. Null before that, and after an automatic decision.
    async fn moderator(&self, context: &Context<'_>) -> Option<Result<User>> {
        let id = self.0.decision.as_ref()?.by.clone();
        let moderator = context.loader().load_one(UserWith(id));
        let moderator = Box::pin(moderator).await.map_err(Error::from);
        moderator.at(context).transpose().map(|user| user.map(User))
    }

    /// The time of that decision.
    async fn decided_at(&self) -> Option<DateTime> {
        self.0
            .decision
            .as_ref()
            .map(|decision| DateTime(decision.at))
    }

    /// Unresolved reports, oldest first. At most 100.
    async fn reports(
        &self,
        context: &Context<'_>,
        #[graphql(
            desc = "Maximum number of items, 0 to 100.",
            default_with = "Some(page::DEFAULT_FIRST)"
        )]
        first: Option<i32>,
    ) -> Result<Vec<Report>> {
        Box::pin(self.load_reports(context, first))
            .await
            .at(context)
    }

    /// The comment as readers see it. Null if they never saw it.
    async fn comment(&self, context: &Context<'_>) -> Option<Result<Comment>> {
        if !self.0.was_published {
            return None;
        }
        let comment = context.loader().load_one(CommentWith {
            id: self.0.id,
            bodies: comment::bodies(&context.look_ahead()),
        });
        let comment = Box::pin(comment).await.map_err(Error::from);
        let comment = comment.at(context).transpose()?;
        Some(comment.map(Comment::from))
    }
}

impl ModeratedComment {
    async fn load_reports(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
    ) -> std::result::Result<Vec<Report>, Error> {
        let first = page::first(first)?;
        let reports = context.loader().load_one(ReportsOf {
            comment: self.0.id,
            first,
        });
        let reports = reports.await?.unwrap_or_default();
        let fields = reports.len() * page::fields_below(context.field());
        context.budget().take_fields(fields)?;
        Ok(reports.into_iter().map(Report).collect())
    }
}
