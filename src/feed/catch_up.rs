//! Catch-up of one subscriber to its group.

use std::{sync::Arc, time::Duration};

use super::{
    batch::Update,
    progress::Progress,
    render_error::RenderError,
    store_page::StorePage,
    subscriber::{Delivery, Subscriber},
    subscriber_group::SubscriberGroup,
    topic::{Step, Topic},
};
use crate::{error::Error, telemetry::GaugeGuard};

/// Maximum number of retries of a read that fails or finds too little memory. Reads from an unavailable
/// database are retried without limit.
const MAX_RETRIES: u32 = 5;
/// Delay before the first retry. It doubles with each retry.
const FIRST_RETRY_DELAY: Duration = Duration::from_millis(100);
/// Maximum delay before a retry.
const MAX_RETRY_DELAY: Duration = Duration::from_secs(2);

/// Sends a subscriber what it misses, as fast as its sink takes it. Returns when the subscriber is
/// live or its subscription has ended.
pub(super) async fn run<T: Topic>(
    group: Arc<SubscriberGroup<T>>,
    id: u64,
    subscriber: Arc<Subscriber<T>>,
) {
    let _counted = GaugeGuard::new(&group.feed.metrics.catching_up);
    let mut catch_up = CatchUp {
        group: &group,
        subscriber: &subscriber,
        scan: None,
    };
    loop {
        subscriber.ready().await;
        // The store has each comment in its latest state, wherever its places are. So a part of a scan
        // does not lead to a state from which live events can go on.
        if catch_up.scan.is_none() {
            match group.go_live(id, &subscriber) {
                Delivery::Complete | Delivery::Ended => return,
                Delivery::Full => continue,
                Delivery::Behind => {}
            }
        }
        // A value needs no page, and must not wait for the pages of logs.
        let turn = if T::IS_LOG {
            Some(subscriber.turn().await)
        } else {
            None
        };
        let advanced = catch_up.advance().await;
        drop(turn);
        match advanced {
            Ok(Delivery::Ended) => return,
            Ok(_) => {}
            Err(error) => return subscriber.fail(error),
        }
    }
}

/// The catch-up of one subscriber.
struct CatchUp<'a, T: Topic> {
    group: &'a SubscriberGroup<T>,
    subscriber: &'a Subscriber<T>,
    /// The scan that is under way.
    scan: Option<T::Scan>,
}

impl<T: Topic> CatchUp<'_, T> {
    /// Sends the next steps that the subscriber misses.
    async fn advance(&mut self) -> Result<Delivery, Error> {
        let Some(progress) = self.subscriber.progress() else {
            return Ok(Delivery::Ended);
        };
        let page = StorePage::new(&self.group.feed, self.subscriber.memory());
        let mut delivery = Delivery::Complete;
        for step in self.read(&progress, &page).await? {
            let update = self.render(&step).await?;
            delivery = self.send(&update).await;
            if delivery == Delivery::Ended {
                break;
            }
        }
        Ok(delivery)
    }

    /// Renders a step. Waits a bounded time while there is too little memory.
    async fn render(&self, step: &Step<T>) -> Result<Update<T>, RenderError> {
        let memory = if T::IS_LOG {
            self.subscriber.memory()
        } else {
            // All who join are sent the same.
            &self.group.feed.memory
        };
        let (mut delay, mut retries) = (FIRST_RETRY_DELAY, 0);
        loop {
            match self.group.renderer.update(step, memory).await {
                Err(RenderError::Overloaded) if retries < MAX_RETRIES => retries += 1,
                rendered => return rendered,
            }
            tokio::time::sleep(delay).await;
            delay = (delay * 2).min(MAX_RETRY_DELAY);
        }
    }

    /// Sends an update, and then sets the subscriber's progress. Waits while the sink is full.
    async fn send(&self, update: &Update<T>) -> Delivery {
        loop {
            match self.subscriber.send(update) {
                Delivery::Full => self.subscriber.ready().await,
                delivery => {
                    if delivery == Delivery::Complete && update.payload().is_some() {
                        self.group.renderer.record_delivered(1);
                    }
                    return delivery;
                }
            }
        }
    }

    /// Reads the next steps from `progress`, with retries.
    ///
    /// While the database is unavailable, retries until it is back or the subscription ends. Any
    /// other error may come from the page itself, so its retries are limited.
    async fn read(
        &mut self,
        progress: &Progress<T::State>,
        page: &StorePage<'_>,
    ) -> Result<Vec<Step<T>>, Error> {
        let SubscriberGroup { topic, source, .. } = self.group;
        let excluded = self.subscriber.excluded();
        let (mut delay, mut retries) = (FIRST_RETRY_DELAY, 0);
        loop {
            let scan = &mut self.scan;
            let steps = topic.catch_up(page, source, progress, excluded, scan);
            match steps.await {
                Ok(steps) => return Ok(steps),
                Err(error @ Error::Unavailable(_)) => {
                    tracing::warn!(?error, ?delay, "database unavailable, retrying a catch-up");
                }
                Err(error) if retries < MAX_RETRIES => {
                    tracing::warn!(?error, ?delay, "failed to read a feed, retrying");
                    retries += 1;
                }
                Err(error) => return Err(error),
            }
            tokio::time::sleep(delay).await;
            delay = (delay * 2).min(MAX_RETRY_DELAY);
        }
    }
}
