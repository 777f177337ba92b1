//! Bans.

use async_graphql::{Context, ID, InputObject, SimpleObject};

use crate::{
    error::Error,
    graphql::{
        context::ContextExt,
        schema::{ban::Ban, input},
    },
    model::Role,
    store::BannedComments,
};

/// A user to be banned.
#[derive(Debug, InputObject)]
pub(super) struct BanUserInput {
    /// The id of the user, 1 to 255 bytes. The user need not have been here.
    user_id: ID,
    /// The reason, for other moderators: at most 500 characters after cleaning.
    reason: Option<String>,
    /// Seconds, 1 to 2,592,000 (30 days), for which no guest may sign in from the addresses that the user
    /// used as a guest. Without effect for other users. On a banned user it replaces the earlier time.
    ban_address_for: Option<i32>,
    /// True to reject all published and pending comments of the user, also of a user who is banned already.
    /// Readers see them go; many comments take some time.
    #[graphql(default = false)]
    reject_comments: bool,
}

/// The ban that is in effect.
#[derive(Debug, SimpleObject)]
pub(super) struct BanUserPayload {
    /// The ban: the earlier one if the user was banned already.
    ban: Ban,
}

/// A user whose ban is to be lifted.
#[derive(Debug, InputObject)]
pub(super) struct UnbanUserInput {
    /// The id of the user.
    user_id: ID,
}

/// The result of lifting a ban.
#[derive(Debug, SimpleObject)]
pub(super) struct UnbanUserPayload {
    /// The id of the user.
    user_id: ID,
    /// True if there was a ban.
    was_banned: bool,
}

pub(super) async fn ban(
    context: &Context<'_>,
    input: &BanUserInput,
) -> Result<BanUserPayload, Error> {
    let by = context.signed_in_as(Role::Moderator)?;
    let user = input::user_id(&input.user_id)?;
    let reason = input.reason.as_deref().map(input::reason).transpose()?;
    let addresses_for = input.ban_address_for.map(input::ban_time).transpose()?;
    let moderation = context.moderation();
    let comments = if input.reject_comments {
        BannedComments::Reject
    } else {
        BannedComments::Keep
    };
    let write = moderation.ban(by, user, reason.flatten(), addresses_for, comments);
    let limits = context.limits();
    let ban = limits.mutation(&by.user.id, by.user.role, write).await?;
    if comments == BannedComments::Reject {
        context.jobs().wake();
    }
    Ok(BanUserPayload { ban: Ban(ban) })
}

pub(super) async fn unban(
    context: &Context<'_>,
    input: UnbanUserInput,
) -> Result<UnbanUserPayload, Error> {
    let by = context.signed_in_as(Role::Moderator)?;
    let user = input::user_id(&input.user_id)?;
    let write = context.moderation().unban(by, user);
    let limits = context.limits();
    let was_banned = limits.mutation(&by.user.id, by.user.role, write).await?;
    Ok(UnbanUserPayload {
        user_id: input.user_id,
        was_banned,
    })
}
