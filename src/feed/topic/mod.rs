//! The topics of subscriptions, one file each.
//!
//! A [`Topic`] says where its events come from, and how a subscriber gets from what it knows to the
//! present. Groups, subscribers, catch-up tasks and rendering are common to all. There are two
//! kinds: a *log* has its past in the store (`changes`), and a *value* has only a present, so a
//! catch-up is the difference to it (`viewers`, `typing`, `post`, `queue`, `reactions`).

mod activity;
mod changes;
mod post;
mod queue;
mod reactions;
pub(super) mod typing;
mod viewers;

use std::fmt::Debug;

pub use self::{
    activity::{ActivityRequest, PostActivity},
    changes::{ChangeEvent, ChangeFilter, Changes, ChangesRequest},
    post::{PostChanged, PostRequest},
    queue::QueueRequest,
    reactions::{ReactedComment, ReactionsRequest},
    typing::{TypingAt, TypingRequest},
    viewers::{ViewerCount, ViewersRequest},
};
use super::{
    join::{Feed, Joined},
    origin::Origin,
    progress::Progress,
    store_page::StorePage,
};
use crate::{
    error::Error,
    model::{PostId, Seq},
    rooms::Participant,
};

/// A subscriber's request for a topic.
pub trait Request: Send + 'static {
    /// The requested topic.
    type Topic: Topic;

    /// Makes the participant a member of the room that the topic's events come from.
    fn join(
        self,
        feed: &Feed,
        participant: &Participant,
    ) -> impl Future<Output = Result<Joined<Self::Topic>, Error>> + Send;
}

/// A subscriber's request for a topic in several rooms, whose events come in one stream.
pub trait Requests: Send + 'static {
    /// The requested topic.
    type Topic: Topic;

    /// Has the participant hear of each room that the topic's events come from.
    fn join(
        self,
        feed: &Feed,
        participant: &Participant,
    ) -> impl Future<Output = Result<Vec<Joined<Self::Topic>>, Error>> + Send;
}

/// The subject of a subscription. Subscribers of equal topics in one room form a group.
pub trait Topic: Clone + PartialEq + Debug + Send + Sync + 'static {
    /// An event before a selection set is applied to it. Equal events have the same rendering.
    type Event: Clone + PartialEq + Debug + Send + Sync + 'static;
    /// The state that a subscriber knows, in addition to its position.
    type State: Clone + PartialEq + Debug + Send + Sync + 'static;
    /// A handle on the room that the events come from. It may outlive a membership.
    type Source: Clone + Send + Sync + 'static;
    /// The receiver of the room's events.
    type Receiver: Send + 'static;
    /// The state of a catch-up that takes several pages.
    type Scan: Send + Sync;

    /// True if the past of the topic is in the store. A group then buffers its newest updates, so
    /// that a subscriber slightly behind need not read the store.
    const IS_LOG: bool;

    /// Subscribes to the room's events. Returns the receiver, and the progress of a subscriber that
    /// needs nothing but its events.
    ///
    /// # Errors
    ///
    /// Returns an internal error if the room is not ready for listeners.
    fn receiver(
        &self,
        source: &Self::Source,
    ) -> Result<(Self::Receiver, Progress<Self::State>), Error>;

    /// Waits for the next events. They lead on from those received before. Returns `None` when the
    /// room is gone.
    fn receive(
        &self,
        receiver: &mut Self::Receiver,
    ) -> impl Future<Output = Option<Received<Self>>> + Send;

    /// Returns the next steps of a subscriber at `from`, without the events of `excluded`. A topic that
    /// the store has reads one `page` of it.
    ///
    /// `scan` is `None` before the first page. If it is not `None` after the call, more pages
    /// follow, and live events do not lead on from the last step. An error leaves it unchanged.
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot be read.
    fn catch_up(
        &self,
        page: &StorePage<'_>,
        source: &Self::Source,
        from: &Progress<Self::State>,
        excluded: Option<&Origin>,
        scan: &mut Option<Self::Scan>,
    ) -> impl Future<Output = Result<Vec<Step<Self>>, Error>> + Send;

    /// Returns the event's place in the feed, if a client can go on after it.
    fn place(event: &Self::Event) -> Option<Place>;

    /// Decides what an update that leads to `update` is to a subscriber at `known`, which is not
    /// exactly at the point before the update's batch.
    fn relation(known: &Progress<Self::State>, update: &Progress<Self::State>) -> Relation;
}

/// A step of a subscriber in its topic.
#[derive(Debug)]
pub struct Step<T: Topic> {
    /// The progress after the step. If several steps lead to one position, only the last has it,
    /// and the others have the position before.
    pub progress: Progress<T::State>,
    /// The event to send; `None` if the topic shows none at this step.
    pub event: Option<T::Event>,
    /// The origin of the event. Subscribers that exclude it are not sent the event.
    pub origin: Option<Origin>,
    /// True if earlier events of a log may show what is no longer so. They are then not sent again.
    pub supersedes: bool,
}

/// The events that a group received together.
#[derive(Debug)]
pub enum Received<T: Topic> {
    /// Consecutive steps.
    Steps(Vec<Step<T>>),
    /// The group missed all events up to this progress.
    Gap(Progress<T::State>),
}

/// An event's place in the feed of a post.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The post.
    pub post: PostId,
    /// The position in its feed.
    pub seq: Seq,
}

/// The relation of an update to a subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// The subscriber must be sent the update.
    New,
    /// The subscriber knows the update.
    Known,
    /// The update does not lead on from what the subscriber knows. It must catch up.
    Unrelated,
}

impl Relation {
    /// Returns the relation of an update of a value. A subscriber may know the value already, because it was sent
    /// it when it joined.
    fn of_value<S: PartialEq>(known: &Progress<S>, update: &Progress<S>) -> Self {
        if update.position > known.position && update.state != known.state {
            Self::New
        } else {
            Self::Known
        }
    }
}

impl<T: Topic> Step<T> {
    /// Creates the step to the value that `event` shows. It sends nothing if that is `sent`.
    fn of_value(progress: Progress<T::State>, sent: &T::State, event: T::Event) -> Self {
        if progress.state == *sent {
            Self::hidden(progress)
        } else {
            Self::shown(progress, event)
        }
    }

    /// Creates a step with an event of no origin.
    pub fn shown(progress: Progress<T::State>, event: T::Event) -> Self {
        Self {
            progress,
            event: Some(event),
            origin: None,
            supersedes: false,
        }
    }

    /// Creates a step that sends nothing.
    pub fn hidden(progress: Progress<T::State>) -> Self {
        Self {
            progress,
            event: None,
            origin: None,
            supersedes: false,
        }
    }

    /// Sets whether earlier events may show what is no longer so.
    #[must_use]
    pub fn superseding(self, supersedes: bool) -> Self {
        Self { supersedes, ..self }
    }

    /// Sets the origin of the event.
    #[must_use]
    pub fn caused_by(self, origin: Option<Origin>) -> Self {
        Self { origin, ..self }
    }
}
