//! The sender of an operation.

use super::{execute::Turns, request_source::RequestSource};
use crate::{
    auth::Principal,
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
