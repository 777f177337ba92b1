//! The sweep: regular work on posts that time alone causes. Every node does it, because it is idempotent.

use std::time::Duration;

use tokio::time::MissedTickBehavior;

use crate::{error::Error, feed, model::Timestamp, rooms::Hub, store::Store};

/// Interval between two sweeps.
const INTERVAL: Duration = Duration::from_secs(60);

/// The regular work of a node.
#[derive(Debug)]
pub struct Sweep {
    store: Store,
    hub: Hub,
    /// The time without a new comment after which a post is closed, if posts are closed.
    close_after: Option<Duration>,
}

impl Sweep {
    /// Creates the task's state. What it changes is published to `hub`.
    pub fn new(store: Store, hub: Hub, close_after: Option<Duration>) -> Self {
        Self {
            store,
            hub,
            close_after,
        }
    }

    /// Sweeps now, and then at an interval. Runs until it is dropped.
    pub async fn run(self) {
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Err(error) = self.close_posts(Timestamp::now()).await {
                tracing::warn!(?error, "posts are closed late");
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
}
