//! Posts.

use std::sync::Arc;

use async_graphql::{Context, ID, Object};

use super::{
    comment::{self, Comment, CommentOrder},
    cursor::{self, Cursor},
    datetime::DateTime,
    input,
    moderation::ModerationMode,
    non_null::NonNull,
    page::{self, Connection},
    relatives::{CommentWith, PostWith},
    top_cursor,
    user::User,
};
use crate::{
    error::{Error, Kind},
    graphql::{
        context::ContextExt,
        error::{At, Result},
        execute::ResponseBudget,
    },
    model::{self, PostId},
    store::{Levels, Order, ParticipantsOf},
};

/// A post in the state in which it was read.
#[derive(Clone, Debug)]
pub(super) struct Post(pub model::Post);

/// A page of the host site that has comments.
#[Object]
impl Post {
    /// The host site's own id.
    async fn id(&self) -> ID {
        self.0.id.as_str().into()
    }

    /// The title on the host site.
    async fn title(&self, context: &Context<'_>) -> Result<&str> {
        context.text(&self.0.title).at(context)
    }

    /// The URL on the host site, http or https.
    async fn url(&self, context: &Context<'_>) -> Option<Result<&str>> {
        let url = self.0.url.as_deref()?;
        Some(context.text(url).at(context))
    }

    /// The time at which it was opened to comments.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.created_at)
    }

    /// The number of comments that are not deleted.
    async fn comment_count(&self) -> i32 {
        i32::try_from(self.0.comment_count).unwrap_or(i32::MAX)
    }

    /// The number of readers in the room now. Asking does not join the room.
    async fn viewer_count(&self, context: &Context<'_>) -> i32 {
        let viewers = context.hub().viewers(&self.0.id).await;
        i32::try_from(viewers).unwrap_or(i32::MAX)
    }

    /// The place at which the post's feed stands. Query it together with the comments, and subscribe
    /// with `after` set to it: no comment is lost between the two, and none comes twice.
    async fn cursor(&self, context: &Context<'_>) -> Cursor {
        Cursor::new(context.epoch(), &self.0.id, self.0.seq)
    }

    /// True if new comments are taken. createComment on a closed post is FORBIDDEN, but for moderators.
    async fn is_open(&self) -> bool {
        self.0.is_open
    }

    /// The comments that wait for a moderator here. Null: as the setting MODERATION says.
    async fn moderation(&self) -> Option<ModerationMode> {
        self.0.moderation.map(Into::into)
    }

    /// The pinned comment. Null if there is none.
    async fn pinned_comment(&self, context: &Context<'_>) -> Option<Result<Comment>> {
        let comment = context.loader().load_one(CommentWith {
            id: self.0.pinned?,
            bodies: comment::bodies(&context.look_ahead()),
        });
        let comment = Box::pin(comment).await.map_err(Error::from);
        // It may have been withdrawn since the post was read.
        let comment = comment.map(|comment| comment.filter(|comment| !comment.is_deleted));
        let comment = comment.at(context).transpose()?;
        Some(comment.map(Comment::from))
    }

    /// The time at which the newest published comment was published. Null if there is none.
    async fn last_comment_at(&self) -> Option<DateTime> {
        self.0.last_comment_at.map(DateTime)
    }

    /// Users with a published comment here whose name begins with `search`, ignoring case, in the order of
    /// their latest comments, newest first. A page completes mentions with them. Only the post's newest 5,000
    /// comments count.
    async fn participants(
        &self,
        context: &Context<'_>,
        #[graphql(
            desc = "The beginning of their names.",
            default_with = "NonNull::from(String::new())"
        )]
        search: NonNull<String>,
        #[graphql(
            desc = "Maximum number of users, 0 to 100.",
            default_with = "Some(page::DEFAULT_FIRST_OF_USERS)"
        )]
        first: Option<i32>,
    ) -> Result<Vec<User>> {
        Box::pin(self.load_participants(context, search, first))
            .await
            .at(context)
    }

    /// Top-level comments. At most 100 a page.
    async fn comments(
        &self,
        context: &Context<'_>,
        #[graphql(
            desc = "Maximum number of items, 0 to 100.",
            default_with = "Some(page::DEFAULT_FIRST)"
        )]
        first: Option<i32>,
        #[graphql(desc = "The cursor of an edge or a page: items after it in this order.")]
        after: Option<String>,
        #[graphql(
            desc = "The order of the list.",
            default_with = "NonNull::from(CommentOrder::OldestFirst)"
        )]
        order: NonNull<CommentOrder>,
    ) -> Result<Connection<Comment>> {
        Box::pin(self.load_comments(context, Levels::Top, first, after, order))
            .await
            .at(context)
    }

    /// Comments of every depth, flat, each with its `depth` and `parentId`. At most 100 a page.
    async fn all_comments(
        &self,
        context: &Context<'_>,
        #[graphql(
            desc = "Maximum number of items, 0 to 100.",
            default_with = "Some(page::DEFAULT_FIRST_OF_ALL)"
        )]
        first: Option<i32>,
        #[graphql(desc = "The cursor of an edge or a page: items after it in this order.")]
        after: Option<String>,
        #[graphql(
            desc = "The order of the list.",
            default_with = "NonNull::from(CommentOrder::OldestFirst)"
        )]
        order: NonNull<CommentOrder>,
    ) -> Result<Connection<Comment>> {
        // An explicit null means the default too.
        let first = first.or(Some(page::DEFAULT_FIRST_OF_ALL));
        Box::pin(self.load_comments(context, Levels::All, first, after, order))
            .await
            .at(context)
    }
}

