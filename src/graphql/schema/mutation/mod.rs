//! The root of mutations. Each commits to the store first, and then publishes to the room.

mod comment;
mod decision;
mod guest;
mod moderation;
mod post;
mod reaction;
mod screening;
mod typing;
mod writer;

use async_graphql::{Context, Object};

use self::{
    comment::{
        CreateCommentInput, CreateCommentPayload, DeleteCommentInput, DeleteCommentPayload,
        EditCommentInput, EditCommentPayload,
    },
    decision::{
        ApproveCommentInput, ApproveCommentPayload, PinCommentInput, PinCommentPayload,
        RejectCommentInput, RejectCommentPayload, ReportCommentInput, ReportCommentPayload,
        UnpinCommentInput, UnpinCommentPayload,
    },
    guest::{SignInAsGuestInput, SignInAsGuestPayload},
    moderation::{BanUserInput, BanUserPayload, UnbanUserInput, UnbanUserPayload},
    post::{
        CreatePostInput, CreatePostPayload, DeletePostInput, DeletePostPayload, EnsurePostInput,
        EnsurePostPayload, MovePostInput, MovePostPayload, UpdatePostInput, UpdatePostPayload,
    },
    reaction::{AddReactionInput, AddReactionPayload, RemoveReactionInput, RemoveReactionPayload},
    typing::{SetTypingInput, SetTypingPayload},
};
use crate::{
    feed,
    graphql::{
        context::ContextExt,
        error::{At, Result},
    },
    store::Effects,
};

/// Publishes the effects of a write that was committed.
fn announce(context: &Context<'_>, effects: Effects) {
    feed::publish(context.hub(), effects);
}

/// The root of mutations.
#[derive(Debug)]
pub(crate) struct Mutation;

/// Everything that can be changed.
#[Object]
impl Mutation {
    /// Issues a token to a reader without an account on the host site, under a name of their choice.
    /// FORBIDDEN if the server is set to accept no guests, and for a time from the addresses of a banned
    /// guest. RATE_LIMITED by address.
    async fn sign_in_as_guest(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The guest.")] input: SignInAsGuestInput,
    ) -> Result<SignInAsGuestPayload> {
        guest::sign_in(context, &input).await.at(context)
    }

    /// Opens a post to comments under the id that the host site uses for it. Needs the role
    /// `author` or `moderator`. CONFLICT if the id is taken.
    async fn create_post(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The post.")] input: CreatePostInput,
    ) -> Result<CreatePostPayload> {
        post::create(context, &input).await.at(context)
    }

    /// Opens a post to comments, or updates the title and the URL of the one that is open under this id.
    /// Idempotent. Needs the role `author` or `moderator`.
    ///
    /// Other callers, anonymous ones too, may only open the post of a page on an origin of the setting
    /// AUTO_OPEN_POSTS. It is FORBIDDEN if `url` is no such page. It is BAD_USER_INPUT if `id` is not the normal
    /// form of the page's path. They are answered an existing post unchanged. RATE_LIMITED by address, and while
    /// too many such posts have no comment.
    async fn ensure_post(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The post.")] input: EnsurePostInput,
    ) -> Result<EnsurePostPayload> {
        post::ensure(context, input).await.at(context)
    }

    /// Updates a post. Fields that are absent stay as they are. Needs the role `author` or `moderator`.
    async fn update_post(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The post and its new fields.")] input: UpdatePostInput,
    ) -> Result<UpdatePostPayload> {
        post::update(context, input).await.at(context)
    }

    /// Gives a post another id. Needs the role `author` or `moderator`. The old id goes on naming it. Streams
    /// of its room end with CURSOR_EXPIRED, and so do cursors that were issued under the old id. CONFLICT if
    /// the new id is one of another post, present or old.
    async fn move_post(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The post and its new id.")] input: MovePostInput,
    ) -> Result<MovePostPayload> {
        post::relocate(context, &input).await.at(context)
    }

    /// Deletes a post with its comments. Needs the role `moderator`. It is gone at once, and its streams end with
    /// NOT_FOUND. Its comments are deleted in the background; until then its id is taken.
    async fn delete_post(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The post.")] input: DeletePostInput,
    ) -> Result<DeletePostPayload> {
        post::delete(context, &input).await.at(context)
    }

    /// Adds a comment. Needs a token. Every reader of the post receives it except the client that
    /// sent this mutation. RATE_LIMITED by user and by address.
    async fn create_comment(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The comment.")] input: CreateCommentInput,
    ) -> Result<CreateCommentPayload> {
        comment::create(context, &input).await.at(context)
    }

