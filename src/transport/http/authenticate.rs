//! Authentication of HTTP requests by their headers.

use axum::http::{HeaderName, HeaderValue, header::AUTHORIZATION, request::Parts};

use super::source::source;
use crate::{
    auth::{TokenError, bearer},
    graphql::Caller,
    model::ClientId,
    transport::Transport,
};

/// The header by which a client names itself.
pub(super) const X_CLIENT_ID: HeaderName = HeaderName::from_static("x-client-id");

/// The reason why a request's caller was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AuthRejection {
    /// The token is invalid or expired.
    Token(TokenError),
    /// The token is valid, but its user is banned.
    Banned,
    /// The client id is malformed.
    ClientId,
}

impl AuthRejection {
    /// Returns the error code of the response.
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::Token(_) => "UNAUTHENTICATED",
            Self::Banned => "FORBIDDEN",
            Self::ClientId => "BAD_USER_INPUT",
        }
    }
}

/// Authenticates a request. Without a token the caller is anonymous.
///
/// # Errors
///
/// Fails for an invalid token instead of treating the caller as anonymous. Fails for all requests
/// of a banned user, reads included; without a token that user may still read.
pub(super) async fn caller(head: &Parts, transport: &Transport) -> Result<Caller, AuthRejection> {
    let authorization = head.headers.get(AUTHORIZATION).map(HeaderValue::to_str);
    let authorization = authorization
        .transpose()
        .map_err(|_| AuthRejection::Token(TokenError::Invalid))?;
    let principal = match authorization.and_then(bearer) {
        None => None,
        Some(token) => {
            let principal = transport.authenticator.identify(token).await;
            let principal = principal.map_err(AuthRejection::Token)?;
            let admitted = transport.bans.admit(&principal);
            admitted.map_err(|_| AuthRejection::Banned)?;
            Some(principal)
        }
    };
    let client = match head.headers.get(X_CLIENT_ID) {
        None => None,
        Some(value) => {
            let client = value.to_str().ok().and_then(ClientId::parse);
            Some(client.ok_or(AuthRejection::ClientId)?)
        }
    };
    Ok(Caller {
        principal,
        client,
        address: transport.admission.client(head),
        source: source(&head.headers),
        ..Caller::default()
    })
}
