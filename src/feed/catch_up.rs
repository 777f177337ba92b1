//! Bringing one subscriber to where the others are: from the store's log where it is a feed, and
//! from what holds now where it is a value.

use std::{collections::HashSet, sync::Arc, time::Duration};

use super::{
    ChangeFilter, Event,
    join::{Excluded, LastState, Progress, Topic},
    sink::Payload,
    subscriber::{Delivery, Subscriber},
    subscriber_group::SubscriberGroup,
};
use crate::{
    error::Error,
    metrics::GoingOn,
    model::{Change, ChangeKind, ClientId, CommentId, Seq},
    rooms::differences,
    store::Recorded,
};

/// How many added comments one catching up remembers, to know an edit under way from an addition.
const MAX_REMEMBERED: usize = 10_000;
/// How often a reading that fails is tried again, waiting twice as long each time.
const RETRIES: u32 = 5;
/// How long the first wait is.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// How long the longest wait is while the database is lost.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// Gives the subscriber what it has not seen yet, as fast as its sink takes it, until it takes part
/// again or has left.
pub(super) async fn run(group: Arc<SubscriberGroup>, id: u64, subscriber: Arc<Subscriber>) {
    let _counted = GoingOn::in_one_of(&group.feed.metrics.catching_up);
    let mut catch_up = CatchUp {
        group: &group,
        subscriber: &subscriber,
        reading: None,
    };
    loop {
        subscriber.ready().await;
        // The log has each comment at the place of its latest change. One that was read in part
        // leads to no state from which the live changes go on.
        if catch_up.reading.is_none() {
            match group.take_part(id, &subscriber) {
                Delivery::All | Delivery::Left => return,
                Delivery::Full => continue,
                Delivery::Behind => {}
            }
        }
        match catch_up.advance().await {
            Ok(Delivery::Left) => return,
            Ok(_) => {}
            Err(error) => return subscriber.fail(error),
        }
    }
}

/// One subscriber on the way.
struct CatchUp<'a> {
    group: &'a SubscriberGroup,
    subscriber: &'a Subscriber,
    /// The reading of the feed that has not come to its end.
    reading: Option<Scan>,
}

/// One reading of a feed from a place on.
struct Scan {
    /// Where it began: a comment that was added behind this is new to the subscriber.
    start: Seq,
    /// The comments sent as additions. One that is edited while this goes on moves to the end of
    /// the feed and is met again; then it is an edit.
    sent: HashSet<CommentId>,
}

