//! The comments of a post after changes of their reactions, conflated per comment.
//!
//! A room announces the version of the latest change only. The comments that changed since a version are in
//! the store, so a lost announcement loses nothing, and a subscriber that is behind reads them from there.

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use super::{Place, Received, Relation, Request, Step, Topic};
use crate::{
    error::{Error, Kind},
    feed::{
        join::{Feed, Joined},
        origin::Origin,
        progress::Progress,
        shown_comments::{MAX_SHOWN, ShownComments},
        store_page::StorePage,
    },
    model::{Comment, CommentId, PostId},
    rooms::{Listener, Participant},
    store::{self, Bodies, Page, Reacted},
};

/// Minimum time between two reads, because a burst announces each of its changes.
const READ_INTERVAL: Duration = Duration::from_millis(25);
/// Delay before comments are read again that could not be read.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// A request for the changes of the reactions to a post's comments.
#[derive(Clone, Debug)]
pub struct ReactionsRequest {
    /// The post.
    pub post: PostId,
}

/// The reactions to a post's comments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reactions;

/// A comment after a change of its reactions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReactedComment {
    /// The comment.
    pub comment: Arc<Comment>,
    /// Its reactions.
    pub reactions: store::Reactions,
}

/// The version of the post up to which all changes were sent. A subscriber has none before its first catch-up.
type Known = Option<i64>;

/// The room that announces changes, and the store that has the comments.
#[derive(Clone, Debug)]
pub struct ReactionsSource {
    listener: Listener,
    feed: Feed,
    /// The progress of the group. Its position is the number of its events.
    progress: Arc<Mutex<Progress<Known>>>,
}

/// The receiver of a room's announcements.
#[derive(Debug)]
pub struct ReactionsReceiver {
    source: ReactionsSource,
    versions: watch::Receiver<Option<i64>>,
    shown: ShownComments,
    /// Time before which no announcement makes it read.
    next_read: Instant,
    /// Time at which changes that wait are due.
    next_due: Option<Instant>,
}

impl Request for ReactionsRequest {
    type Topic = Reactions;

    async fn join(
        self,
        feed: &Feed,
        participant: &Participant,
    ) -> Result<Joined<Reactions>, Error> {
        let membership = feed.enter(&self.post, participant).await?;
        let listener = membership.listener();
        let start = version(feed, &listener).await?;
        let source = ReactionsSource {
            listener: listener.clone(),
            feed: feed.clone(),
            progress: Arc::new(Mutex::new(Progress {
                position: 0,
                state: Some(start),
            })),
        };
        let joined = Joined::new(
            Reactions,
            listener.room(),
            source,
            membership,
            Progress::none(None),
            None,
        );
        Ok(joined.ending_with(listener))
    }
}

/// Returns the latest version that the room knows. If it knows none, reads it from the store.
async fn version(feed: &Feed, listener: &Listener) -> Result<i64, Error> {
    let known = *listener.reactions().borrow();
    if let Some(version) = known {
        return Ok(version);
    }
    let post = listener.post();
    let stands = feed.store.stands(std::slice::from_ref(post)).await?;
    let stand = stands.get(post).ok_or(Error::NotFound(Kind::Post))?;
    feed.hub.announce_reactions(post, stand.reaction_version);
    Ok(stand.reaction_version)
}

impl Topic for Reactions {
    type Event = ReactedComment;
    type State = Known;
    type Source = ReactionsSource;
    type Receiver = ReactionsReceiver;
    type Scan = ();

    /// Comments are in the store, and not their changes. Payloads are not kept, because comments may be
    /// withdrawn.
    const IS_LOG: bool = false;

    fn receiver(
        &self,
        source: &ReactionsSource,
    ) -> Result<(ReactionsReceiver, Progress<Known>), Error> {
        let progress = source.progress.lock().clone();
        let receiver = ReactionsReceiver {
            source: source.clone(),
            versions: source.listener.reactions(),
            shown: ShownComments::after(progress.state.unwrap_or_default()),
            next_read: Instant::now(),
            // Changes may have been announced since the version was read.
            next_due: Some(Instant::now()),
        };
        Ok((receiver, progress))
    }

    async fn receive(&self, receiver: &mut ReactionsReceiver) -> Option<Received<Self>> {
        loop {
            receiver.wait().await?;
            match receiver.read().await {
                Ok(steps) if steps.is_empty() => {}
                Ok(steps) => return Some(Received::Steps(steps)),
                Err(error) => {
                    tracing::warn!(?error, "failed to read reactions, retrying");
                    receiver.next_due = Some(Instant::now() + RETRY_DELAY);
                    receiver.next_read = Instant::now() + RETRY_DELAY;
                }
            }
        }
    }

