//! The sweep: regular work on posts that time alone causes. Every node does it, because it is idempotent.

use std::time::Duration;

use tokio::time::MissedTickBehavior;

use super::JobsHandle;
use crate::{
    error::Error,
    feed,
    model::Timestamp,
    rooms::{Hub, RoomEnd},
    store::Store,
};

/// Interval between two sweeps.
const INTERVAL: Duration = Duration::from_secs(60);

/// The regular work of a node.
#[derive(Debug)]
pub struct Sweep {
    store: Store,
    hub: Hub,
    jobs: JobsHandle,
    /// The time without a new comment after which a post is closed, if posts are closed.
    close_after: Option<Duration>,
}

impl Sweep {
    /// Creates the task's state. What it changes is published to `hub`, and long work that it begins is left to
    /// `jobs`.
    pub fn new(store: Store, hub: Hub, jobs: JobsHandle, close_after: Option<Duration>) -> Self {
        Self {
            store,
            hub,
            jobs,
            close_after,
        }
    }

    /// Sweeps now, and then at an interval. Runs until it is dropped.
    pub async fn run(self) {
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let now = Timestamp::now();
            if let Err(error) = self.close_posts(now).await {
                tracing::warn!(?error, "posts are closed late");
            }
            if let Err(error) = self.remove_posts(now).await {
                tracing::warn!(?error, "posts without a comment are removed late");
            }
            if let Err(error) = self.store.forget_deleted_posts(now).await {
                tracing::warn!(?error, "deleted posts are forgotten late");
            }
        }
    }

    /// Closes the posts that are not commented on any more.
    async fn close_posts(&self, now: Timestamp) -> Result<(), Error> {
        let Some(time) = self.close_after else {
            return Ok(());
        };
        loop {
            let effects = self
                .store
                .close_inactive_posts(now.minus(time), now)
                .await?;
            if effects.is_empty() {
                return Ok(());
            }
            for effects in effects {
                feed::publish(&self.hub, effects);
            }
        }
    }

    /// Removes some posts that pages opened and that were never commented on. Others wait for the next sweep,
    /// because each becomes a job, and moderators' jobs must not wait for many of them.
    async fn remove_posts(&self, now: Timestamp) -> Result<(), Error> {
        let removed = self.store.remove_unlisted_posts(now).await?;
        if removed.is_empty() {
            return Ok(());
        }
        for post in &removed {
            self.hub.end_room(post, RoomEnd::Deleted);
        }
        self.hub.queue_changed();
        self.jobs.wake();
        Ok(())
    }
}
