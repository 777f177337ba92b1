//! `Query`: what can be read.

use std::sync::Arc;

use async_graphql::{Context, ID, Object};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{
    caller::Caller,
    comment::Comment,
    error::Result,
    input,
    page::{self, Connection},
    post::Post,
    user::User,
};
use crate::{
    error::Error,
    model::{self, PostId, Timestamp},
    store::{PostKey, Store},
};

/// The root of queries.
#[derive(Debug)]
pub struct Query;

/// What can be read.
#[Object]
impl Query {
    /// Whom the request's token names; null for an anonymous request.
    async fn me(&self, context: &Context<'_>) -> Result<Option<User>> {
        let identity = Caller::of(context)?.identity.as_ref();
        Ok(identity.map(|identity| User(identity.user.clone())))
    }

    /// Null where no such post exists.
    async fn post(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The host site's own id.")] id: ID,
    ) -> Result<Option<Post>> {
        let Ok(id) = input::post_id(&id) else {
            return Ok(None);
        };
        Ok(context.data_unchecked::<Store>().post(&id).await?.map(Post))
    }

    /// Newest first. At most 100 a page.
    async fn posts(
        &self,
        context: &Context<'_>,
        #[graphql(
            desc = "How many, 0 to 100.",
            default_with = "Some(page::DEFAULT_FIRST)"
        )]
        first: Option<i64>,
        #[graphql(desc = "Only what comes behind this edge's or page's cursor.")] after: Option<
            String,
        >,
    ) -> Result<Connection<Post>> {
        let slice = page::slice(first, after, posts_after)?;
        let is_behind_cursor = slice.after.is_some();
        let page = context.data_unchecked::<Store>().posts(slice).await?;
        Ok(page::connection(page, is_behind_cursor, posts_cursor, Post))
    }

    /// Null where no such comment exists.
    async fn comment(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The comment's id.")] id: ID,
    ) -> Result<Option<Comment>> {
        let Ok(id) = input::comment_id(&id) else {
            return Ok(None);
        };
        let comment = context.data_unchecked::<Store>().comment(id).await?;
        Ok(comment.map(|comment| Arc::new(comment).into()))
    }
}

/// The cursor of a post in the list of posts: its instant and its id.
fn posts_cursor(post: &model::Post) -> String {
    URL_SAFE_NO_PAD.encode(format!("{}:{}", post.created_at.0, post.id))
}

fn posts_after(text: &str) -> std::result::Result<PostKey, Error> {
    URL_SAFE_NO_PAD
        .decode(text)
        .ok()
        .and_then(|bytes| {
            let text = String::from_utf8(bytes).ok()?;
            let (created_at, id) = text.split_once(':')?;
            Some(PostKey {
                created_at: Timestamp(created_at.parse().ok()?),
                id: PostId::parse(id)?,
            })
        })
        .ok_or_else(|| Error::bad_input("after", "This is not a cursor of the list of posts."))
}
