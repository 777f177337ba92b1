//! The root of queries.

use std::sync::Arc;

use async_graphql::{Context, ID, Object};

use super::{
    comment::{self, Comment},
    input,
    moderation::Moderation,
    non_null::NonNull,
    page::{self, Connection},
    post::Post,
    relatives::PostWith,
    settings::Settings,
    timed_place,
    user::{self, User},
    viewer::Viewer,
};
use crate::{
    error::Error,
    graphql::{
        context::ContextExt,
        error::{At, Result},
        execute::ResponseBudget,
    },
    model::{self, PostId, Role},
    store::PostKey,
};

/// The root of queries.
#[derive(Debug)]
pub(crate) struct Query;

/// Everything that can be read.
#[Object]
impl Query {
    /// The user of the request's token, as others see them. Null for an anonymous request. Name, picture
    /// and role are the token's until the user first writes, and while the database cannot be reached.
    async fn me(&self, context: &Context<'_>) -> Option<Result<User>> {
        me(context).await.at(context).transpose()
    }

    /// The post with this id. Null if there is none.
    async fn post(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The host site's own id.")] id: NonNull<ID>,
    ) -> Option<Result<Post>> {
        post(context, id).await.at(context).transpose()
    }

    /// Posts, newest first. At most 100 a page.
    async fn posts(
        &self,
        context: &Context<'_>,
        #[graphql(
            desc = "Maximum number of items, 0 to 100.",
            default_with = "Some(page::DEFAULT_FIRST)"
        )]
        first: Option<i32>,
        #[graphql(desc = "The cursor of an edge or a page: items after it.")] after: Option<String>,
    ) -> Result<Connection<Post>> {
        let slice = page::slice(first, after.as_deref(), posts_after).at(context)?;
        let budget = context.budget();
        let page = context
            .store()
            .posts(slice, Arc::<ResponseBudget>::clone(budget));
        let page = budget.in_turn(page).await.at(context)?;
        page::connection(context, page, after, posts_cursor, Post).at(context)
    }

    /// Up to 100 posts in the order of `ids`; null if no such post exists.
    async fn posts_by_id(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The host site's own ids.")] ids: NonNull<Vec<ID>>,
    ) -> Result<Vec<Option<Post>>> {
        posts_by_id(context, ids).await.at(context)
    }

    /// Published comments of all posts, newest first. At most 100 a page. A page goes on in the order of
    /// publication, whatever is published or withdrawn meanwhile.
    async fn recent_comments(
        &self,
        context: &Context<'_>,
        #[graphql(
            desc = "Maximum number of items, 0 to 100.",
            default_with = "Some(page::DEFAULT_FIRST)"
        )]
        first: Option<i32>,
        #[graphql(desc = "The cursor of an edge or a page: items after it.")] after: Option<String>,
    ) -> Result<Connection<Comment>> {
        Box::pin(comment::recent(context, first, after))
            .await
            .at(context)
    }

    /// Limits and features that a page adapts to. The same for every reader.
    async fn settings(&self, context: &Context<'_>) -> Settings {
        Settings(*context.settings())
    }

    /// The fields that depend on the caller. Null for an anonymous request.
    async fn viewer(&self, context: &Context<'_>) -> Option<Result<Viewer>> {
        let caller = context.caller().at(context);
        let principal = caller.map(|caller| caller.principal.clone());
        principal.transpose().map(|viewer| viewer.map(Viewer))
    }

    /// The fields that only moderators may see. FORBIDDEN without the role `moderator`, UNAUTHENTICATED without a token.
    async fn moderation(&self, context: &Context<'_>) -> Option<Result<Moderation>> {
        let moderator = context.signed_in_as(Role::Moderator);
        Some(moderator.at(context).map(|_| Moderation))
    }

    /// The comment with this id, or its tombstone. Null if readers never saw one.
    async fn comment(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The comment's id.")] id: NonNull<ID>,
    ) -> Option<Result<Comment>> {
        comment(context, id).await.at(context).transpose()
    }
}

async fn me(context: &Context<'_>) -> std::result::Result<Option<User>, Error> {
    let Some(principal) = &context.caller()?.principal else {
        return Ok(None);
    };
    let user = user::profile(context, principal).await?;
    context.budget().take_object(user.bytes())?;
    Ok(Some(User(user)))
}

async fn post(context: &Context<'_>, id: NonNull<ID>) -> std::result::Result<Option<Post>, Error> {
    let Ok(id) = input::post_id(&id.value("id")?) else {
        return Ok(None);
    };
    let budget = context.budget();
    let post = budget.in_turn(context.store().post(&id)).await?;
    if let Some(post) = &post {
        budget.take_object(post.bytes())?;
    }
    Ok(post.map(Post))
}

/// Reads posts, in the order of their ids.
async fn posts_by_id(
    context: &Context<'_>,
    ids: NonNull<Vec<ID>>,
) -> std::result::Result<Vec<Option<Post>>, Error> {
    let ids = input::post_ids(&ids.value("ids")?)?;
    let known = ids.iter().flatten().map(|id| PostWith(id.clone()));
    let found = context.loader().load_many(known).await?;
    let fields = found.len() * page::fields_below(context.field());
    context.budget().take_fields(fields)?;
    let posts = ids.into_iter().map(|id| {
        let post = found.get(&PostWith(id?));
        post.cloned().map(Post)
    });
    Ok(posts.collect())
}

async fn comment(
    context: &Context<'_>,
    id: NonNull<ID>,
) -> std::result::Result<Option<Comment>, Error> {
    let Ok(id) = input::comment_id(&id.value("id")?) else {
        return Ok(None);
    };
    let bodies = comment::bodies(&context.look_ahead());
    let budget = context.budget();
    let comment = context.store().comment(id, bodies);
    let comment = budget.in_turn(comment).await?;
    if let Some(comment) = &comment {
        budget.take_object(comment.bytes())?;
    }
    Ok(comment.map(|comment| Arc::new(comment).into()))
}

/// Encodes the cursor of a post in the list of posts.
fn posts_cursor(post: &model::Post) -> String {
    timed_place::encode(post.created_at, &post.id)
}

fn posts_after(text: &str) -> std::result::Result<PostKey, Error> {
    let (created_at, id) = timed_place::decode(text, PostId::parse)?;
    Ok(PostKey { created_at, id })
}
