//! Publishing of what writes have changed.

use std::sync::Arc;

use crate::{rooms::Hub, store::Effects};

/// Publishes the effects of a write that was committed, to the rooms of all nodes.
pub fn publish(hub: &Hub, effects: Effects) {
    if let Some(change) = effects.change {
        hub.publish(Arc::new(change));
    }
    if let Some(details) = effects.details {
        hub.details_changed(&details.post, details.version);
    }
    if let Some(reactions) = effects.reactions {
        hub.reactions_changed(&reactions.post, reactions.version);
    }
    if effects.queue {
        hub.queue_changed();
    }
}
