//! Errors of authentication: a token's, the settings', and those of fetching public keys.

use std::io;

use crate::outgoing::RequestError;

/// The reason why a token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The time of `exp` has come.
    #[error("The token has expired.")]
    Expired,
    /// The time of `nbf` has not come yet.
    #[error("The token is not valid yet.")]
    NotYet,
    /// The token is malformed, or has a bad signature.
    #[error("The token is not valid.")]
    Invalid,
    /// The signature is good, but a claim breaks a rule.
    #[error("The token is not valid: {0}.")]
    Claim(ClaimError),
    /// The token names a public key that is not in the key set. A refresh may bring it.
    #[error("The token is not valid.")]
    UnknownKey,
}

/// A claim and the rule that it breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("its claim `{claim}` {rule}")]
pub struct ClaimError {
    claim: &'static str,
    rule: &'static str,
}

impl ClaimError {
    pub(super) fn new(claim: &'static str, rule: &'static str) -> Self {
        Self { claim, rule }
    }
}

/// Settings from which no [`Authenticator`](super::Authenticator) can be made.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A public-key algorithm is set, and no source of keys.
    #[error("JWT_ALGORITHMS (--jwt-algorithms): RS256, ES256 and EdDSA need JWKS (--jwks)")]
    NoKeys,
    /// A source of keys is set, and no public-key algorithm.
    #[error("JWKS (--jwks): JWT_ALGORITHMS (--jwt-algorithms) names none of RS256, ES256, EdDSA")]
    NoAlgorithm,
    /// The public keys cannot be read from their file.
    #[error("JWKS (--jwks): {0}")]
    Jwks(#[from] JwksError),
}

/// The reason why no public keys were fetched.
#[derive(Debug, thiserror::Error)]
pub enum JwksError {
    /// The file cannot be read.
    #[error("{0}")]
    File(#[from] io::Error),
    /// The system's root certificates cannot be read.
    #[error("the system's root certificates: {0}")]
    Roots(io::Error),
    /// The request failed.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The file is larger than this number of bytes.
    #[error("larger than {0} bytes")]
    TooLarge(usize),
    /// The response or file is not JSON, or has no list of keys.
    #[error("not a JSON Web Key Set: {0}")]
    NotKeySet(#[from] serde_json::Error),
    /// The set has more than this number of keys.
    #[error("more than {0} keys")]
    TooManyKeys(usize),
}
