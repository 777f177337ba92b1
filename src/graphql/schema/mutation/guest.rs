//! Tokens for readers without an account.

use async_graphql::{Context, InputObject, SimpleObject};

use crate::{
    auth::Principal,
    error::Error,
    graphql::{
        context::ContextExt,
        schema::{datetime::DateTime, input, user::User},
    },
    model::{self, ClientAddress, Role, Timestamp, UserId},
};

/// A guest.
#[derive(Debug, InputObject)]
pub(super) struct SignInAsGuestInput {
    /// The guest's name, with at least one visible character. Control characters become spaces,
    /// controls of the text's direction are removed, and a name of more than 80 characters is truncated.
    name: String,
}

/// A guest's token.
#[derive(Debug, SimpleObject)]
pub(super) struct SignInAsGuestPayload {
    /// A JWT. Send it as `Authorization: Bearer …`, and as `authorization` in the payload of
    /// connection_init.
    token: String,
    /// The time at which the token expires.
    expires_at: DateTime,
    /// The guest.
    user: User,
}

pub(super) async fn sign_in(
    context: &Context<'_>,
    input: &SignInAsGuestInput,
) -> Result<SignInAsGuestPayload, Error> {
    let settings = context.settings();
    if !settings.allow_guests {
        return Err(Error::Forbidden("This server takes no guests."));
    }
    let name = input::name(&input.name)?;
    let address = context.caller()?.address;
    let now = Timestamp::now();
    let admission = admit(context, address, now);
    context.limits().guest(address, admission).await?;
    let until = now.plus(settings.guest_token_lifetime);
    let guest = Principal {
        user: model::User {
            id: UserId::new_guest(),
            name: name.into(),
            avatar: None,
            role: Role::Reader,
        },
        issued_at: Some(now),
        expires_at: Timestamp::from_unix_seconds(until.unix_seconds()),
    };
    Ok(SignInAsGuestPayload {
        token: context.authenticator().sign(&guest)?,
        expires_at: DateTime(guest.expires_at),
        user: User(guest.user),
    })
}

/// Refuses guests from the addresses of banned guests.
async fn admit(
    context: &Context<'_>,
    address: Option<ClientAddress>,
    now: Timestamp,
) -> Result<(), Error> {
    let Some(address) = address else {
        return Ok(());
    };
    let store = context.store();
    let address = store.hash_address(address);
    match store.is_address_banned(&address, now).await? {
        true => Err(Error::Forbidden(
            "This server takes no guests from your address at present.",
        )),
        false => Ok(()),
    }
}
