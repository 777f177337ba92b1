//! `Mutation`: what can be changed. Each commits to the store first, and then publishes.

use std::sync::Arc;

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use super::{
    ban::{Ban, BanUserInput, BanUserPayload, UnbanUserInput, UnbanUserPayload},
    caller::Caller,
    comment::Comment,
    datetime::DateTime,
    error::Result,
    input,
    post::Post,
    settings::Settings,
    user::User,
};
use crate::{
    auth::{Authenticator, Identity},
    error::{Error, Kind},
    limits::Limits,
    model::{self, Role, Timestamp, UserId},
    moderation::Moderation,
    rooms::Hub,
    store::{DeleteComment, Deletion, EditComment, NewComment, NewPost, Store},
};

/// The root of mutations.
#[derive(Debug)]
pub struct Mutation;

/// What can be changed.
#[Object]
impl Mutation {
    /// A token for a reader who has no account on the host site, under the name that they choose.
    /// FORBIDDEN where the server is set to take no guests, RATE_LIMITED where too many sign in from
    /// one address.
    async fn sign_in_as_guest(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The guest's name.")] input: SignInAsGuestInput,
    ) -> Result<SignInAsGuestPayload> {
        let settings = context.data_unchecked::<Settings>();
        if !settings.allow_guests {
            return Err(Error::Forbidden("This server takes no guests.").into());
        }
        let name = input::name(&input.name)?;
        let address = Caller::of(context)?.address;
        context.data_unchecked::<Arc<Limits>>().guest(address)?;
        let until = Timestamp::now().plus(settings.guest_token_lifetime);
        let guest = Identity {
            user: model::User {
                id: UserId::new_guest(),
                name: name.into(),
                avatar: None,
            },
            role: Role::Reader,
            expires_at: Timestamp::from_unix_seconds(until.unix_seconds()),
        };
        Ok(SignInAsGuestPayload {
            token: context
                .data_unchecked::<Arc<Authenticator>>()
                .sign(&guest)?,
            expires_at: DateTime(guest.expires_at),
            user: User(guest.user),
        })
    }

    /// Opens a post to comments under the id that the host site already uses for it. Needs the role
    /// `author` or `moderator`. CONFLICT where the id is taken.
    async fn create_post(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The post.")] input: CreatePostInput,
    ) -> Result<CreatePostPayload> {
        Caller::of(context)?.signed_in()?.require(Role::Author)?;
        let new = NewPost {
            id: input::new_post_id(&input.id)?,
            title: input::title(&input.title)?,
            url: input.url.as_deref().map(input::url).transpose()?,
            at: Timestamp::now(),
        };
        let post = context.data_unchecked::<Store>().create_post(new).await?;
        Ok(CreatePostPayload { post: Post(post) })
    }

    /// Needs a token. The event reaches every reader of the post except the client that sent this
    /// mutation. RATE_LIMITED where its user, or its address, writes too much.
    async fn create_comment(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The comment.")] input: CreateCommentInput,
    ) -> Result<CreateCommentPayload> {
        let caller = Caller::of(context)?;
        let author = caller.signed_in()?.user.clone();
        let parent_id = match &input.parent_id {
            Some(id) => Some(input::comment_id(id).map_err(|_| {
                Error::bad_input("parentId", "The parent must be a comment of the same post.")
            })?),
            None => None,
        };
        let new = NewComment {
            body: input::body(&input.body)?,
            post_id: input::post_id(&input.post_id)?,
            parent_id,
            max_depth: context.data_unchecked::<Settings>().reply_depth,
            author,
            at: Timestamp::now(),
            origin: caller.client.clone(),
        };
        let limits = context.data_unchecked::<Arc<Limits>>();
        limits.comment(&new.author.id, caller.address)?;
        let change = context
            .data_unchecked::<Store>()
            .create_comment(new)
            .await?;
        Ok(CreateCommentPayload {
            comment: publish(context, change),
        })
    }

    /// The author, within the edit window, or a moderator at any time. CONFLICT where the comment
    /// was deleted.
    async fn edit_comment(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The comment and its new text.")] input: EditCommentInput,
    ) -> Result<EditCommentPayload> {
        let caller = Caller::of(context)?;
        let identity = caller.signed_in()?.clone();
        let window = context.data_unchecked::<Settings>().edit_window;
        let at = Timestamp::now();
        let edit = EditComment {
            body: input::body(&input.body)?,
            id: input::comment_id(&input.id)?,
            at,
            origin: caller.client.clone(),
        };
        let limits = context.data_unchecked::<Arc<Limits>>();
        limits.comment(&identity.user.id, caller.address)?;
        let change = context
            .data_unchecked::<Store>()
            .edit_comment(edit, move |comment| identity.may_edit(comment, window, at))
            .await?;
        Ok(EditCommentPayload {
            comment: publish(context, change),
        })
    }

    /// The author or a moderator. The comment stays as a tombstone, so that its replies keep their
    /// parent. Deleting a deleted comment changes nothing and answers with its tombstone.
    async fn delete_comment(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The comment.")] input: DeleteCommentInput,
    ) -> Result<DeleteCommentPayload> {
        let caller = Caller::of(context)?;
        let identity = caller.signed_in()?.clone();
        let delete = DeleteComment {
            id: input::comment_id(&input.id)?,
            at: Timestamp::now(),
            origin: caller.client.clone(),
        };
        let deletion = context
            .data_unchecked::<Store>()
            .delete_comment(delete, move |comment| identity.may_delete(comment))
            .await?;
        Ok(DeleteCommentPayload {
            comment: match deletion {
                Deletion::Deleted(change) => publish(context, change),
                Deletion::AlreadyDeleted(tombstone) => tombstone.into(),
            },
        })
    }

