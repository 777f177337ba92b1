//! Opening and updating of posts.

use async_graphql::{Context, ID, InputObject, MaybeUndefined, SimpleObject};

use super::announce;

use crate::{
    auth::Principal,
    error::Error,
    graphql::{
        context::ContextExt,
        schema::{input, moderation::ModerationMode, post::Post},
    },
    model::{Role, Timestamp},
    rooms::RoomEnd,
    store::{
        DeletePost, EnsureOutcome, EnsurePost, EnsuredTitle, Field, MovePost, NewPost, UpdatePost,
    },
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

/// A post to be open under its id.
#[derive(Debug, InputObject)]
pub(super) struct EnsurePostInput {
    /// The host site's own id: 1 to 512 bytes without white space and control characters, compared byte by
    /// byte.
    id: ID,
    /// The title: 1 to 300 characters after cleaning, at least one of them visible. Control characters and
    /// line breaks become spaces.
    title: String,
    /// The URL on the host site, http or https. An existing post keeps its URL if this is absent.
    url: MaybeUndefined<String>,
}

/// The post that is open.
#[derive(Debug, SimpleObject)]
pub(super) struct EnsurePostPayload {
    /// The post.
    post: Post,
    /// True if it was opened now.
    was_created: bool,
}

/// An update of a post. Fields that are absent stay as they are.
#[derive(Debug, InputObject)]
pub(super) struct UpdatePostInput {
    /// The id of the post.
    id: ID,
    /// The title: 1 to 300 characters after cleaning, at least one of them visible. It must not be null.
    title: MaybeUndefined<String>,
    /// The URL on the host site, http or https. Null clears it.
    url: MaybeUndefined<String>,
    /// True if new comments are taken. It must not be null.
    is_open: MaybeUndefined<bool>,
    /// The comments that wait for a moderator. Null: as the setting MODERATION says.
    moderation: MaybeUndefined<ModerationMode>,
}

/// The post that was updated.
#[derive(Debug, SimpleObject)]
pub(super) struct UpdatePostPayload {
    /// The post.
    post: Post,
}

/// A post to be moved to another id.
#[derive(Debug, InputObject)]
pub(super) struct MovePostInput {
    /// The id of the post.
    id: ID,
    /// The id that it is to have: 1 to 512 bytes without white space and control characters, compared byte
    /// by byte.
    new_id: ID,
}

/// The post that was moved.
#[derive(Debug, SimpleObject)]
pub(super) struct MovePostPayload {
    /// The post.
    post: Post,
}

/// A post to be deleted.
#[derive(Debug, InputObject)]
pub(super) struct DeletePostInput {
    /// The id of the post.
    id: ID,
}

/// The post that was deleted.
#[derive(Debug, SimpleObject)]
pub(super) struct DeletePostPayload {
    /// The id that the post had.
    id: ID,
}

pub(super) async fn create(
    context: &Context<'_>,
    input: &CreatePostInput,
) -> Result<CreatePostPayload, Error> {
    let principal = context.signed_in_as(Role::Author)?;
    let at = Timestamp::now();
    let new = NewPost {
        id: input::new_post_id("id", &input.id)?,
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

pub(super) async fn ensure(
    context: &Context<'_>,
    input: EnsurePostInput,
) -> Result<EnsurePostPayload, Error> {
    let anonymous = context.caller()?.principal.is_none();
    let by = (!anonymous).then(|| context.signed_in()).transpose()?;
    let Some(by) = by.filter(|by| by.user.role >= Role::Author) else {
        return open_page(context, &input, by).await;
    };
    let at = Timestamp::now();
    let ensure = EnsurePost {
        id: input::new_post_id("id", &input.id)?,
        title: EnsuredTitle::Always(input::title(&input.title)?),
        url: url(input.url)?,
        by: Some(by.profile(at)),
        at,
    };
    let write = context.store().ensure_post(ensure);
    let limits = context.limits();
    let ensured = limits.mutation(&by.user.id, by.user.role, write).await?;
    announce(context, ensured.effects);
    Ok(EnsurePostPayload {
        post: Post(ensured.post),
        was_created: ensured.outcome == EnsureOutcome::Opened,
    })
}

/// Opens the post of a page of the site for a caller of any role.
async fn open_page(
    context: &Context<'_>,
    input: &EnsurePostInput,
    by: Option<&Principal>,
) -> Result<EnsurePostPayload, Error> {
    let url = match &input.url {
        MaybeUndefined::Value(url) => Some(url.as_str()),
        MaybeUndefined::Null | MaybeUndefined::Undefined => None,
    };
    let (id, page) = context.site_pages().admit(&input.id, url)?;
    let at = Timestamp::now();
    let opening = context.store().open_page(NewPost {
        id,
        title: input::title(&input.title)?,
        url: Some(input::url(page.as_str())?),
        at,
        by: by.map(|by| by.profile(at)),
    });
    let address = context.caller()?.address;
    let opened = context.limits().page(address, opening).await?;
    Ok(EnsurePostPayload {
        post: Post(opened.post),
        was_created: opened.outcome == EnsureOutcome::Opened,
    })
}

pub(super) async fn update(
    context: &Context<'_>,
    input: UpdatePostInput,
) -> Result<UpdatePostPayload, Error> {
    let by = context.signed_in_as(Role::Author)?;
    let at = Timestamp::now();
    let update = UpdatePost {
        id: input::post_id(&input.id)?,
        title: match required("title", input.title)? {
            Field::Keep => Field::Keep,
            Field::Set(title) => Field::Set(input::title(&title)?),
        },
        url: url(input.url)?,
        is_open: required("isOpen", input.is_open)?,
        moderation: match input.moderation {
            MaybeUndefined::Undefined => Field::Keep,
            MaybeUndefined::Null => Field::Set(None),
            MaybeUndefined::Value(mode) => Field::Set(Some(mode.into())),
        },
        by: by.profile(at),
        at,
    };
    let write = context.store().update_post(update);
    let limits = context.limits();
    let (post, effects) = limits.mutation(&by.user.id, by.user.role, write).await?;
    announce(context, effects);
    Ok(UpdatePostPayload { post: Post(post) })
}

pub(super) async fn relocate(
    context: &Context<'_>,
    input: &MovePostInput,
) -> Result<MovePostPayload, Error> {
    let by = context.signed_in_as(Role::Author)?;
    let moving = MovePost {
        id: input::post_id(&input.id)?,
        new_id: input::new_post_id("newId", &input.new_id)?,
        by: by.profile(Timestamp::now()),
    };
    let write = context.store().move_post(moving);
    let limits = context.limits();
    let moved = limits.mutation(&by.user.id, by.user.role, write).await?;
    if let Some(old) = moved.from {
        context.hub().end_room(&old, RoomEnd::Moved);
    }
    Ok(MovePostPayload {
        post: Post(moved.post),
    })
}

pub(super) async fn delete(
    context: &Context<'_>,
    input: &DeletePostInput,
) -> Result<DeletePostPayload, Error> {
    let by = context.signed_in_as(Role::Moderator)?;
    let at = Timestamp::now();
    let delete = DeletePost {
        id: input::post_id(&input.id)?,
        by: by.profile(at),
        at,
    };
    let write = context.store().delete_post(delete);
    let limits = context.limits();
    let post = limits.mutation(&by.user.id, by.user.role, write).await?;
    context.hub().end_room(&post, RoomEnd::Deleted);
    // Its comments wait for no moderator any more.
    context.hub().queue_changed();
    context.jobs().wake();
    Ok(DeletePostPayload {
        id: post.as_str().into(),
    })
}

/// Reads a field that must not be null.
fn required<T>(name: &'static str, value: MaybeUndefined<T>) -> Result<Field<T>, Error> {
    match value {
        MaybeUndefined::Undefined => Ok(Field::Keep),
        MaybeUndefined::Null => Err(Error::bad_input(name, "The value must not be null.")),
        MaybeUndefined::Value(value) => Ok(Field::Set(value)),
    }
}

/// Reads a URL, which null clears.
fn url(value: MaybeUndefined<String>) -> Result<Field<Option<String>>, Error> {
    match value {
        MaybeUndefined::Undefined => Ok(Field::Keep),
        MaybeUndefined::Null => Ok(Field::Set(None)),
        MaybeUndefined::Value(text) => Ok(Field::Set(Some(input::url(&text)?))),
    }
}
