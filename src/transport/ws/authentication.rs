//! Authentication of a WebSocket's client by `connection_init`.

use std::{future::pending, pin::Pin, sync::Arc, time::Instant};

use futures_util::FutureExt;

use super::{close::Close, message::InitPayload};
use crate::{
    auth::{Principal, TokenError, bearer},
    graphql::{Caller, RequestSource, Turns},
    model::{ClientAddress, ClientId, Timestamp, UserId},
    moderation::{BanWatch, Banned},
    transport::Transport,
};

/// The result of verifying a token; `None` without a token.
pub(super) type Verified = Result<Option<Principal>, TokenError>;

/// An event of [`Authentication::next`].
pub(super) enum AuthenticationEvent {
    /// The client's token was verified.
    Verified(Verified),
    /// The client's user was banned.
    Banned,
}

/// The identity of a socket's client.
pub(super) struct Authentication {
    caller: Caller,
    /// The verification in progress.
    pending: Option<Pin<Box<dyn Future<Output = Verified> + Send>>>,
    /// The watch for a ban of the user.
    ban: Option<BanWatch>,
    /// The client was admitted. A later token renews its user's.
    is_admitted: bool,
}

impl Authentication {
    /// Creates the identity of an anonymous client.
    pub(super) fn new(address: Option<ClientAddress>, source: RequestSource) -> Self {
        Self {
            caller: Caller {
                address,
                source,
                turns: Turns::in_order(),
                ..Caller::default()
            },
            pending: None,
            ban: None,
            is_admitted: false,
        }
    }

    /// Returns the caller of the socket's operations.
    pub(super) fn caller(&self) -> &Caller {
        &self.caller
    }

    fn user(&self) -> Option<&UserId> {
        let principal = self.caller.principal.as_ref();
        principal.map(|principal| &principal.user.id)
    }

    /// Starts to verify the client's token. Returns the result if it is known at once, as it is
    /// unless keys must be fetched. Otherwise [`next`](Self::next) returns it.
    ///
    /// # Errors
    ///
    /// Fails if the client id is malformed.
    pub(super) fn begin(
        &mut self,
        payload: InitPayload,
        transport: &Transport,
    ) -> Result<Option<Verified>, Close> {
        let client = match payload.client_id.as_deref().map(ClientId::parse) {
            None => ClientId::new_unnamed(),
            Some(Some(client)) => client,
            Some(None) => {
                let reason = "clientId is 1 to 64 of A-Z a-z 0-9 . _ -";
                return Err(Close::BadRequest(reason.into()));
            }
        };
        self.caller.client = Some(client);
        Ok(match payload.authorization {
            Some(authorization) => self.verify(authorization, transport),
            None => Some(Ok(None)),
        })
    }

    /// Starts to verify a token, instead of one whose verification is in progress. Returns the result if
    /// it is known at once, as [`begin`](Self::begin) does.
    pub(super) fn verify(
        &mut self,
        authorization: String,
        transport: &Transport,
    ) -> Option<Verified> {
        let authenticator = Arc::clone(&transport.authenticator);
        let mut pending: Pin<Box<dyn Future<Output = Verified> + Send>> = Box::pin(async move {
            match bearer(&authorization) {
                Some(token) => authenticator.identify(token).await.map(Some),
                None => Ok(None),
            }
        });
        let verified = pending.as_mut().now_or_never();
        self.pending = verified.is_none().then_some(pending);
        verified
    }

    /// Waits for the end of the verification in progress, or for a ban of the user. Never completes
    /// if there is neither. Cancel safe.
    pub(super) async fn next(&mut self) -> AuthenticationEvent {
        let (ban, verification) = (self.ban.as_ref(), self.pending.as_mut());
        let banned = async {
            match ban {
                Some(ban) => ban.banned().await,
                None => pending().await,
            }
        };
        let verified = async {
            match verification {
                Some(verification) => verification.await,
                None => pending().await,
            }
        };
        let verified = tokio::select! {
            biased;
            () = banned => return AuthenticationEvent::Banned,
            verified = verified => verified,
        };
        self.pending = None;
        AuthenticationEvent::Verified(verified)
    }

    /// Admits a verified client, or renews its token. Returns the expiry of its token, `None` without a
    /// token.
    ///
    /// # Errors
    ///
    /// Fails if the token is invalid, its user is banned, or it renews another user's or one of a higher role.
    pub(super) fn admit(
        &mut self,
        verified: Verified,
        transport: &Transport,
    ) -> Result<Option<Instant>, Close> {
        let principal = verified.map_err(|error| {
            transport.metrics.unauthenticated(error);
            match error {
                TokenError::Expired => Close::TokenExpired,
                _ => Close::TokenRefused(error.to_string().into()),
            }
        })?;
        let bans = &transport.bans;
        if let Some(Err(Banned)) = principal.as_ref().map(|principal| bans.admit(principal)) {
            return Err(Close::Banned);
        }
        if self.is_admitted && self.user() != principal.as_ref().map(|caller| &caller.user.id) {
            return Err(Close::TokenRefused("The token is another user's.".into()));
        }
        let role = |principal: &Option<Principal>| principal.as_ref().map(|known| known.user.role);
        if self.is_admitted && role(&principal) < role(&self.caller.principal) {
            // Its subscriptions may need the role that is lost.
            return Err(Close::TokenRefused("The token grants a lower role.".into()));
        }
        self.is_admitted = true;
        self.ban = principal.as_ref().map(|principal| bans.watch(principal));
        let now = Timestamp::now();
        let until = principal
            .as_ref()
            .and_then(|principal| Instant::now().checked_add(principal.expires_at.since(now)));
        self.caller.principal = principal;
        Ok(until)
    }

    /// Cancels the verification in progress.
    pub(super) fn cancel(&mut self) {
        self.pending = None;
    }
}
