//! Participants of rooms, and the viewer that each counts as.

use super::{grace::SentAway, viewer_id::ViewerId};
use crate::model::{ClientId, User};

/// A client that joins a room, and its user if signed in.
#[derive(Clone, Debug)]
pub struct Participant {
    /// The page or app instance.
    pub client: ClientId,
    /// The signed-in user.
    pub user: Option<User>,
    /// Set when the server itself ends the client's connection.
    pub sent_away: SentAway,
}

impl Participant {
    /// Returns the viewer that the client counts as: its user if signed in, else the client itself.
    pub(super) fn viewer(&self) -> ViewerId {
        match &self.user {
            Some(user) => ViewerId::of_user(&user.id),
            None => ViewerId::of_client(&self.client),
        }
    }
}
