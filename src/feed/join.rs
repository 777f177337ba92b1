//! Joining a room, and the progress at which a subscriber starts.

use super::{metrics::FeedMetrics, origin::Origin, progress::Progress, topic::Topic};
use crate::{
    error::{Error, Kind},
    memory::{Account, MemoryBudget},
    model::{Epoch, PostId, Seq},
    rooms::{Hub, Listener, Membership, Participant, RoomEnd, RoomId},
    store::{FeedHead, Store},
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
    /// The room that may end before its members leave.
    pub(super) ending: Option<Listener>,
}

impl From<RoomEnd> for Error {
    /// Returns the error with which the streams of a room end.
    fn from(end: RoomEnd) -> Self {
        match end {
            RoomEnd::Moved => Self::CursorExpired,
            RoomEnd::Deleted => Self::NotFound(Kind::Post),
        }
    }
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
            ending: None,
        }
    }

    /// Sets the post's room whose end ends the subscription.
    #[must_use]
    pub(super) fn ending_with(self, room: Listener) -> Self {
        Self {
            ending: Some(room),
            ..self
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
        let room = source.clone();
        Self::new(topic, room.room(), source, membership, progress, excluded).ending_with(room)
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

    /// Makes the participant a member of the room of the post that `post` names.
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
        let mut post = post.clone();
        loop {
            let membership = self.hub.join(&post, participant);
            if membership.head().is_some() {
                return Ok(membership);
            }
            let head = self.stored_head(&post).await?;
            if head.post == post {
                membership.establish(head.seq);
                return Ok(membership);
            }
            post = head.post;
        }
    }

    /// Returns the head of the feed of the post that `id` names. A room that knows it has it, else the store.
    ///
    /// # Errors
    ///
    /// Returns `NotFound` if there is no such post.
    pub async fn head(&self, id: &PostId) -> Result<FeedHead, Error> {
        match self.hub.head(id) {
            Some(seq) => Ok(FeedHead {
                post: id.clone(),
                seq,
            }),
            None => self.stored_head(id).await,
        }
    }

    /// Returns the head of the room's feed. If the room does not know it yet, reads it from the
    /// store and sets it.
    ///
    /// # Errors
    ///
    /// Returns `NotFound` if there is no such post, and `CursorExpired` if it was moved meanwhile.
    pub(super) async fn establish(
        &self,
        post: &PostId,
        membership: &Membership,
    ) -> Result<Seq, Error> {
        match membership.head() {
            Some(head) => Ok(head),
            None => {
                let head = self.stored_head(post).await?;
                if head.post != *post {
                    return Err(Error::CursorExpired);
                }
                membership.establish(head.seq);
                Ok(membership.head().unwrap_or(head.seq))
            }
        }
    }

    /// Returns the head of the feed in the store of the post that `id` names.
    pub(super) async fn stored_head(&self, id: &PostId) -> Result<FeedHead, Error> {
        let head = self.store.head(id).await?;
        head.ok_or(Error::NotFound(Kind::Post))
    }
}
