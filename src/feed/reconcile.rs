//! Finding changes that no room was told of: their writer died between commit and publishing.

use std::{collections::HashMap, time::Duration};

use crate::{
    model::{PostId, Seq},
    rooms::Hub,
    store::Store,
};

/// How many posts one query asks for.
const POSTS_A_QUERY: usize = 1024;

/// Every `interval`, compares where the rooms with members stand with the store, and has the
/// members of those read what is missing that are behind where the store stood an interval ago: a
/// change whose publishing is under way looks missing too, and comes by itself. Rooms that are
/// suspected to have missed something are compared at once, and read what is missing. Runs until it
/// is dropped.
pub async fn reconcile(hub: Hub, store: Store, interval: Duration) {
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // Where the store stood, of those whose rooms were behind.
    let mut ahead: HashMap<PostId, Seq> = HashMap::new();
    loop {
        tokio::select! {
            _ = ticks.tick() => {
                for (post, seq) in std::mem::take(&mut ahead) {
                    hub.catch_up_to(&post, seq);
                }
                ahead = behind(&store, hub.heads()).await;
            }
            suspects = hub.posts_to_reconcile() => {
                let heads = suspects
                    .into_iter()
                    .filter_map(|post| hub.head(&post).map(|head| (post, head)))
                    .collect();
                for (post, seq) in behind(&store, heads).await {
                    hub.catch_up_to(&post, seq);
                }
            }
        }
    }
}

/// Where the store stands, of the rooms that are behind it.
async fn behind(store: &Store, heads: Vec<(PostId, Seq)>) -> HashMap<PostId, Seq> {
    let mut behind = HashMap::new();
    for part in heads.chunks(POSTS_A_QUERY) {
        let posts: Vec<_> = part.iter().map(|(post, _)| post.clone()).collect();
        match store.seqs(&posts).await {
            Ok(seqs) => {
                for (post, head) in part {
                    if let Some(&seq) = seqs.get(post).filter(|&seq| seq > head) {
                        behind.insert(post.clone(), seq);
                    }
                }
            }
            Err(error) => {
                tracing::warn!(error = ?error, "rooms could not be compared with the store");
            }
        }
    }
    behind
}
