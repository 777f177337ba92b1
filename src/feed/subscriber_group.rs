//! The subscribers of one operation in one room.

use std::{
    collections::VecDeque,
    sync::{Arc, OnceLock},
};

use futures_util::poll;
use indexmap::IndexMap;
use parking_lot::Mutex;
use tokio::task::AbortHandle;
use tokio_util::task::TaskTracker;

use super::{
    batch::{Batch, Update},
    catch_up, fanout,
    group_renderer::GroupRenderer,
    join::{Feed, Joined},
    progress::Progress,
    render::Render,
    render_error::RenderError,
    room_share::GroupPlace,
    sink::Sink,
    subscriber::{Delivery, Subscriber},
    topic::Topic,
};
use crate::{
    error::Error,
    memory::{Account, Reservation},
    rooms::RoomEnd,
};

/// Number of subscribers served before other tasks get a turn on the thread. Without it, no client
/// could join or be read from while a large group is served.
const SUBSCRIBERS_PER_TURN: usize = 512;
/// Maximum number of updates in the replay buffer. It serves subscribers that are slightly behind,
/// so these need not read the store.
const MAX_REPLAY_UPDATES: usize = 128;

/// The subscribers of one operation in one room. A group lives as long as a subscription or a
/// catch-up task in it.
pub struct SubscriberGroup<T: Topic> {
    pub(super) topic: T,
    pub(super) source: T::Source,
    pub(super) feed: Feed,
    pub(super) renderer: Arc<GroupRenderer>,
    tasks: TaskTracker,
    state: Mutex<State<T>>,
    /// The task that receives the room's events for the group.
    fanout: OnceLock<AbortHandle>,
}

/// The live subscribers, and their common progress.
struct State<T: Topic> {
    /// The progress to which the live subscribers have been brought, or are being brought.
    progress: Progress<T::State>,
    live: IndexMap<SubscriberId, Arc<Subscriber<T>>>,
    next_id: SubscriberId,
    /// The latest updates of a log, without a gap. The last leads to `progress`.
    replay: VecDeque<Replayed<T>>,
    replay_bytes: usize,
    /// The reason for which the room has ended, if it has.
    end: Option<RoomEnd>,
}

/// An update in the replay buffer.
struct Replayed<T: Topic> {
    update: Update<T>,
    _memory: Reservation,
}

type SubscriberId = u64;

/// A subscription. Dropping it ends it at once: nothing is sent after that, and its membership in
/// the room ends too.
pub struct Subscription {
    _subscribed: Box<dyn Send + Sync>,
}

impl FromIterator<Self> for Subscription {
    /// Returns the subscription to the topics of several ones, which end together.
    fn from_iter<I: IntoIterator<Item = Self>>(subscriptions: I) -> Self {
        let subscriptions: Vec<Self> = subscriptions.into_iter().collect();
        Self {
            _subscribed: Box::new(subscriptions),
        }
    }
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subscription").finish_non_exhaustive()
    }
}

/// A guard that keeps a subscriber in its group, and its client in the room.
struct Subscribed<T: Topic> {
    subscriber: Arc<Subscriber<T>>,
    id: SubscriberId,
    group: Arc<SubscriberGroup<T>>,
    _membership: Box<dyn Send + Sync>,
}

impl<T: Topic> SubscriberGroup<T> {
    /// Creates an empty group for the room and topic of `joined`, in its `place` there. Its tasks are
    /// spawned on `tasks`.
    ///
    /// # Errors
    ///
    /// Returns an internal error if the room is not ready for listeners.
    pub fn new(
        feed: Feed,
        joined: &Joined<T>,
        render: Arc<dyn Render>,
        place: GroupPlace,
        tasks: TaskTracker,
    ) -> Result<Arc<Self>, Error> {
        let (topic, source) = (joined.topic.clone(), joined.source.clone());
        let (receiver, progress) = topic.receiver(&source)?;
        let renderer = Arc::new(GroupRenderer::new(render, place, joined.room));
        let memory = feed.memory.clone();
        let group = Arc::new(Self {
            topic: topic.clone(),
            source,
            feed,
            renderer: Arc::clone(&renderer),
            tasks,
            state: Mutex::new(State {
                progress,
                live: IndexMap::new(),
                next_id: 0,
                replay: VecDeque::new(),
                replay_bytes: 0,
                end: None,
            }),
            fanout: OnceLock::new(),
        });
        let (ending, weak) = (joined.ending.clone(), Arc::downgrade(&group));
        let fanout = fanout::run(topic, receiver, renderer, memory, ending, weak);
        let fanout = group.tasks.spawn(fanout).abort_handle();
        // The cell is empty, because the group was not shared yet.
        let _ = group.fanout.set(fanout);
        Ok(group)
    }

