//! The profile that a write stores.

use async_graphql::Context;

use crate::{
    auth::Principal,
    error::Error,
    graphql::context::ContextExt,
    model::{GuestSource, Profile, Timestamp},
};

/// Returns the profile that a write of `by` stores. A guest's has a hash of the caller's address.
pub(super) fn writer(
    context: &Context<'_>,
    by: &Principal,
    at: Timestamp,
) -> Result<Profile, Error> {
    let address = context.caller()?.address;
    let address = address.filter(|_| by.user.id.is_guest());
    Ok(Profile {
        source: address.map(|address| GuestSource {
            address: context.store().hash_address(address),
            at,
        }),
        ..by.profile(at)
    })
}