impl Post {
    /// Loads a post together with others.
    pub(super) async fn load(
        context: &Context<'_>,
        id: &PostId,
    ) -> std::result::Result<Self, Error> {
        let post = context.loader().load_one(PostWith(id.clone())).await?;
        post.map(Self).ok_or(Error::NotFound(Kind::Post))
    }

    async fn load_participants(
        &self,
        context: &Context<'_>,
        search: NonNull<String>,
        first: Option<i32>,
    ) -> std::result::Result<Vec<User>, Error> {
        let first = page::first(first.or(Some(page::DEFAULT_FIRST_OF_USERS)))?;
        let of = ParticipantsOf {
            post: self.0.id.clone(),
            search: input::beginning(search.value("search")?)?,
            first: usize::try_from(first).unwrap_or(usize::MAX),
        };
        let budget = context.budget();
        let allowance = Arc::<ResponseBudget>::clone(budget);
        let users = context.store().participants(of, allowance);
        let users = budget.in_turn(users).await?;
        budget.take_fields(users.len() * page::fields_below(context.field()))?;
        Ok(users.into_iter().map(User).collect())
    }

    /// Reads a page of comments in its turn.
    async fn load_comments(
        &self,
        context: &Context<'_>,
        levels: Levels,
        first: Option<i32>,
        after: Option<String>,
        order: NonNull<CommentOrder>,
    ) -> std::result::Result<Connection<Comment>, Error> {
        let (first, post) = (page::first(first)?, &self.0.id);
        let order = match (order.value("order")?, after.as_deref()) {
            (CommentOrder::OldestFirst, after) => {
                Order::OldestFirst(cursor::after(context, post, after).await?)
            }
            (CommentOrder::NewestFirst, after) => {
                Order::NewestFirst(cursor::after(context, post, after).await?)
            }
            (CommentOrder::Top, after) => {
                Order::Top(top_cursor::after(context, post, after).await?)
            }
        };
        let bodies = comment::bodies_of_page(context);
        let budget = context.budget();
        let allowance = Arc::<ResponseBudget>::clone(budget);
        let page = context
            .store()
            .comments_of(&self.0, levels, order, first, bodies, allowance);
        let page = budget.in_turn(page).await?;
        comment::listed(context, page, after, order, self.0.seq)
    }
}