    /// Returns the topic.
    pub fn topic(&self) -> &T {
        &self.topic
    }

    /// Adds a subscriber, whose payloads go to `sink`. It is first sent what it misses, which is
    /// reserved from `memory`.
    pub async fn subscribe(
        self: &Arc<Self>,
        joined: Joined<T>,
        sink: Arc<dyn Sink>,
        memory: Account,
    ) -> Subscription {
        let Joined {
            membership,
            progress,
            excluded,
            ..
        } = joined;
        let subscriber = Arc::new(Subscriber::new(sink, excluded, progress, memory));
        let id = {
            let mut state = self.state.lock();
            state.next_id += 1;
            state.next_id
        };
        let subscribed = Subscribed {
            subscriber: Arc::clone(&subscriber),
            id,
            group: Arc::clone(self),
            _membership: membership,
        };
        if matches!(
            self.go_live(id, &subscriber),
            Delivery::Full | Delivery::Behind
        ) {
            if T::IS_LOG {
                self.feed.metrics.resumed.increment(1);
            }
            let catch_up = catch_up::run(Arc::clone(self), id, Arc::clone(&subscriber));
            let mut catch_up = Box::pin(catch_up);
            // A catch-up that need not wait ends with its first poll, so it needs no task.
            if poll!(&mut catch_up).is_pending() {
                subscriber.start_catch_up(|| self.tasks.spawn(catch_up).abort_handle());
            }
        }
        Subscription {
            _subscribed: Box::new(subscribed),
        }
    }

    /// Makes a subscriber live, if it has the group's progress or the replay buffer leads to it.
    pub(super) fn go_live(&self, id: SubscriberId, subscriber: &Arc<Subscriber<T>>) -> Delivery {
        let mut delivered = 0;
        let mut state = self.state.lock();
        if let Some(end) = state.end {
            subscriber.fail(end.into());
            return Delivery::Ended;
        }
        let replay = |progress: &Progress<T::State>| state.replay_from(progress);
        let delivery = subscriber.go_live(state.progress.position, replay, &mut delivered);
        if delivery == Delivery::Complete {
            state.live.insert(id, Arc::clone(subscriber));
        }
        drop(state);
        self.renderer.record_delivered(delivered);
        delivery
    }

    /// Delivers updates to all live subscribers, and adds them to the replay buffer.
    pub(super) async fn deliver(self: &Arc<Self>, updates: Vec<Update<T>>) {
        let (batch, mut left) = {
            let mut state = self.state.lock();
            let batch = Batch::new(state.progress.clone(), updates);
            state.progress = batch.after().clone();
            if T::IS_LOG {
                let limit = self.renderer.replay_bytes();
                state.add_to_replay(batch.updates(), limit, &self.feed.replays);
            }
            (batch, state.live.len())
        };
        let mut turn = Vec::with_capacity(SUBSCRIBERS_PER_TURN.min(left));
        while left > 0 {
            // From the end to the front: the last subscriber, which was served, takes the index of
            // one that is removed. A subscriber that joins meanwhile already has the batch.
            {
                let state = self.state.lock();
                let end = left.min(state.live.len());
                left = end.saturating_sub(SUBSCRIBERS_PER_TURN);
                let live = state.live.as_slice().get_range(left..end);
                turn.extend(
                    live.into_iter()
                        .flatten()
                        .map(|(&id, subscriber)| (id, Arc::clone(subscriber))),
                );
            }
            let mut delivered = 0;
            for (id, subscriber) in turn.drain(..) {
                match subscriber.deliver(&batch, &mut delivered) {
                    Delivery::Complete => {}
                    Delivery::Full | Delivery::Behind => {
                        self.feed.metrics.slow.increment(1);
                        self.state.lock().live.swap_remove(&id);
                        self.catch_up(id, &subscriber);
                    }
                    Delivery::Ended => {
                        self.state.lock().live.swap_remove(&id);
                    }
                }
            }
            self.renderer.record_delivered(delivered);
            if left > 0 {
                tokio::task::yield_now().await;
            }
        }
    }