impl CatchUp<'_> {
    /// Gives some of what is missing.
    async fn advance(&mut self) -> Result<Delivery, Error> {
        let Some(seen) = self.subscriber.seen() else {
            return Ok(Delivery::Left);
        };
        match (self.group.topic, &seen.known) {
            (Topic::Changes(filter), _) => self.read_on(filter, Seq(seen.place)).await,
            (_, LastState::Typists(known)) => {
                let now = self.group.listener.typists_now();
                let post = self.group.listener.post();
                let events = differences(known, &now.value)
                    .into_iter()
                    .filter(|event| {
                        *self.subscriber.excluded() != Excluded::User(event.user.id.clone())
                    })
                    .map(|event| Event::Typing(post.clone(), event))
                    .collect();
                self.give_all(events, seen, Progress::typists(now)).await
            }
            (_, known) => {
                let now = self.group.listener.count_now();
                let is_told = matches!(known, LastState::Viewers(Some(told)) if *told == now.value);
                let events = (!is_told).then_some(Event::Viewers(now.value));
                let events = events.into_iter().collect();
                self.give_all(events, seen, Progress::count(now)).await
            }
        }
    }

    /// Gives events that lead from one place to another. One who leaves part of them untaken is
    /// given them again: they say what holds.
    async fn give_all(
        &self,
        events: Vec<Event>,
        from: Progress,
        to: Progress,
    ) -> Result<Delivery, Error> {
        for event in events {
            let payload = self.render(event).await?;
            if self.give(Some(&payload), &from).await == Delivery::Left {
                return Ok(Delivery::Left);
            }
        }
        Ok(self.give(None, &to).await)
    }

    /// Gives the next page of the feed.
    async fn read_on(&mut self, filter: ChangeFilter, place: Seq) -> Result<Delivery, Error> {
        // What the others have been given was committed before this reading.
        let others = self.group.seen().place;
        let page = self.read(filter, place).await?;
        let is_last = (page.len() as u64) < self.group.feed.page;
        let mut reading = self.reading.take().unwrap_or_else(|| Scan::from(place));
        let mut place = place.0;
        for recorded in page {
            place = match filter {
                ChangeFilter::Additions => recorded.comment.added_seq.0,
                ChangeFilter::All => recorded.comment.changed_seq.0,
            };
            let payload = match reading.change(filter, self.subscriber.excluded(), recorded) {
                Some(change) => Some(self.render(Event::Change(Arc::new(change))).await?),
                None => None,
            };
            let seen = Progress {
                place,
                known: LastState::Changes,
            };
            if self.give(payload.as_ref(), &seen).await == Delivery::Left {
                return Ok(Delivery::Left);
            }
        }
        if !is_last {
            self.reading = Some(reading);
            return Ok(Delivery::All);
        }
        let seen = Progress {
            place: place.max(others),
            known: LastState::Changes,
        };
        Ok(self.give(None, &seen).await)
    }

    /// Waits until there is room for it.
    async fn give(&self, payload: Option<&Payload>, seen: &Progress) -> Delivery {
        loop {
            match self.subscriber.give(payload, seen.clone()) {
                Delivery::Full => self.subscriber.ready().await,
                given => {
                    if given == Delivery::All && payload.is_some() {
                        self.group.count(1);
                    }
                    return given;
                }
            }
        }
    }

    async fn render(&self, event: Event) -> Result<Payload, Error> {
        Ok(self.group.render.render(event).await?)
    }

    /// While the database is lost, and the subscriber there, it is waited for: the subscription goes
    /// on when it is back. Any other fault may be the reading's own.
    async fn read(&self, filter: ChangeFilter, place: Seq) -> Result<Vec<Recorded>, Error> {
        let (mut wait, mut faults) = (FIRST_WAIT, 0);
        loop {
            match self.read_once(filter, place).await {
                Ok(page) => return Ok(page),
                Err(error @ Error::Unavailable(_)) => {
                    tracing::warn!(?error, ?wait, "the database is waited for");
                }
                Err(error) if faults < RETRIES => {
                    tracing::warn!(?error, ?wait, "a feed could not be read, trying again");
                    faults += 1;
                }
                Err(error) => return Err(error),
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    async fn read_once(&self, filter: ChangeFilter, place: Seq) -> Result<Vec<Recorded>, Error> {
        let (feed, post) = (&self.group.feed, self.group.listener.post());
        match filter {
            ChangeFilter::Additions => feed.store.added_after(post, place, feed.page).await,
            ChangeFilter::All => feed.store.changed_after(post, place, feed.page).await,
        }
    }
}

impl Scan {
    fn from(start: Seq) -> Self {
        Self {
            start,
            sent: HashSet::new(),
        }
    }

    /// What a comment's latest state is to this subscriber; `None` where it is their own doing.
    fn change(
        &mut self,
        filter: ChangeFilter,
        excluded: &Excluded,
        recorded: Recorded,
    ) -> Option<Change> {
        let Recorded {
            comment,
            added_by,
            changed_by,
        } = recorded;
        let is_own = |client: Option<&ClientId>| match excluded {
            Excluded::Client(excluded) => client == Some(excluded),
            Excluded::Nobody | Excluded::User(_) => false,
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
                if self.sent.len() < MAX_REMEMBERED {
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
