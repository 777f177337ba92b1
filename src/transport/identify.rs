//! Who sends a request over HTTP: the token and the client's name, out of its headers.

use axum::http::{HeaderMap, HeaderName, header::AUTHORIZATION};

use crate::{
    auth::{Authenticator, TokenError, bearer},
    graphql::Caller,
    model::{ClientId, Timestamp},
};

/// The header by which a client names itself.
pub(super) const X_CLIENT_ID: HeaderName = HeaderName::from_static("x-client-id");

/// Why it cannot be told who sends a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unidentified {
    /// The token was refused.
    Token(TokenError),
    /// The client's name breaks the rule for names.
    ClientId,
}

impl Unidentified {
    /// The code of the error with which the request is refused.
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::Token(_) => "UNAUTHENTICATED",
            Self::ClientId => "BAD_USER_INPUT",
        }
    }
}

/// The sender of a request. One without a token is anonymous; one with a bad token is refused.
pub(super) fn caller(
    headers: &HeaderMap,
    authenticator: &Authenticator,
) -> Result<Caller, Unidentified> {
    let identity = match headers.get(AUTHORIZATION) {
        None => None,
        Some(value) => {
            let value = value
                .to_str()
                .map_err(|_| Unidentified::Token(TokenError::Invalid))?;
            let identity = authenticator.authenticate(bearer(value), Timestamp::now());
            Some(identity.map_err(Unidentified::Token)?)
        }
    };
    let client = match headers.get(X_CLIENT_ID) {
        None => None,
        Some(value) => {
            let client = value.to_str().ok().and_then(ClientId::parse);
            Some(client.ok_or(Unidentified::ClientId)?)
        }
    };
    Ok(Caller {
        identity,
        client,
        address: None,
    })
}
