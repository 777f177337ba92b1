//! Who sends an operation.

use async_graphql::Context;

use super::answers::Outlook;
use crate::{
    auth::Identity,
    error::Error,
    model::{ClientAddress, ClientId},
    rooms::Participant,
};

/// Who sends an operation: the client, and the user whose token was good.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    /// The user; `None` for an anonymous request.
    pub identity: Option<Identity>,
    /// The client; `None` for a request over HTTP that did not name one.
    pub client: Option<ClientId>,
    /// Where the client is, as far as that is known.
    pub address: Option<ClientAddress>,
}

impl Caller {
    /// The caller of the operation that is being resolved. An event that is rendered for many has
    /// none: there a field that depends on the viewer fails.
    pub(super) fn of<'a>(context: &Context<'a>) -> Result<&'a Self, Error> {
        Outlook::widen(context);
        context.data_opt::<Self>().ok_or_else(|| {
            Error::Internal("a field depends on the viewer of a shared event".into())
        })
    }

    /// The user; `Unauthenticated` for an anonymous request.
    pub(super) fn signed_in(&self) -> Result<&Identity, Error> {
        self.identity.as_ref().ok_or(Error::Unauthenticated)
    }

    /// The caller as one who joins rooms. A caller without a client is a client of its own.
    pub(super) fn visitor(&self) -> Participant {
        Participant {
            client: self.client.clone().unwrap_or_else(ClientId::new_unnamed),
            user: self.identity.as_ref().map(|identity| identity.user.clone()),
        }
    }
}
