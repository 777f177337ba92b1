//! Catch-up of one subscriber to its group: from the store's log for a feed, and from the current
//! value for everything else.

use std::{collections::HashSet, sync::Arc, time::Duration};

use super::{
    Event,
    origin::Origin,
    progress::{LastState, Progress},
    sink::Payload,
    subscriber::{Delivery, Subscriber},
    subscriber_group::SubscriberGroup,
    topic::{ChangeFilter, Topic},
};
use crate::{
    error::Error,
    metrics::GoingOn,
    model::{Change, ChangeKind, ClientId, CommentId, Seq},
    rooms::differences,
    store::FeedEntry,
};

/// Maximum number of additions that a scan remembers. Beyond it, a comment that is edited during
/// the scan may be sent as an addition twice.
const MAX_SENT_IDS: usize = 10_000;
/// Maximum number of retries of a read that fails. Reads from an unavailable database are retried
/// without limit.
const MAX_RETRIES: u32 = 5;
/// Delay before the first retry. It doubles with each retry.
const FIRST_RETRY_DELAY: Duration = Duration::from_millis(100);
/// Maximum delay before a retry.
const MAX_RETRY_DELAY: Duration = Duration::from_secs(2);

/// Sends a subscriber what it misses, as fast as its sink takes it. Returns when the subscriber is
/// live or its subscription has ended.
pub(super) async fn run(group: Arc<SubscriberGroup>, id: u64, subscriber: Arc<Subscriber>) {
    let _counted = GoingOn::in_one_of(&group.feed.metrics.catching_up);
    let mut catch_up = CatchUp {
        group: &group,
        subscriber: &subscriber,
        scan: None,
    };
    loop {
        subscriber.ready().await;
        // The log has each comment at the position of its latest change. So a part of a scan does
        // not lead to a state from which live changes can go on.
        if catch_up.scan.is_none() {
            match group.go_live(id, &subscriber) {
                Delivery::Complete | Delivery::Ended => return,
                Delivery::Full => continue,
                Delivery::Behind => {}
            }
        }
        match catch_up.advance().await {
            Ok(Delivery::Ended) => return,
            Ok(_) => {}
            Err(error) => return subscriber.fail(error),
        }
    }
}

/// The catch-up of one subscriber.
struct CatchUp<'a> {
    group: &'a SubscriberGroup,
    subscriber: &'a Subscriber,
    /// The scan of the feed that is under way.
    scan: Option<Scan>,
}

/// A scan of a feed to its end, page by page.
struct Scan {
    /// The position before the first page. Comments added after it are new to the subscriber.
    start: Seq,
    /// The comments sent as additions. If one is edited during the scan, it moves to the end of
    /// the feed and is read again; then it is sent as an edit.
    sent: HashSet<CommentId>,
}

