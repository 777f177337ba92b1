//! The changes of a post's feed: what the store has after a cursor, then each change as it comes.

use std::sync::Arc;

use super::{Place, Received, Relation, Request, Step, Topic};
use crate::{
    error::Error,
    feed::{
        bookmark::{self, Bookmark},
        join::{Feed, Joined},
        origin::Origin,
        progress::Progress,
        store_page::StorePage,
    },
    model::{Change, ChangeKind, ClientId, PostId, Seq},
    rooms::{self, FeedEvent, Listener, Participant},
    store::{FeedEntry, FeedHead, Reason},
};

/// Maximum number of changes that are received together. They are one write to each connection.
const MAX_BATCH: usize = 16;

/// The changes of a feed that a subscription follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeFilter {
    /// Additions only.
    Additions,
    /// Additions, edits, deletions and restorations.
    All,
}

/// A request for the changes of a post's feed.
#[derive(Clone, Debug)]
pub struct ChangesRequest {
    /// The post.
    pub post: PostId,
    /// The changes to follow.
    pub filter: ChangeFilter,
    /// The place to start after. `None` starts at the feed's end.
    pub after: Option<Arc<dyn Bookmark>>,
    /// Includes changes that the subscriber's own client made.
    pub include_own: bool,
}

/// The changes of a post's feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes {
    filter: ChangeFilter,
}

/// A change of a post's feed.
///
/// Events are equal if they have the same snapshot. A change that was read from the store may carry a
/// later state of its comment than the live change of the same seq.
#[derive(Clone, Debug)]
pub struct ChangeEvent(pub Arc<Change>);

impl PartialEq for ChangeEvent {
    fn eq(&self, other: &Self) -> bool {
        (self.0.kind, self.0.seq) == (other.0.kind, other.0.seq)
            && Arc::ptr_eq(&self.0.comment, &other.0.comment)
    }
}

/// The receiver of a room's changes.
#[derive(Debug)]
pub struct ChangesReceiver {
    changes: rooms::Changes,
    /// The seq up to which changes were received or reported as a gap.
    position: Seq,
    /// An event that was received and belongs to no batch yet.
    pending: Option<FeedEvent>,
}

/// A scan of a feed to its end, page by page.
#[derive(Clone, Copy, Debug)]
pub struct Scan {
    /// The position before the first page. Comments added after it are new to the subscriber.
    start: Seq,
    /// The room's head before the first page. What left the lists up to here was not sent by this scan.
    head: Seq,
}

impl Request for ChangesRequest {
    type Topic = Changes;

    /// # Errors
    ///
    /// Returns `NotFound` if there is no such post. Returns `CursorExpired` if `after` is beyond the end of
    /// the feed, or of an id that the post had before; `BadUserInput` if it is of another post.
    async fn join(self, feed: &Feed, participant: &Participant) -> Result<Joined<Changes>, Error> {
        let Self {
            post,
            filter,
            after,
            include_own,
        } = self;
        // The order matters: read the head, join, then read the head again. A change that is
        // committed in between may have been published before the room had a member, so it is
        // read from the store. If the room knows its head, it has sent everything up to it, and
        // will send everything after it.
        let FeedHead { post, seq: before } = feed.head(&post).await?;
        let after = match after {
            Some(after) => Some(bookmark::position(&feed.store, &post, &*after).await?),
            None => None,
        };
        let membership = feed.hub.join(&post, participant);
        let joined_at = membership.head();
        let head = feed.establish(&post, &membership).await?;
        let start = after.unwrap_or_else(|| joined_at.unwrap_or(before));
        // The store may be ahead of the room by changes that are not published yet.
        if start > head && start > feed.stored_head(&post).await?.seq {
            return Err(Error::CursorExpired);
        }
        Ok(Joined::of_post(
            Changes { filter },
            membership,
            at(start),
            (!include_own).then(|| Origin::Client(participant.client.clone())),
        ))
    }
}

impl Topic for Changes {
    type Event = ChangeEvent;
    type State = ();
    type Source = Listener;
    type Receiver = ChangesReceiver;
    type Scan = Scan;

    const IS_LOG: bool = true;

    fn receiver(&self, source: &Listener) -> Result<(ChangesReceiver, Progress<()>), Error> {
        let changes = source.changes().ok_or_else(|| {
            Error::Internal("a room was listened to before it was established".into())
        })?;
        let position = changes.head();
        let receiver = ChangesReceiver {
            changes,
            position,
            pending: None,
        };
        Ok((receiver, at(position)))
    }

