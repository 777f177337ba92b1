//! Joining a room, and the progress at which a subscriber starts.

use super::{metrics::FeedMetrics, origin::Origin, progress::Progress, topic::Topic};
use crate::{
    error::{Error, Kind},
    memory::{Account, MemoryBudget},
    model::{Epoch, PostId, Seq},
    rooms::{Hub, Listener, Membership, Participant, RoomId},
    store::Store,
    telemetry::Registry,
};

/// The part of the process's memory that all replay buffers may have.
const REPLAYS: usize = 8;

/// A member of a room that is about to subscribe to a topic. Dropping it leaves the room.
pub struct Joined<T: Topic> {
    pub(super) topic: T,
    pub(super) room: RoomId,
    pub(super) source: T::Source,
    /// Keeps the client in the room until it is dropped.
    pub(super) membership: Box<dyn Send + Sync>,
    pub(super) progress: Progress<T::State>,
    pub(super) excluded: Option<Origin>,
}

impl<T: Topic> Joined<T> {
    /// Creates a member that leaves when `membership` is dropped. Its subscriber starts at
    /// `progress` and is not sent the events of `excluded`.
    pub fn new(
        topic: T,
        room: RoomId,
        source: T::Source,
        membership: impl Send + Sync + 'static,
        progress: Progress<T::State>,
        excluded: Option<Origin>,
    ) -> Self {
        Self {
            topic,
            room,
            source,
            membership: Box::new(membership),
            progress,
            excluded,
        }
    }

    /// Returns the topic to subscribe to.
    pub fn topic(&self) -> &T {
        &self.topic
    }

    /// Returns the id of the joined room.
    pub fn room(&self) -> RoomId {
        self.room
    }
}

impl<T: Topic<Source = Listener>> Joined<T> {
    /// Creates a member of a post's room.
    pub(super) fn of_post(
        topic: T,
        membership: Membership,
        progress: Progress<T::State>,
        excluded: Option<Origin>,
    ) -> Self {
        let source = membership.listener();
        Self::new(topic, source.room(), source, membership, progress, excluded)
    }
}

/// A handle on the rooms and their logs. A clone is cheap and shares everything.
#[derive(Clone, Debug)]
pub struct Feed {
    pub(super) hub: Hub,
    pub(super) store: Store,
    pub(super) page: u64,
    /// The memory of events.
    pub(super) memory: Account,
    /// The memory of replay buffers.
    pub(super) replays: Account,
    pub(super) metrics: FeedMetrics,
}

impl Feed {
    /// Creates a handle on the live changes of `hub` and the log of `store`. Each subscriber that
    /// catches up reads `page` comments at a time, and holds no more of them. Events are held in
    /// `memory`.
    pub fn new(
        hub: Hub,
        store: Store,
        page: u64,
        memory: &MemoryBudget,
        registry: &Registry,
    ) -> Self {
        Self {
            hub,
            store,
            page,
            memory: memory.of_events(),
            replays: Account::separate(memory.limit() / REPLAYS),
            metrics: FeedMetrics::new(registry),
        }
    }

    /// Returns the epoch of all feeds.
    pub fn epoch(&self) -> Epoch {
        self.store.epoch()
    }

    /// Makes the participant a member of a post's room.
    ///
    /// The store is asked only until the room knows the head of its feed. After that, the post is
    /// known to exist.
    ///
    /// # Errors
    ///
    /// Returns `NotFound` if there is no such post.
    pub(super) async fn enter(
        &self,
        post: &PostId,
        participant: &Participant,
    ) -> Result<Membership, Error> {
        let membership = self.hub.join(post, participant);
        self.establish(post, &membership).await?;
        Ok(membership)
    }

    /// Returns the head of the room's feed. If the room does not know it yet, reads it from the
    /// store and sets it.
    pub(super) async fn establish(
        &self,
        post: &PostId,
        membership: &Membership,
    ) -> Result<Seq, Error> {
        match membership.head() {
            Some(head) => Ok(head),
            None => {
                let seq = self.stored_head(post).await?;
                membership.establish(seq);
                Ok(membership.head().unwrap_or(seq))
            }
        }
    }

    /// Returns the head of the post's feed in the store.
    pub(super) async fn stored_head(&self, post: &PostId) -> Result<Seq, Error> {
        self.store
            .seq(post)
            .await?
            .ok_or(Error::NotFound(Kind::Post))
    }
}
