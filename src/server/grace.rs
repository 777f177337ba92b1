//! The grace of banned users, which ends with the ban.

use tokio::sync::broadcast::{Receiver, error::RecvError};

use crate::{model::UserId, rooms::Hub};

/// Ends the grace of each user from `imposed` in all rooms. Runs until the channel closes.
pub(super) async fn end_grace_of_banned(hub: Hub, mut imposed: Receiver<UserId>) {
    loop {
        match imposed.recv().await {
            Ok(user) => hub.end_grace(&user),
            // The users are not known, so no viewer keeps its place.
            Err(RecvError::Lagged(_)) => hub.end_all_grace(),
            Err(RecvError::Closed) => return,
        }
    }
}
