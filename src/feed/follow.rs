//! Following a feed: join the room, read the store from a place on, go live, and catch up from the
//! store again whenever the room says that something was missed.

use std::{collections::HashSet, sync::Arc, time::Duration};

use async_stream::try_stream;
use futures_util::Stream;

use crate::{
    error::{Error, Kind},
    model::{Change, ChangeKind, ClientId, CommentId, PostId, Seq},
    rooms::{Changes, Hub, Membership, Next, Visitor},
    store::{Recorded, Store},
};

/// How many added comments one catching up remembers, to know an edit under way from an addition.
const MAX_REMEMBERED: usize = 10_000;
/// How often a reading that fails is tried again, waiting twice as long each time.
const RETRIES: u32 = 5;
/// How long the first wait is.
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// Which changes of a feed are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// Additions.
    Added,
    /// Additions, edits and deletions.
    Changed,
}

/// A handle on the feeds of all posts.
#[derive(Clone, Debug)]
pub struct Feed {
    hub: Hub,
    store: Store,
    page: u64,
}

impl Feed {
    /// Joins what the hub delivers to what the store keeps. A member that catches up reads `page`
    /// comments at a time, and holds no more of them in memory.
    pub fn new(hub: Hub, store: Store, page: u64) -> Self {
        Self { hub, store, page }
    }

    /// Takes the visitor into the room of a post that exists; `NotFound` otherwise.
    ///
    /// Where the room's feed is established the post is known to exist; only those who join before
    /// that ask the store.
    pub async fn join(&self, post: &PostId, visitor: &Visitor) -> Result<Membership, Error> {
        let membership = self.hub.join(post, visitor);
        self.establish(post, &membership).await?;
        Ok(membership)
    }

    /// Tells the room where the feed stands, where it does not know; returns where it stands now.
    async fn establish(&self, post: &PostId, membership: &Membership) -> Result<Seq, Error> {
        match membership.head() {
            Some(head) => Ok(head),
            None => {
                let seq = self.stored(post).await?;
                membership.establish(seq);
                Ok(membership.head().unwrap_or(seq))
            }
        }
    }

    async fn stored(&self, post: &PostId) -> Result<Seq, Error> {
        self.store
            .seq(post)
            .await?
            .ok_or(Error::NotFound(Kind::Post))
    }

    /// The changes of a post's feed: those behind `after`, or those from now on. The visitor is in
    /// the room for as long as the stream lives. Changes of the visitor's own client are left out
    /// unless `include_own`.
    ///
    /// `BadUserInput` where `after` is a place that the feed has not reached.
    pub async fn follow(
        &self,
        post: &PostId,
        visitor: &Visitor,
        view: View,
        after: Option<Seq>,
        include_own: bool,
    ) -> Result<impl Stream<Item = Result<Arc<Change>, Error>> + Send + use<>, Error> {
        // The order matters. First look where the feed stands, then join and listen, then look
        // again: what was committed in between was published while nobody was there to hear it,
        // and is read. Where the room knows, it has sent everything up to there, and will send all
        // that comes behind.
        let before = match self.hub.head(post) {
            Some(head) => head,
            None => self.stored(post).await?,
        };
        let live = self.hub.join(post, visitor).changes();
        let head = self.establish(post, live.membership()).await?;
        let place = after.unwrap_or_else(|| live.head().unwrap_or(before));
        if place > head {
            // The feed may be ahead of the room by changes whose publishing is under way.
            let stored = self.stored(post).await?;
            if place > stored {
                return Err(Error::bad_input(
                    "after",
                    "The post's feed has not come to this cursor.",
                ));
            }
        }
        Ok(Follower {
            store: self.store.clone(),
            post: post.clone(),
            view,
            page: self.page,
            excluded: (!include_own).then(|| visitor.client.clone()),
            place,
        }
        .run(live, place < head))
    }
}

/// One subscriber's way through a feed.
struct Follower {
    store: Store,
    post: PostId,
    view: View,
    page: u64,
    /// The client whose changes are left out.
    excluded: Option<ClientId>,
    /// Everything up to here was sent or left out.
    place: Seq,
}