    /// Moves the group on to `progress` after a gap. All live subscribers catch up.
    pub(super) fn skip_to(self: &Arc<Self>, progress: Progress<T::State>) {
        let behind = self.state.lock().skip_to(progress);
        self.feed.metrics.missed.increment(behind.len() as u64);
        for (id, subscriber) in behind {
            subscriber.fall_behind();
            self.catch_up(id, &subscriber);
        }
    }

    /// Ends the subscriptions of all live subscribers, because an event could not be rendered, and
    /// moves the group on to `progress`, the progress after that event.
    pub(super) fn fail(&self, error: RenderError, progress: Progress<T::State>) {
        let live = self.state.lock().skip_to(progress);
        for subscriber in live.into_values() {
            subscriber.fail(error.into());
        }
    }

    /// Ends all subscriptions, now or when they have caught up, because the room has ended.
    pub(super) fn end(&self, end: RoomEnd) {
        let live = {
            let mut state = self.state.lock();
            state.end = Some(end);
            std::mem::take(&mut state.live)
        };
        for subscriber in live.into_values() {
            subscriber.fail(end.into());
        }
    }

    fn catch_up(self: &Arc<Self>, id: SubscriberId, subscriber: &Arc<Subscriber<T>>) {
        let task = catch_up::run(Arc::clone(self), id, Arc::clone(subscriber));
        subscriber.start_catch_up(|| self.tasks.spawn(task).abort_handle());
    }
}

impl<T: Topic> Drop for SubscriberGroup<T> {
    fn drop(&mut self) {
        if let Some(fanout) = self.fanout.get() {
            fanout.abort();
        }
    }
}

impl<T: Topic> Drop for Subscribed<T> {
    fn drop(&mut self) {
        self.subscriber.end();
        self.group.state.lock().live.swap_remove(&self.id);
    }
}

impl<T: Topic> State<T> {
    /// Returns the updates from `progress` to the group's progress, if the replay buffer has them
    /// all.
    fn replay_from(&self, progress: &Progress<T::State>) -> Option<Batch<T>> {
        let updates = self.replay.iter().map(|replayed| &replayed.update);
        let first = updates.clone().next()?;
        if progress.position < first.progress.position - 1 {
            return None;
        }
        let missing = updates.filter(|update| update.progress.position > progress.position);
        Some(Batch::new(progress.clone(), missing.cloned().collect()))
    }

    /// Adds updates to the replay buffer, and evicts the oldest beyond its bounds: `limit` bytes, and what
    /// `memory` has. Evicts those that an update supersedes.
    fn add_to_replay(&mut self, updates: &[Update<T>], limit: usize, memory: &Account) {
        for update in updates {
            if update.supersedes {
                self.clear_replay();
            }
            let reserved = loop {
                match memory.reserve(update.bytes()) {
                    Ok(reserved) => break Some(reserved),
                    Err(_) if self.replay.is_empty() => break None,
                    Err(_) => self.evict_oldest(),
                }
            };
            let Some(reserved) = reserved else {
                continue;
            };
            self.replay_bytes += update.bytes();
            self.replay.push_back(Replayed {
                update: update.clone(),
                _memory: reserved,
            });
        }
        while self.replay.len() > MAX_REPLAY_UPDATES || self.replay_bytes > limit {
            self.evict_oldest();
        }
    }

    fn clear_replay(&mut self) {
        self.replay.clear();
        self.replay_bytes = 0;
    }

    fn evict_oldest(&mut self) {
        if let Some(replayed) = self.replay.pop_front() {
            self.replay_bytes -= replayed.update.bytes();
        }
    }

    /// Moves on to `progress` after a gap. Returns the live subscribers, which are live no more.
    fn skip_to(
        &mut self,
        progress: Progress<T::State>,
    ) -> IndexMap<SubscriberId, Arc<Subscriber<T>>> {
        self.progress = progress;
        self.clear_replay();
        std::mem::take(&mut self.live)
    }
}