    /// Needs a token. True starts or refreshes the indicator; false ends it. It ends by itself when
    /// it is not refreshed for 6 seconds, when its user posts a comment there, and when its client
    /// leaves the room.
    async fn set_typing(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Where, and whether.")] input: SetTypingInput,
    ) -> Result<SetTypingPayload> {
        let caller = Caller::of(context)?;
        let user = &caller.signed_in()?.user;
        context.data_unchecked::<Arc<Limits>>().typing(&user.id)?;
        let post = input::post_id(&input.post_id)?;
        let hub = context.data_unchecked::<Hub>();
        // Where the room's feed is established the post is known to exist.
        let is_known = hub.head(&post).is_some()
            || context
                .data_unchecked::<Store>()
                .seq(&post)
                .await?
                .is_some();
        if !is_known {
            return Err(Error::NotFound(Kind::Post).into());
        }
        if input.is_typing {
            hub.start_typing(&post, user, caller.client.as_ref());
        } else {
            hub.stop_typing(&post, user, caller.client.as_ref());
        }
        Ok(SetTypingPayload {
            is_typing: input.is_typing,
        })
    }

    /// Bans a user: their sockets and streams end at once, on every node, and nothing that is sent
    /// with a token of theirs is answered, until the ban is lifted. Needs the role `moderator`.
    /// Nobody bans themselves, nor another moderator: what a token says that has the role
    /// `moderator` is done, so a ban of one who is a moderator waits until the host site signs them
    /// another role. Banning one who is banned changes nothing.
    async fn ban_user(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The user, and why.")] input: BanUserInput,
    ) -> Result<BanUserPayload> {
        let caller = Caller::of(context)?;
        let by = caller.signed_in()?;
        by.require(Role::Moderator)?;
        let user = input::user_id(&input.user_id)?;
        let reason = input.reason.as_deref().map(input::reason).transpose()?;
        let moderation = context.data_unchecked::<Arc<Moderation>>();
        let ban = moderation.ban(by, user, reason.flatten()).await?;
        Ok(BanUserPayload { ban: Ban(ban) })
    }

    /// Lifts a user's ban. Needs the role `moderator`. Lifting what is not there changes nothing.
    async fn unban_user(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The user.")] input: UnbanUserInput,
    ) -> Result<UnbanUserPayload> {
        let caller = Caller::of(context)?;
        let by = caller.signed_in()?;
        by.require(Role::Moderator)?;
        let user = input::user_id(&input.user_id)?;
        let moderation = context.data_unchecked::<Arc<Moderation>>();
        let was_banned = moderation.unban(by, user).await?;
        Ok(UnbanUserPayload {
            user_id: input.user_id,
            was_banned,
        })
    }
}

/// Delivers what was committed.
fn publish(context: &Context<'_>, change: model::Change) -> Comment {
    let comment = Arc::clone(&change.comment).into();
    context.data_unchecked::<Hub>().publish(Arc::new(change));
    comment
}

/// A guest.
#[derive(Debug, InputObject)]
pub struct SignInAsGuestInput {
    /// 1 to 80 characters after trimming.
    name: String,
}

/// A post to be opened to comments.
#[derive(Debug, InputObject)]
pub struct CreatePostInput {
    /// 1 to 128 characters of A-Z a-z 0-9 . _ ~ : / -
    id: ID,
    /// 1 to 300 characters after trimming.
    title: String,
    /// http or https.
    url: Option<String>,
}

/// A new comment.
#[derive(Debug, InputObject)]
pub struct CreateCommentInput {
    /// The post that it belongs to.
    post_id: ID,
    /// 1 to 10,000 characters after trimming.
    body: String,
    /// A comment of the same post, less deep than replies may stand.
    parent_id: Option<ID>,
}

/// A comment's new text.
#[derive(Debug, InputObject)]
pub struct EditCommentInput {
    /// The comment.
    id: ID,
    /// 1 to 10,000 characters after trimming.
    body: String,
}

/// A comment to be deleted.
#[derive(Debug, InputObject)]
pub struct DeleteCommentInput {
    /// The comment.
    id: ID,
}

/// Whether the user is typing at a post.
#[derive(Debug, InputObject)]
pub struct SetTypingInput {
    /// The post.
    post_id: ID,
    /// True starts or refreshes, false ends.
    is_typing: bool,
}

/// A guest's token.
#[derive(Debug, SimpleObject)]
pub struct SignInAsGuestPayload {
    /// A JWT: send it as `Authorization: Bearer …`, and in connection_init's payload as
    /// `authorization`.
    token: String,
    /// When it ends.
    expires_at: DateTime,
    /// The guest.
    user: User,
}

/// The post that was opened.
#[derive(Debug, SimpleObject)]
pub struct CreatePostPayload {
    /// The post.
    post: Post,
}

/// The comment that was added.
#[derive(Debug, SimpleObject)]
pub struct CreateCommentPayload {
    /// The comment.
    comment: Comment,
}

/// The comment that was edited.
#[derive(Debug, SimpleObject)]
pub struct EditCommentPayload {
    /// The comment after the edit.
    comment: Comment,
}

/// The comment that was deleted.
#[derive(Debug, SimpleObject)]
pub struct DeleteCommentPayload {
    /// The tombstone.
    comment: Comment,
}

/// What was set.
#[derive(Debug, SimpleObject)]
pub struct SetTypingPayload {
    /// As it was sent.
    is_typing: bool,
}
