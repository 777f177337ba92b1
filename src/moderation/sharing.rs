//! Hints about changed bans, to and from other nodes.

use std::sync::Arc;

use tokio::sync::broadcast::{self, error::RecvError};

use super::Moderation;
use crate::model::UserId;

/// Publishes each ban that this node changes with `publish`, and re-reads bans when another node
/// changed one. A lost hint is made up for by the next poll of the store.
///
/// Runs until one of the channels closes.
pub async fn share_bans(
    moderation: Arc<Moderation>,
    publish: impl Fn(&UserId) + Send,
    mut remote_changes: broadcast::Receiver<UserId>,
) {
    let mut local_changes = moderation.changes();
    loop {
        tokio::select! {
            changed = local_changes.recv() => match changed {
                Ok(user) => publish(&user),
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            },
            changed = remote_changes.recv() => {
                if changed == Err(RecvError::Closed) {
                    return;
                }
                if let Err(error) = moderation.refresh().await {
                    tracing::warn!(?error, "a ban of another node takes effect late");
                }
            }
        }
    }
}