impl Follower {
    fn run(
        mut self,
        mut live: Changes,
        mut is_behind: bool,
    ) -> impl Stream<Item = Result<Arc<Change>, Error>> + Send + 'static {
        try_stream! {
            loop {
                if std::mem::take(&mut is_behind) {
                    let mut catch_up = CatchUp::from(self.place);
                    while let Some(page) = catch_up.page(&mut self).await? {
                        for change in page {
                            yield change;
                        }
                    }
                }
                match live.next().await {
                    None => break,
                    Some(Next::Missed) => is_behind = true,
                    Some(Next::Change(change)) => {
                        if self.takes(&change) {
                            yield change;
                        }
                    }
                }
            }
        }
    }

    /// Whether a live change is to be sent; moves the place behind it.
    fn takes(&mut self, change: &Change) -> bool {
        if change.seq <= self.place {
            return false;
        }
        self.place = change.seq;
        (self.view == View::Changed || change.kind == ChangeKind::Added)
            && !self.is_own(change.origin.as_ref())
    }

    fn is_own(&self, origin: Option<&ClientId>) -> bool {
        origin.is_some() && origin == self.excluded.as_ref()
    }

    async fn read(&self) -> Result<Vec<Recorded>, Error> {
        let mut wait = FIRST_WAIT;
        for _ in 0..RETRIES {
            match self.read_once().await {
                Ok(page) => return Ok(page),
                Err(error) => {
                    tracing::warn!(?error, ?wait, "a feed could not be read, trying again");
                    tokio::time::sleep(wait).await;
                    wait *= 2;
                }
            }
        }
        self.read_once().await
    }

    async fn read_once(&self) -> Result<Vec<Recorded>, Error> {
        match self.view {
            View::Added => {
                self.store
                    .added_after(&self.post, self.place, self.page)
                    .await
            }
            View::Changed => {
                self.store
                    .changed_after(&self.post, self.place, self.page)
                    .await
            }
        }
    }
}

/// One reading of the store from a place to its end, a page at a time.
struct CatchUp {
    /// Where it began: a comment that was added behind this is new to the subscriber.
    start: Seq,
    /// The comments sent as additions. One that is edited while this goes on moves to the end of
    /// the feed and is met again; then it is an edit.
    sent: HashSet<CommentId>,
    is_over: bool,
}

impl CatchUp {
    fn from(start: Seq) -> Self {
        Self {
            start,
            sent: HashSet::new(),
            is_over: false,
        }
    }

    /// The next page, without what is to be left out; `None` at the end.
    async fn page(&mut self, follower: &mut Follower) -> Result<Option<Vec<Arc<Change>>>, Error> {
        if self.is_over {
            return Ok(None);
        }
        let page = follower.read().await?;
        // A page that is not full was the last: what was committed since comes live.
        self.is_over = (page.len() as u64) < follower.page;
        let mut changes = Vec::with_capacity(page.len());
        for recorded in page {
            follower.place = match follower.view {
                View::Added => recorded.comment.added_seq,
                View::Changed => recorded.comment.changed_seq,
            };
            changes.extend(self.change(follower, recorded));
        }
        Ok(Some(changes))
    }

    /// What a comment's latest state is to this subscriber; `None` where it is their own doing.
    fn change(&mut self, follower: &Follower, recorded: Recorded) -> Option<Arc<Change>> {
        let Recorded {
            comment,
            added_by,
            changed_by,
        } = recorded;
        let is_new = comment.added_seq > self.start
            && !follower.is_own(added_by.as_ref())
            && !self.sent.contains(&comment.id);
        let (kind, seq, origin) = match follower.view {
            View::Added if is_new => (ChangeKind::Added, comment.added_seq, added_by),
            View::Added => return None,
            View::Changed if !is_new && follower.is_own(changed_by.as_ref()) => return None,
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
        Some(Arc::new(Change {
            kind,
            seq,
            origin,
            comment,
        }))
    }
}
