//! The sender of an operation.

use super::{execute::Turns, request_source::RequestSource};
use crate::{
    auth::Principal,
    error::Error,
    model::{ClientAddress, ClientId},
    rooms::{Participant, SentAway},
};

/// The sender of an operation: the client, and the user whose token it presented.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    /// The user; `None` for an anonymous request.
    pub principal: Option<Principal>,
    /// The client; `None` for an HTTP request that does not name one.
    pub client: Option<ClientId>,
    /// The client's address, as far as it is known.
    pub address: Option<ClientAddress>,
    /// The software and page that it sends from, as far as its headers say.
    pub source: RequestSource,
    /// Set when the server itself ends the client's connection.
    pub sent_away: SentAway,
    /// The order of the mutations of its connection.
    pub turns: Turns,
}

impl Caller {
    /// Names the client as its request does, in `extensions.clientId`.
    ///
    /// # Errors
    ///
    /// Refuses a name other than the one that its socket or header has.
    pub fn name_client(&mut self, name: Option<ClientId>) -> Result<(), Error> {
        let Some(name) = name else { return Ok(()) };
        if *self.client.get_or_insert_with(|| name.clone()) == name {
            return Ok(());
        }
        let rule =
            "`extensions.clientId` must be the client's name in X-Client-Id or connection_init.";
        Err(Error::bad_input("clientId", rule))
    }

    /// Returns the caller as a participant of rooms. A caller without a client is a client of its
    /// own.
    pub(super) fn visitor(&self) -> Participant {
        Participant {
            client: self.client.clone().unwrap_or_else(ClientId::new_unnamed),
            user: self
                .principal
                .as_ref()
                .map(|principal| principal.user.clone()),
            sent_away: self.sent_away.clone(),
        }
    }
}
