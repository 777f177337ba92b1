//! Authentication: bearer tokens (JWT, RFC 7519) in, principals out.

mod authenticator;
mod claims;
mod error;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod jwks;
mod jwks_fetch;
mod keys;
mod principal;
mod signed_claims;

pub use self::{
    authenticator::{Authenticator, bearer},
    error::{ClaimError, JwksError, SetupError, TokenError},
    principal::Principal,
};