    async fn receive(&self, receiver: &mut ChangesReceiver) -> Option<Received<Self>> {
        let mut steps = Vec::new();
        while steps.len() < MAX_BATCH {
            let event = match receiver.pending.take() {
                Some(event) => event,
                None if steps.is_empty() => receiver.changes.next().await?,
                None => match receiver.changes.ready() {
                    Some(event) => event,
                    None => break,
                },
            };
            // The room's ring buffer may have overwritten changes that were not received yet.
            let missed = match &event {
                FeedEvent::Change(change) => Seq(change.seq.0 - 1),
                FeedEvent::Missed(seq) => *seq,
            };
            if missed > receiver.position {
                receiver.pending = Some(event);
                if steps.is_empty() {
                    receiver.position = missed;
                    return Some(Received::Gap(at(missed)));
                }
                break;
            }
            if let FeedEvent::Change(change) = event
                && change.seq > receiver.position
            {
                receiver.position = change.seq;
                steps.push(self.step(change));
            }
        }
        Some(Received::Steps(steps))
    }

    async fn catch_up(
        &self,
        page: &StorePage<'_>,
        source: &Listener,
        from: &Progress<()>,
        excluded: Option<&Origin>,
        scan: &mut Option<Scan>,
    ) -> Result<Vec<Step<Self>>, Error> {
        let (post, position) = (source.post(), Seq(from.position));
        // The changes up to here were committed before the page is read.
        let head = source.head().unwrap_or(position);
        let StorePage {
            store,
            first,
            ref allowance,
        } = *page;
        let allowance = Arc::clone(allowance);
        let page = match self.filter {
            ChangeFilter::Additions => store.added_after(post, position, first, allowance).await?,
            ChangeFilter::All => {
                store
                    .changed_after(post, position, first, allowance)
                    .await?
            }
        };
        let open = scan.unwrap_or(Scan {
            start: position,
            head,
        });
        let mut position = position;
        let mut steps = Vec::with_capacity(page.items.len() + 1);
        for entry in page.items {
            position = entry.seq;
            let change = open.change(excluded, entry);
            let progress = at(position);
            steps.push(match change {
                Some(change) => Step::shown(progress, ChangeEvent(Arc::new(change))),
                None => Step::hidden(progress),
            });
        }
        // The call may end before this, and is then repeated.
        *scan = page.has_more.then_some(open);
        if !page.has_more {
            steps.push(Step::hidden(at(position.max(head))));
        }
        Ok(steps)
    }

    fn place(ChangeEvent(change): &ChangeEvent) -> Option<Place> {
        Some(Place {
            post: change.comment.post_id.clone(),
            seq: change.seq,
        })
    }

    fn relation(known: &Progress<()>, update: &Progress<()>) -> Relation {
        if update.position > known.position {
            Relation::New
        } else {
            Relation::Known
        }
    }
}

impl Changes {
    fn step(&self, change: Arc<Change>) -> Step<Self> {
        let progress = at(change.seq);
        // A subscriber that missed a change is sent the latest state only, and not what was before.
        let supersedes = change.kind != ChangeKind::Added;
        if self.filter == ChangeFilter::Additions && supersedes {
            return Step::hidden(progress).superseding(true);
        }
        let origin = change.origin.clone().map(Origin::Client);
        Step::shown(progress, ChangeEvent(change))
            .caused_by(origin)
            .superseding(supersedes)
    }
}

/// Returns the progress after the change at `seq`.
fn at(seq: Seq) -> Progress<()> {
    Progress {
        position: seq.0,
        state: (),
    }
}

impl Scan {
    /// Returns the change that the subscriber is shown at a comment's place, or `None` if it is shown
    /// nothing there.
    fn change(self, excluded: Option<&Origin>, entry: FeedEntry) -> Option<Change> {
        let FeedEntry {
            seq,
            reason,
            comment,
            origin,
            added_by,
        } = entry;
        let is_excluded = |client: Option<&ClientId>| match excluded {
            Some(Origin::Client(excluded)) => client == Some(excluded),
            Some(Origin::User(_)) | None => false,
        };
        let is_new = comment.added_seq > self.start;
        // The client has its own comments from its mutations.
        let is_unknown = is_new && !is_excluded(added_by.as_ref());
        let was_never_sent = is_unknown && !comment.is_listed() && seq <= self.head;
        if is_excluded(origin.as_ref()) || was_never_sent {
            return None;
        }
        let kind = match reason {
            Reason::Entry if is_new => ChangeKind::Added,
            Reason::Entry => ChangeKind::Restored,
            Reason::LatestChange(kind) => kind,
        };
        Some(Change {
            kind,
            seq,
            origin,
            comment,
        })
    }
}
