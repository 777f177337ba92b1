//! The origin of an event.

use crate::model::{ClientId, UserId};

/// The client or user that caused an event. A subscriber may exclude one origin: it is not sent
/// the events that it caused itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A client.
    Client(ClientId),
    /// A user, in any client.
    User(UserId),
}
