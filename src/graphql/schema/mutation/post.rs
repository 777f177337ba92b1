//! Opening of posts.

use async_graphql::{Context, ID, InputObject, SimpleObject};

use crate::{
    error::Error,
    graphql::{
        context::ContextExt,
        schema::{input, post::Post},
    },
    model::{Role, Timestamp},
    store::NewPost,
};

/// A post to be opened to comments.
#[derive(Debug, InputObject)]
pub(super) struct CreatePostInput {
    /// The host site's own id: 1 to 512 bytes without white space and control characters, compared byte by
    /// byte.
    id: ID,
    /// The title: 1 to 300 characters after cleaning, at least one of them visible. Control characters and
    /// line breaks become spaces.
    title: String,
    /// The URL on the host site, http or https.
    url: Option<String>,
}

/// The post that was opened.
#[derive(Debug, SimpleObject)]
pub(super) struct CreatePostPayload {
    /// The post.
    post: Post,
}

pub(super) async fn create(
    context: &Context<'_>,
    input: &CreatePostInput,
) -> Result<CreatePostPayload, Error> {
    let principal = context.signed_in()?;
    principal.require(Role::Author)?;
    let at = Timestamp::now();
    let new = NewPost {
        id: input::new_post_id(&input.id)?,
        title: input::title(&input.title)?,
        url: input.url.as_deref().map(input::url).transpose()?,
        at,
        by: Some(principal.profile(at)),
    };
    let write = context.store().create_post(new);
    let (user, role) = (&principal.user.id, principal.user.role);
    let post = context.limits().mutation(user, role, write).await?;
    Ok(CreatePostPayload { post: Post(post) })
}
