//! A post after a change of its details: title, URL, state, moderation and pin.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;

use super::{Place, Received, Relation, Request, Step, Topic};
use crate::{
    error::{Error, Kind},
    feed::{
        join::{Feed, Joined},
        origin::Origin,
        progress::Progress,
        store_page::StorePage,
    },
    model::{Post, PostId},
    rooms::{Listener, Participant},
    store::Store,
};

/// Delay before a post is read again that could not be read.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// A request for the changes of a post's details.
#[derive(Clone, Debug)]
pub struct PostRequest {
    /// The post.
    pub post: PostId,
}

/// The details of a post.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostTopic;

/// A post after a change of its details. Events are equal if the details are.
#[derive(Clone, Debug)]
pub struct PostChanged(pub Arc<Post>);

impl PartialEq for PostChanged {
    fn eq(&self, other: &Self) -> bool {
        fn details(post: &Post) -> impl PartialEq + '_ {
            let Post {
                title,
                url,
                is_open,
                moderation,
                pinned,
                ..
            } = post;
            (title, url, is_open, moderation, pinned)
        }
        details(&self.0) == details(&other.0)
    }
}

/// The room that announces changes, and the store that has the post.
#[derive(Clone, Debug)]
pub struct PostSource {
    listener: Listener,
    store: Store,
}

/// The receiver of a room's announcements.
#[derive(Debug)]
pub struct PostReceiver {
    post: PostId,
    store: Store,
    versions: watch::Receiver<i64>,
    /// The post that was received last.
    last: Option<PostChanged>,
}

impl Request for PostRequest {
    type Topic = PostTopic;

    async fn join(
        self,
        feed: &Feed,
        participant: &Participant,
    ) -> Result<Joined<PostTopic>, Error> {
        // The post is read after the room was joined, so no change is missed in between.
        let membership = feed.enter(&self.post, participant).await?;
        let post = read(&feed.store, membership.listener().post()).await?;
        let source = PostSource {
            listener: membership.listener(),
            store: feed.store.clone(),
        };
        let room = source.listener.clone();
        let joined = Joined::new(
            PostTopic,
            room.room(),
            source,
            membership,
            progress(post),
            None,
        );
        Ok(joined.ending_with(room))
    }
}

impl Topic for PostTopic {
    type Event = PostChanged;
    /// The post that was sent last.
    type State = Option<PostChanged>;
    type Source = PostSource;
    type Receiver = PostReceiver;
    type Scan = ();

    const IS_LOG: bool = false;

    fn receiver(
        &self,
        source: &PostSource,
    ) -> Result<(PostReceiver, Progress<Option<PostChanged>>), Error> {
        let mut versions = source.listener.details();
        let position = *versions.borrow_and_update();
        let receiver = PostReceiver {
            post: source.listener.post().clone(),
            store: source.store.clone(),
            versions,
            last: None,
        };
        let state = None;
        Ok((receiver, Progress { position, state }))
    }

    async fn receive(&self, receiver: &mut PostReceiver) -> Option<Received<Self>> {
        receiver.versions.changed().await.ok()?;
        loop {
            receiver.versions.borrow_and_update();
            match read(&receiver.store, &receiver.post).await {
                Ok(post) => {
                    let event = PostChanged(Arc::clone(&post));
                    let progress = progress(post);
                    let last = receiver.last.replace(event.clone());
                    let step = Step::of_value(progress, &last, event);
                    return Some(Received::Steps(vec![step]));
                }
                // It was deleted, and its room ends.
                Err(Error::NotFound(_)) => return None,
                Err(error) => tracing::warn!(?error, "failed to read a changed post, retrying"),
            }
            tokio::time::sleep(RETRY_DELAY).await;
        }
    }

    async fn catch_up(
        &self,
        page: &StorePage<'_>,
        source: &PostSource,
        from: &Progress<Option<PostChanged>>,
        _: Option<&Origin>,
        _: &mut Option<()>,
    ) -> Result<Vec<Step<Self>>, Error> {
        let post = read(page.store, source.listener.post()).await?;
        let progress = progress(Arc::clone(&post));
        let post = PostChanged(post);
        Ok(vec![Step::of_value(progress, &from.state, post)])
    }

    fn place(_: &Self::Event) -> Option<Place> {
        None
    }

    fn relation(
        known: &Progress<Option<PostChanged>>,
        update: &Progress<Option<PostChanged>>,
    ) -> Relation {
        Relation::of_value(known, update)
    }
}

async fn read(store: &Store, id: &PostId) -> Result<Arc<Post>, Error> {
    let post = store.post(id).await?;
    post.map(Arc::new).ok_or(Error::NotFound(Kind::Post))
}

/// Returns the progress after `post` was sent.
fn progress(post: Arc<Post>) -> Progress<Option<PostChanged>> {
    Progress {
        position: post.detail_version,
        state: Some(PostChanged(post)),
    }
}
