//! Reconciliation of rooms with the store. It finds changes that were never published, because
//! their writer died between commit and publishing.

use std::{collections::HashMap, time::Duration};

use crate::{
    model::{PostId, Seq},
    rooms::{Hub, RoomEnd},
    store::Store,
};

/// Maximum number of posts in one query.
const MAX_POSTS_PER_QUERY: usize = 1024;

/// Compares the heads of all rooms that have members with the store, every `interval`. Runs until
/// it is dropped.
///
/// Subscribers of a room read from the store what it missed. A periodic comparison takes effect one
/// interval later, with the head that the store had then: a change that is just being published
/// looks missed too, and comes by itself. Rooms that are suspected to have missed a change are
/// compared at once, and their subscribers read at once.
pub async fn reconcile(hub: Hub, store: Store, interval: Duration) {
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // The store's heads for the rooms that were behind at the last tick.
    let mut ahead: HashMap<PostId, Seq> = HashMap::new();
    loop {
        tokio::select! {
            _ = ticks.tick() => {
                for (post, seq) in std::mem::take(&mut ahead) {
                    hub.catch_up_to(&post, seq);
                }
                ahead = heads_ahead(&hub, &store, hub.heads()).await;
            }
            suspects = hub.posts_to_reconcile() => {
                let heads = suspects
                    .into_iter()
                    .filter_map(|post| hub.head(&post).map(|head| (post, head)))
                    .collect();
                for (post, seq) in heads_ahead(&hub, &store, heads).await {
                    hub.catch_up_to(&post, seq);
                }
            }
        }
    }
}

/// Returns the store's heads that are ahead of `heads`, and announces the versions of details and
/// reactions. Posts whose query fails are left out.
async fn heads_ahead(hub: &Hub, store: &Store, heads: Vec<(PostId, Seq)>) -> HashMap<PostId, Seq> {
    let mut ahead = HashMap::new();
    for part in heads.chunks(MAX_POSTS_PER_QUERY) {
        let posts: Vec<_> = part.iter().map(|(post, _)| post.clone()).collect();
        match store.stands(&posts).await {
            Ok(stands) => {
                for (post, head) in part {
                    let Some(stand) = stands.get(post) else {
                        end_room(hub, store, post).await;
                        continue;
                    };
                    hub.announce_details(post, stand.detail_version);
                    hub.announce_reactions(post, stand.reaction_version);
                    if stand.seq > *head {
                        ahead.insert(post.clone(), stand.seq);
                    }
                }
            }
            Err(error) => {
                tracing::warn!(error = ?error, "failed to compare rooms with the store");
            }
        }
    }
    ahead
}

/// Ends the room of a post that was moved or deleted.
async fn end_room(hub: &Hub, store: &Store, post: &PostId) {
    match store.head(post).await {
        // It has come back to this id.
        Ok(Some(head)) if head.post == *post => {}
        Ok(Some(_)) => hub.end_room_here(post, RoomEnd::Moved),
        Ok(None) => hub.end_room_here(post, RoomEnd::Deleted),
        Err(error) => tracing::warn!(?error, "failed to look for a post that was moved"),
    }
}
