//! Who sends a request over HTTP: the token and the client's name, out of its headers.

use axum::http::{HeaderMap, HeaderName, header::AUTHORIZATION};

use crate::{
    auth::{TokenError, bearer},
    graphql::Caller,
    model::ClientId,
    transport::Transport,
};

/// The header by which a client names itself.
pub(super) const X_CLIENT_ID: HeaderName = HeaderName::from_static("x-client-id");

/// Why it cannot be told who sends a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unidentified {
    /// The token was refused.
    Token(TokenError),
    /// The token is good, and its user is banned.
    Banned,
    /// The client's name breaks the rule for names.
    ClientId,
}

impl Unidentified {
    /// The code of the error with which the request is refused.
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::Token(_) => "UNAUTHENTICATED",
            Self::Banned => "FORBIDDEN",
            Self::ClientId => "BAD_USER_INPUT",
        }
    }
}

/// The sender of a request. One without a token is anonymous; one with a bad token is refused, and so
/// is one who is banned, whatever they ask: without a token they may read on as anybody may.
pub(super) async fn caller(
    headers: &HeaderMap,
    transport: &Transport,
) -> Result<Caller, Unidentified> {
    let principal = match headers.get(AUTHORIZATION) {
        None => None,
        Some(value) => {
            let value = value
                .to_str()
                .map_err(|_| Unidentified::Token(TokenError::Invalid))?;
            let principal = transport.authenticator.identify(bearer(value)).await;
            let principal = principal.map_err(Unidentified::Token)?;
            let admitted = transport.bans.admit(&principal);
            admitted.map_err(|_| Unidentified::Banned)?;
            Some(principal)
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
        principal,
        client,
        address: None,
    })
}