    async fn catch_up(
        &self,
        page: &StorePage<'_>,
        source: &ReactionsSource,
        from: &Progress<Known>,
        _: Option<&Origin>,
        scan: &mut Option<()>,
    ) -> Result<Vec<Step<Self>>, Error> {
        // What the group sends after this is new, and what it sent before is read.
        let now = source.progress.lock().clone();
        let Some(known) = from.state else {
            return Ok(vec![Step::hidden(now)]);
        };
        let allowance = Arc::clone(&page.allowance);
        let post = source.listener.post();
        let changed = page
            .store
            .comments_reacted_after(post, known, page.first, allowance);
        let changed = changed.await?;
        *scan = changed.has_more.then_some(());
        let ids: Vec<CommentId> = changed.items.iter().map(|item| item.comment.id).collect();
        let reactions = page.store.reactions_to(&ids).await?;
        let steps = changed.items.into_iter().map(|item| {
            let progress = Progress {
                position: from.position,
                state: Some(item.version),
            };
            match reactions.get(&item.comment.id) {
                Some(reactions) => Step::shown(
                    progress,
                    ReactedComment {
                        comment: Arc::new(item.comment),
                        reactions: *reactions,
                    },
                ),
                // It was withdrawn meanwhile.
                None => Step::hidden(progress),
            }
        });
        let mut steps: Vec<_> = steps.collect();
        if scan.is_none() {
            let last = steps.last().and_then(|step| step.progress.state);
            let state = Some(last.unwrap_or(known));
            steps.push(Step::hidden(Progress { state, ..now }));
        }
        Ok(steps)
    }

    fn place(_: &Self::Event) -> Option<Place> {
        None
    }

    fn relation(known: &Progress<Known>, update: &Progress<Known>) -> Relation {
        if update.position > known.position {
            Relation::New
        } else {
            Relation::Known
        }
    }
}

impl ReactionsReceiver {
    /// Waits until comments are to be read. Returns `None` when the room is gone.
    async fn wait(&mut self) -> Option<()> {
        match self.next_due {
            Some(due) => tokio::select! {
                () = sleep_until(due) => return Some(()),
                changed = self.versions.changed() => changed.ok()?,
            },
            None => self.versions.changed().await.ok()?,
        }
        sleep_until(self.next_read).await;
        Some(())
    }

    /// Reads the comments that changed, and returns the steps of those that are due.
    async fn read(&mut self) -> Result<Vec<Step<Reactions>>, Error> {
        let announced = *self.versions.borrow_and_update();
        let ReactionsSource { listener, feed, .. } = &self.source;
        let complete = self.shown.complete();
        let changed = feed
            .store
            .reacted_after(listener.post(), complete, MAX_SHOWN);
        let changed = changed.await?;
        let max = usize::try_from(feed.page).unwrap_or(usize::MAX);
        let due = self.shown.due(&changed.items, max, Instant::now());
        let Found {
            mut comments,
            reactions,
            has_more,
        } = Found::load(feed, &due).await?;
        let now = Instant::now();
        let mut events = Vec::with_capacity(due.len());
        for reacted in due {
            let comment = comments.remove(&reacted.comment);
            if comment.is_none() && has_more {
                // The memory of this page was used up.
                continue;
            }
            match (comment, reactions.get(&reacted.comment)) {
                (Some(comment), Some(reactions)) => {
                    let version = reactions.version;
                    self.shown.send(Reacted { version, ..reacted }, now);
                    let event = ReactedComment {
                        comment: Arc::new(comment),
                        reactions: *reactions,
                    };
                    events.push((reacted.version, event));
                }
                // It was withdrawn meanwhile.
                _ => self.shown.send(reacted, now),
            }
        }
        let last = changed.items.last().map_or(complete, |last| last.version);
        let version = match announced {
            Some(announced) if !changed.has_more => last.max(announced),
            _ => last,
        };
        let next_due = self.shown.advance(&changed.items, version, now);
        self.next_due = next_due.or(changed.has_more.then_some(now));
        self.next_read = now + READ_INTERVAL;
        Ok(self.steps(events))
    }

    /// Returns the steps of events, each with the version at which it was read, and moves the group on.
    fn steps(&self, events: Vec<(i64, ReactedComment)>) -> Vec<Step<Reactions>> {
        let mut progress = self.source.progress.lock();
        let versions: Vec<i64> = events.iter().map(|(version, _)| *version).collect();
        let complete = self.shown.complete();
        let steps = events.into_iter().enumerate().map(|(index, (_, event))| {
            progress.position += 1;
            // A change is complete only after all before it.
            let next = versions.get(index + 1).map_or(complete, |next| next - 1);
            progress.state = Some(next.min(complete));
            Step::shown(progress.clone(), event)
        });
        steps.collect()
    }
}

/// Comments that were read.
#[derive(Default)]
struct Found {
    comments: HashMap<CommentId, Comment>,
    reactions: HashMap<CommentId, store::Reactions>,
    /// True if others were not read, because the memory of the page was used up.
    has_more: bool,
}

impl Found {
    async fn load(feed: &Feed, due: &[Reacted]) -> Result<Self, Error> {
        if due.is_empty() {
            return Ok(Self::default());
        }
        let ids: Vec<CommentId> = due.iter().map(|reacted| reacted.comment).collect();
        let page = StorePage::new(feed, &feed.memory);
        let found = page.store.comments_with(&ids, Bodies::Read, page.allowance);
        let Page { items, has_more } = found.await?;
        let comments = items.into_iter().map(|comment| (comment.id, comment));
        Ok(Self {
            comments: comments.collect(),
            // They are read with their version, so no later one shows the same.
            reactions: feed.store.reactions_to(&ids).await?,
            has_more,
        })
    }
}
