//! Who is asking: bearer tokens (JWT, RFC 7519) in, identities out; and who is not let in.

mod authenticator;
mod bans;
mod claims;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod identity;
mod jwks;
mod keys;
mod source;

pub use self::{
    authenticator::{Authenticator, SetupError, TokenError, bearer},
    bans::{BanWatch, Banned, Bans},
    identity::Identity,
    source::KeysError,
};
