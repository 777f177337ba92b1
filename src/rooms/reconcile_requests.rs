//! Requests that rooms are compared with the store before the next tick.

use std::collections::HashSet;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::model::PostId;

/// The posts whose rooms may be behind the store. At most one request a room is kept.
#[derive(Debug, Default)]
pub(super) struct ReconcileRequests {
    posts: Mutex<HashSet<PostId>>,
    requested: Notify,
}

impl ReconcileRequests {
    /// Adds requests. Idempotent until [`take`](Self::take).
    pub(super) fn add(&self, posts: impl IntoIterator<Item = PostId>) {
        self.posts.lock().extend(posts);
        self.requested.notify_one();
    }

    /// Waits for requests, and removes all. Cancel safe.
    pub(super) async fn take(&self) -> Vec<PostId> {
        loop {
            let posts = std::mem::take(&mut *self.posts.lock());
            if !posts.is_empty() {
                return posts.into_iter().collect();
            }
            self.requested.notified().await;
        }
    }
}
