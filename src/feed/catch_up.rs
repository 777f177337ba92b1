//! Bringing one subscriber to where the others are: from the store's log where it is a feed, and
//! from what holds now where it is a value.

use std::{collections::HashSet, sync::Arc, time::Duration};

use super::{
    Event, View,
    audience::Audience,
    join::{Excluded, Known, Seen, Topic},
    outlet::Payload,
    seat::{Given, Seat},
};
use crate::{
    error::Error,
    metrics::GoingOn,
    model::{Change, ChangeKind, ClientId, CommentId, Seq},
    rooms::differences,
    store::FeedEntry,
};

/// How many added comments one catching up remembers, to know an edit under way from an addition.
const MAX_REMEMBERED: usize = 10_000;
/// How often a reading that fails is tried again, waiting twice as long each time.
const RETRIES: u32 = 5;
/// How long the first wait is.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// How long the longest wait is while the database is lost.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// Gives the seat what it has not seen yet, as fast as its outlet takes it, until it takes part
/// again or has left.
pub(super) async fn run(audience: Arc<Audience>, id: u64, seat: Arc<Seat>) {
    let _counted = GoingOn::in_one_of(&audience.feed.metrics.catching_up);
    let mut catch_up = CatchUp {
        audience: &audience,
        seat: &seat,
        reading: None,
    };
    loop {
        seat.ready().await;
        // The log has each comment at the place of its latest change. One that was read in part
        // leads to no state from which the live changes go on.
        if catch_up.reading.is_none() {
            match audience.take_part(id, &seat) {
                Given::All | Given::Left => return,
                Given::Full => continue,
                Given::Behind => {}
            }
        }
        match catch_up.advance().await {
            Ok(Given::Left) => return,
            Ok(_) => {}
            Err(error) => return seat.fail(error),
        }
    }
}

/// One subscriber on the way.
struct CatchUp<'a> {
    audience: &'a Audience,
    seat: &'a Seat,
    /// The reading of the feed that has not come to its end.
    reading: Option<Reading>,
}

/// One reading of a feed from a place on.
struct Reading {
    /// Where it began: a comment that was added behind this is new to the subscriber.
    start: Seq,
    /// The comments sent as additions. One that is edited while this goes on moves to the end of
    /// the feed and is met again; then it is an edit.
    sent: HashSet<CommentId>,
}

impl CatchUp<'_> {
    /// Gives some of what is missing.
    async fn advance(&mut self) -> Result<Given, Error> {
        let Some(seen) = self.seat.seen() else {
            return Ok(Given::Left);
        };
        match (self.audience.topic, &seen.known) {
            (Topic::Changes(view), _) => self.read_on(view, Seq(seen.place)).await,
            (_, Known::Typists(known)) => {
                let now = self.audience.listener.typists_now();
                let post = self.audience.listener.post();
                let events = differences(known, &now.value)
                    .into_iter()
                    .filter(|event| *self.seat.excluded() != Excluded::User(event.user.id.clone()))
                    .map(|event| Event::Typing(post.clone(), event))
                    .collect();
                self.give_all(events, seen, Seen::typists(now)).await
            }
            (_, known) => {
                let now = self.audience.listener.count_now();
                let is_told = matches!(known, Known::Viewers(Some(told)) if *told == now.value);
                let events = (!is_told).then_some(Event::Viewers(now.value));
                let events = events.into_iter().collect();
                self.give_all(events, seen, Seen::count(now)).await
            }
        }
    }

    /// Gives events that lead from one place to another. One who leaves part of them untaken is
    /// given them again: they say what holds.
    async fn give_all(&self, events: Vec<Event>, from: Seen, to: Seen) -> Result<Given, Error> {
        for event in events {
            let payload = self.render(event).await?;
            if self.give(Some(&payload), &from).await == Given::Left {
                return Ok(Given::Left);
            }
        }
        Ok(self.give(None, &to).await)
    }

    /// Gives the next page of the feed.
    async fn read_on(&mut self, view: View, place: Seq) -> Result<Given, Error> {
        // What the others have been given was committed before this reading.
        let others = self.audience.seen().place;
        let page = self.read(view, place).await?;
        let is_last = (page.len() as u64) < self.audience.feed.page;
        let mut reading = self.reading.take().unwrap_or_else(|| Reading::from(place));
        let mut place = place.0;
        for recorded in page {
            place = match view {
                View::Added => recorded.comment.added_seq.0,
                View::Changed => recorded.comment.changed_seq.0,
            };
            let payload = match reading.change(view, self.seat.excluded(), recorded) {
                Some(change) => Some(self.render(Event::Change(Arc::new(change))).await?),
                None => None,
            };
            let seen = Seen {
                place,
                known: Known::Changes,
            };
            if self.give(payload.as_ref(), &seen).await == Given::Left {
                return Ok(Given::Left);
            }
        }
        if !is_last {
            self.reading = Some(reading);
            return Ok(Given::All);
        }
        let seen = Seen {
            place: place.max(others),
            known: Known::Changes,
        };
        Ok(self.give(None, &seen).await)
    }

    /// Waits until there is room for it.
    async fn give(&self, payload: Option<&Payload>, seen: &Seen) -> Given {
        loop {
            match self.seat.give(payload, seen.clone()) {
                Given::Full => self.seat.ready().await,
                given => {
                    if given == Given::All && payload.is_some() {
                        self.audience.count(1);
                    }
                    return given;
                }
            }
        }
    }

    async fn render(&self, event: Event) -> Result<Payload, Error> {
        Ok(self.audience.render.render(event).await?)
    }

    /// While the database is lost, and the subscriber there, it is waited for: the subscription goes
    /// on when it is back. Any other fault may be the reading's own.
    async fn read(&self, view: View, place: Seq) -> Result<Vec<FeedEntry>, Error> {
        let (mut wait, mut faults) = (FIRST_WAIT, 0);
        loop {
            match self.read_once(view, place).await {
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

    async fn read_once(&self, view: View, place: Seq) -> Result<Vec<FeedEntry>, Error> {
        let (feed, post) = (&self.audience.feed, self.audience.listener.post());
        match view {
            View::Added => feed.store.added_after(post, place, feed.page).await,
            View::Changed => feed.store.changed_after(post, place, feed.page).await,
        }
    }
}

impl Reading {
    fn from(start: Seq) -> Self {
        Self {
            start,
            sent: HashSet::new(),
        }
    }

    /// What a comment's latest state is to this subscriber; `None` where it is their own doing.
    fn change(&mut self, view: View, excluded: &Excluded, recorded: FeedEntry) -> Option<Change> {
        let FeedEntry {
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
        let (kind, seq, origin) = match view {
            View::Added if is_new => (ChangeKind::Added, comment.added_seq, added_by),
            View::Added => return None,
            View::Changed if !is_new && is_own(changed_by.as_ref()) => return None,
            View::Changed if comment.is_deleted => {
                (ChangeKind::Deleted, comment.changed_seq, changed_by)
            }
            View::Changed if is_new => {
                if self.sent.len() < MAX_REMEMBERED {
                    self.sent.insert(comment.id);
                }
                (ChangeKind::Added, comment.changed_seq, changed_by)
            }
            View::Changed => (ChangeKind::Edited, comment.changed_seq, changed_by),
        };
        Some(Change {
            kind,
            seq,
            origin,
            comment,
        })
    }
}
