//! The activity of posts, for pages that list them: each post at once, then after changes of its counts.

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::time::{Instant, sleep, sleep_until};

use super::{Place, Received, Relation, Requests, Step, Topic};
use crate::{
    error::{Error, Kind},
    feed::{
        join::{Feed, Joined},
        origin::Origin,
        progress::Progress,
        store_page::StorePage,
    },
    model::{Post, PostId, Timestamp},
    rooms::{Changes, Listener, Participant, Values},
    store::Store,
};

/// Minimum time between two values of a post.
const WINDOW: Duration = Duration::from_secs(1);
/// Delay before a post is read again that could not be read.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// A request for the activity of posts.
#[derive(Clone, Debug)]
pub struct ActivityRequest {
    /// The posts. Those that do not exist are left out.
    pub posts: Vec<PostId>,
}

/// The activity of a post.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activity;

/// A post after a change of its activity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostActivity {
    /// The post.
    pub post: Arc<Post>,
    /// Number of its viewers.
    viewers: usize,
}

/// The numbers whose changes are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbers {
    comments: i64,
    last_comment_at: Option<Timestamp>,
    viewers: usize,
}

/// The room that announces changes, and the store that has the post.
#[derive(Clone, Debug)]
pub struct ActivitySource {
    listener: Listener,
    store: Store,
    latest: Arc<Mutex<Latest>>,
}

/// The latest value of a group.
#[derive(Clone, Debug)]
struct Latest {
    /// Number of values before it.
    position: i64,
    value: PostActivity,
}

/// The receiver of a room's events.
#[derive(Debug)]
pub struct ActivityReceiver {
    source: ActivitySource,
    changes: Changes,
    viewers: Values<usize>,
    /// True if the room has changes that the latest value may not show.
    is_behind: bool,
    /// Time before which no value is sent.
    next: Instant,
}

impl Requests for ActivityRequest {
    type Topic = Activity;

    /// # Errors
    ///
    /// Returns `NotFound` if none of the posts exists.
    async fn join(self, feed: &Feed, _: &Participant) -> Result<Vec<Joined<Activity>>, Error> {
        let posts = feed.store.posts_named(&self.posts).await?;
        if posts.is_empty() {
            return Err(Error::NotFound(Kind::Post));
        }
        let watched = posts.into_iter().map(|post| {
            let watch = feed.hub.watch(&post.id);
            (post, watch)
        });
        let watched: Vec<_> = watched.collect();
        let new = watched.iter().filter(|(_, watch)| watch.head().is_none());
        let new: Vec<PostId> = new.map(|(post, _)| post.id.clone()).collect();
        let stands = match &new[..] {
            [] => HashMap::new(),
            new => feed.store.stands(new).await?,
        };
        let joined = watched.into_iter().filter_map(|(post, watch)| {
            if let Some(stand) = stands.get(&post.id) {
                watch.establish(stand.seq);
            }
            // A post that was moved or deleted meanwhile is left out too.
            watch.head()?;
            let listener = watch.listener();
            let room = listener.room();
            let value = PostActivity {
                post: Arc::new(post),
                viewers: listener.count_now().value,
            };
            let source = ActivitySource {
                listener,
                store: feed.store.clone(),
                latest: Arc::new(Mutex::new(Latest { position: 0, value })),
            };
            let start = Progress::none(None);
            Some(Joined::new(Activity, room, source, watch, start, None))
        });
        Ok(joined.collect())
    }
}

impl Topic for Activity {
    type Event = PostActivity;
    /// The numbers that were sent last.
    type State = Option<Numbers>;
    type Source = ActivitySource;
    type Receiver = ActivityReceiver;
    type Scan = ();

    const IS_LOG: bool = false;

    fn receiver(
        &self,
        source: &ActivitySource,
    ) -> Result<(ActivityReceiver, Progress<Option<Numbers>>), Error> {
        let changes = source.listener.changes();
        let changes =
            changes.ok_or_else(|| Error::Internal("the room's head is not established".into()))?;
        let latest = source.latest.lock().clone();
        let receiver = ActivityReceiver {
            source: source.clone(),
            is_behind: changes.head() != latest.value.post.seq,
            changes,
            viewers: source.listener.counts(),
            next: Instant::now(),
        };
        Ok((receiver, latest.progress()))
    }

    async fn receive(&self, receiver: &mut ActivityReceiver) -> Option<Received<Self>> {
        if !std::mem::take(&mut receiver.is_behind) {
            tokio::select! {
                change = receiver.changes.next() => { change?; }
                viewers = receiver.viewers.next() => { viewers?; }
            }
        }
        sleep_until(receiver.next).await;
        receiver.next = Instant::now() + WINDOW;
        // What has come until now is read together.
        while receiver.changes.ready().is_some() {}
        let viewers = receiver.viewers.current().value;
        let post = receiver.source.read().await?;
        let value = PostActivity { post, viewers };
        let (sent, latest) = {
            let mut latest = receiver.source.latest.lock();
            let sent = Some(latest.value.numbers());
            latest.position += 1;
            latest.value = value;
            (sent, latest.clone())
        };
        let step = Step::of_value(latest.progress(), &sent, latest.value);
        Some(Received::Steps(vec![step]))
    }

    async fn catch_up(
        &self,
        _: &StorePage<'_>,
        source: &ActivitySource,
        from: &Progress<Option<Numbers>>,
        _: Option<&Origin>,
        _: &mut Option<()>,
    ) -> Result<Vec<Step<Self>>, Error> {
        let latest = source.latest.lock().clone();
        Ok(vec![Step::of_value(
            latest.progress(),
            &from.state,
            latest.value,
        )])
    }

    fn place(_: &Self::Event) -> Option<Place> {
        None
    }

    fn relation(known: &Progress<Option<Numbers>>, update: &Progress<Option<Numbers>>) -> Relation {
        Relation::of_value(known, update)
    }
}

impl ActivitySource {
    /// Reads the post. Returns `None` if it was moved or deleted.
    async fn read(&self) -> Option<Arc<Post>> {
        let id = self.listener.post();
        loop {
            match self.store.post(id).await {
                Ok(post) => return post.filter(|post| post.id == *id).map(Arc::new),
                Err(error) => tracing::warn!(?error, "failed to read a post's activity, retrying"),
            }
            sleep(RETRY_DELAY).await;
        }
    }
}

impl Latest {
    /// Returns the progress after the value was sent.
    fn progress(&self) -> Progress<Option<Numbers>> {
        Progress {
            position: self.position,
            state: Some(self.value.numbers()),
        }
    }
}

impl PostActivity {
    fn numbers(&self) -> Numbers {
        Numbers {
            comments: self.post.comment_count,
            last_comment_at: self.post.last_comment_at,
            viewers: self.viewers,
        }
    }
}