impl CatchUp<'_> {
    /// Sends the next part of what the subscriber misses.
    async fn advance(&mut self) -> Result<Delivery, Error> {
        let Some(progress) = self.subscriber.progress() else {
            return Ok(Delivery::Ended);
        };
        match (self.group.topic, &progress.state) {
            (Topic::Changes(filter), _) => self.send_page(filter, Seq(progress.position)).await,
            (_, LastState::Typists(known)) => {
                let now = self.group.listener.typists_now();
                let post = self.group.listener.post();
                let events = differences(known, &now.value)
                    .into_iter()
                    .filter(|event| {
                        let origin = Origin::User(event.user.id.clone());
                        self.subscriber.excluded() != Some(&origin)
                    })
                    .map(|event| Event::Typing(post.clone(), event))
                    .collect();
                self.send_all(events, progress, Progress::typists(now))
                    .await
            }
            (_, state) => {
                let now = self.group.listener.count_now();
                let is_known =
                    matches!(state, LastState::Viewers(Some(known)) if *known == now.value);
                let events = (!is_known).then_some(Event::Viewers(now.value));
                let events = events.into_iter().collect();
                self.send_all(events, progress, Progress::viewers(now))
                    .await
            }
        }
    }

    /// Sends events that lead from `from` to `to`. The progress stays at `from` until all are taken.
    /// They are idempotent, so sending some of them again is harmless.
    async fn send_all(
        &self,
        events: Vec<Event>,
        from: Progress,
        to: Progress,
    ) -> Result<Delivery, Error> {
        for event in events {
            let payload = self.render(event).await?;
            if self.send(Some(&payload), &from).await == Delivery::Ended {
                return Ok(Delivery::Ended);
            }
        }
        Ok(self.send(None, &to).await)
    }

    /// Sends the page of the feed after `position`.
    async fn send_page(&mut self, filter: ChangeFilter, position: Seq) -> Result<Delivery, Error> {
        // The changes up to here were committed before the page is read.
        let group_position = self.group.progress().position;
        let page = self.read_page(filter, position).await?;
        let is_last = (page.len() as u64) < self.group.feed.page;
        let mut scan = self.scan.take().unwrap_or_else(|| Scan::new(position));
        let mut position = position.0;
        for recorded in page {
            position = match filter {
                ChangeFilter::Additions => recorded.comment.added_seq.0,
                ChangeFilter::All => recorded.comment.changed_seq.0,
            };
            let payload = match scan.change(filter, self.subscriber.excluded(), recorded) {
                Some(change) => Some(self.render(Event::Change(Arc::new(change))).await?),
                None => None,
            };
            let progress = Progress::changes(position);
            if self.send(payload.as_ref(), &progress).await == Delivery::Ended {
                return Ok(Delivery::Ended);
            }
        }
        if !is_last {
            self.scan = Some(scan);
            return Ok(Delivery::Complete);
        }
        let progress = Progress::changes(position.max(group_position));
        Ok(self.send(None, &progress).await)
    }

    /// Sends a payload, and then sets the subscriber's progress. Waits while the sink is full.
    async fn send(&self, payload: Option<&Payload>, progress: &Progress) -> Delivery {
        loop {
            match self.subscriber.send(payload, progress.clone()) {
                Delivery::Full => self.subscriber.ready().await,
                delivery => {
                    if delivery == Delivery::Complete && payload.is_some() {
                        self.group.record_delivered(1);
                    }
                    return delivery;
                }
            }
        }
    }

    async fn render(&self, event: Event) -> Result<Payload, Error> {
        Ok(self.group.render.render(event).await?)
    }

    /// Reads a page, with retries.
    ///
    /// While the database is unavailable, retries until it is back or the subscription ends. Any
    /// other error may come from the page itself, so its retries are limited.
    async fn read_page(
        &self,
        filter: ChangeFilter,
        position: Seq,
    ) -> Result<Vec<FeedEntry>, Error> {
        let (mut delay, mut retries) = (FIRST_RETRY_DELAY, 0);
        loop {
            match self.try_read_page(filter, position).await {
                Ok(page) => return Ok(page),
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

    async fn try_read_page(
        &self,
        filter: ChangeFilter,
        position: Seq,
    ) -> Result<Vec<FeedEntry>, Error> {
        let (feed, post) = (&self.group.feed, self.group.listener.post());
        match filter {
            ChangeFilter::Additions => feed.store.added_after(post, position, feed.page).await,
            ChangeFilter::All => feed.store.changed_after(post, position, feed.page).await,
        }
    }
}

impl Scan {
    fn new(start: Seq) -> Self {
        Self {
            start,
            sent: HashSet::new(),
        }
    }

    /// Returns the change that leads this subscriber to a comment's latest state, or `None` if the
    /// subscriber excludes it or its filter does not show it.
    fn change(
        &mut self,
        filter: ChangeFilter,
        excluded: Option<&Origin>,
        recorded: FeedEntry,
    ) -> Option<Change> {
        let FeedEntry {
            comment,
            added_by,
            changed_by,
        } = recorded;
        let is_own = |client: Option<&ClientId>| match excluded {
            Some(Origin::Client(excluded)) => client == Some(excluded),
            Some(Origin::User(_)) | None => false,
        };
        let is_new = comment.added_seq > self.start
            && !is_own(added_by.as_ref())
            && !self.sent.contains(&comment.id);
        let (kind, seq, origin) = match filter {
            ChangeFilter::Additions if is_new => (ChangeKind::Added, comment.added_seq, added_by),
            ChangeFilter::Additions => return None,
            ChangeFilter::All if !is_new && is_own(changed_by.as_ref()) => return None,
            ChangeFilter::All if comment.is_deleted => {
                (ChangeKind::Deleted, comment.changed_seq, changed_by)
            }
            ChangeFilter::All if is_new => {
                if self.sent.len() < MAX_SENT_IDS {
                    self.sent.insert(comment.id);
                }
                (ChangeKind::Added, comment.changed_seq, changed_by)
            }
            ChangeFilter::All => (ChangeKind::Edited, comment.changed_seq, changed_by),
        };
        Some(Change {
            kind,
            seq,
            origin,
            comment,
        })
    }
}