    /// Changes the text of a comment. Its author may within the edit window, a moderator at any
    /// time. CONFLICT if the comment was deleted.
    async fn edit_comment(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The comment and its new text.")] input: EditCommentInput,
    ) -> Result<EditCommentPayload> {
        comment::edit(context, &input).await.at(context)
    }

    /// Deletes a comment. Its author and moderators may. A tombstone stays, so that replies keep
    /// their parent. Deleting a deleted comment is a no-op that answers with the tombstone.
    async fn delete_comment(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The comment.")] input: DeleteCommentInput,
    ) -> Result<DeleteCommentPayload> {
        comment::delete(context, &input).await.at(context)
    }

    /// Adds a reaction of the caller to a comment. Needs a token. Adding one that is there is a no-op. Reactions
    /// reach readers by reactionsChanged, and change no feed. FORBIDDEN if the setting REACTIONS does not list
    /// the content. RATE_LIMITED by user.
    async fn add_reaction(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The comment and the content.")] input: AddReactionInput,
    ) -> Result<AddReactionPayload> {
        reaction::add(context, &input).await.at(context)
    }

    /// Removes a reaction of the caller from a comment. Needs a token. Removing one that is not there is a
    /// no-op. RATE_LIMITED by user.
    async fn remove_reaction(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The comment and the content.")] input: RemoveReactionInput,
    ) -> Result<RemoveReactionPayload> {
        reaction::remove(context, &input).await.at(context)
    }

    /// Reports a comment to moderators. Needs a token. Reporting a comment again replaces the earlier report.
    /// RATE_LIMITED by user.
    async fn report_comment(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The comment and the reason.")] input: ReportCommentInput,
    ) -> Result<ReportCommentPayload> {
        decision::report(context, input).await.at(context)
    }

    /// Publishes a pending or rejected comment, and resolves its reports. Needs the role `moderator`. A
    /// comment that was never published is ADDED to the feed now; one that was, is RESTORED. Approving a
    /// published comment only resolves its reports. CONFLICT for a deleted comment, and for a reply whose
    /// parent is in no list any more.
    async fn approve_comment(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The comment.")] input: ApproveCommentInput,
    ) -> Result<ApproveCommentPayload> {
        decision::approve(context, &input).await.at(context)
    }

    /// Rejects a comment, and resolves its reports. Needs the role `moderator`. Readers of a published
    /// comment see it DELETED. Rejecting a rejected comment is a no-op. CONFLICT for a deleted comment.
    async fn reject_comment(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The comment.")] input: RejectCommentInput,
    ) -> Result<RejectCommentPayload> {
        decision::reject(context, &input).await.at(context)
    }

    /// Pins a comment above the others of its post. Needs the role `moderator`. At most one comment of a post
    /// is pinned: pinning moves the pin. Deleting or rejecting a comment removes it.
    async fn pin_comment(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The comment.")] input: PinCommentInput,
    ) -> Result<PinCommentPayload> {
        decision::pin(context, &input).await.at(context)
    }

    /// Unpins a comment. Needs the role `moderator`. A no-op if it is not pinned.
    async fn unpin_comment(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The comment.")] input: UnpinCommentInput,
    ) -> Result<UnpinCommentPayload> {
        decision::unpin(context, &input).await.at(context)
    }

    /// Starts, refreshes or ends the caller's typing indicator. Needs a token. It ends by itself
    /// after 6 seconds without a refresh, when its user posts a comment there, and when its client
    /// leaves the room.
    async fn set_typing(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The post and the state.")] input: SetTypingInput,
    ) -> Result<SetTypingPayload> {
        typing::set(context, &input).await.at(context)
    }

    /// Bans a user. Their sockets and streams end at once on every node, and requests with a token of
    /// theirs are refused until the ban is lifted. Needs the role `moderator`. You cannot ban
    /// yourself or another moderator. A ban on a moderator takes effect once the host site issues
    /// them a lower role. Banning a banned user is a no-op, except for the addresses.
    async fn ban_user(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The user and the reason.")] input: BanUserInput,
    ) -> Result<BanUserPayload> {
        moderation::ban(context, &input).await.at(context)
    }

    /// Lifts the ban of a user, and that of their addresses. Needs the role `moderator`. A no-op if the user
    /// is not banned.
    async fn unban_user(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The user.")] input: UnbanUserInput,
    ) -> Result<UnbanUserPayload> {
        moderation::unban(context, input).await.at(context)
    }
}
