//! Finding changes that no room was told of: their writer died between commit and publishing.

use std::time::Duration;

use crate::{rooms::Hub, store::Store};

/// How many posts one query asks for.
const POSTS_A_QUERY: usize = 1024;

/// Every `interval`, compares where the rooms with members stand with the store, and has the
/// members of those that are behind read what is missing. Runs until it is dropped.
///
/// A change whose publishing is under way looks missing too; then its members read it from the
/// store, and drop it when it is delivered.
pub async fn reconcile(hub: Hub, store: Store, interval: Duration) {
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let heads = hub.heads();
        for part in heads.chunks(POSTS_A_QUERY) {
            let posts: Vec<_> = part.iter().map(|(post, _)| post.clone()).collect();
            match store.seqs(&posts).await {
                Ok(seqs) => {
                    for (post, head) in part {
                        if let Some(&seq) = seqs.get(post).filter(|&seq| seq > head) {
                            hub.catch_up_to(post, seq);
                        }
                    }
                }
                Err(error) => {
                    tracing::warn!(error = ?error, "rooms could not be compared with the store");
                }
            }
        }
    }
}
