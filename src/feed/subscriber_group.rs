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
    catch_up,
    fanout::Fanout,
    join::{Feed, Joined},
    progress::Progress,
    render::Render,
    render_error::RenderError,
    sink::Sink,
    subscriber::{Delivery, Subscriber},
    topic::Topic,
};
use crate::{
    error::Error,
    rooms::{Listener, Membership},
};

/// Number of subscribers served before other tasks get a turn on the thread. Without it, no client
/// could join or be read from while a large group is served.
const SUBSCRIBERS_PER_TURN: usize = 512;
/// Maximum number of updates in the replay buffer. It serves subscribers that are slightly behind,
/// so these need not read the store.
const MAX_REPLAY_UPDATES: usize = 128;
/// Maximum size of the payloads in the replay buffer.
const MAX_REPLAY_BYTES: usize = 256 * 1024;

/// The subscribers of one operation in one room. A group lives as long as a subscription or a
/// catch-up task in it.
pub struct SubscriberGroup {
    pub(super) feed: Feed,
    pub(super) listener: Listener,
    pub(super) topic: Topic,
    pub(super) render: Arc<dyn Render>,
    tasks: TaskTracker,
    state: Mutex<State>,
    /// The task that receives the room's events for the group.
    fanout: OnceLock<AbortHandle>,
}

/// The live subscribers, and their common progress.
struct State {
    /// The progress to which the live subscribers have been brought, or are being brought.
    progress: Progress,
    live: IndexMap<SubscriberId, Arc<Subscriber>>,
    next_id: SubscriberId,
    /// The latest updates of a feed, without a gap. The last leads to `progress`.
    replay: VecDeque<Update>,
    replay_bytes: usize,
}

type SubscriberId = u64;

/// A subscription. Dropping it ends it at once: nothing is sent after that, and its membership in
/// the room ends too.
pub struct Subscription {
    subscriber: Arc<Subscriber>,
    id: SubscriberId,
    group: Arc<SubscriberGroup>,
    _membership: Membership,
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subscription").finish_non_exhaustive()
    }
}

impl SubscriberGroup {
    /// Creates an empty group for the room and topic of `joined`. Its tasks are spawned on `tasks`.
    ///
    /// # Errors
    ///
    /// Returns an internal error if the head of the room's feed is not established.
    pub fn new(
        feed: Feed,
        joined: &Joined,
        render: Arc<dyn Render>,
        tasks: TaskTracker,
    ) -> Result<Arc<Self>, Error> {
        let listener = joined.membership.listener();
        let (fanout, progress) = Fanout::new(&listener, joined.topic)?;
        let group = Arc::new(Self {
            feed,
            listener,
            topic: joined.topic,
            render,
            tasks,
            state: Mutex::new(State {
                progress,
                live: IndexMap::new(),
                next_id: 0,
                replay: VecDeque::new(),
                replay_bytes: 0,
            }),
            fanout: OnceLock::new(),
        });
        let fanout = fanout.run(Arc::downgrade(&group));
        let fanout = group.tasks.spawn(fanout).abort_handle();
        // The cell is empty, because the group was not shared yet.
        let _ = group.fanout.set(fanout);
        Ok(group)
    }

    /// Adds a subscriber, whose payloads go to `sink`. It is first sent what it misses.
    pub async fn subscribe(self: &Arc<Self>, joined: Joined, sink: Arc<dyn Sink>) -> Subscription {
        let Joined {
            membership,
            progress,
            excluded,
            ..
        } = joined;
        let subscriber = Arc::new(Subscriber::new(sink, excluded, progress));
        let id = {
            let mut state = self.state.lock();
            state.next_id += 1;
            state.next_id
        };
        let subscription = Subscription {
            subscriber: Arc::clone(&subscriber),
            id,
            group: Arc::clone(self),
            _membership: membership,
        };
        if matches!(
            self.go_live(id, &subscriber),
            Delivery::Full | Delivery::Behind
        ) {
            if matches!(self.topic, Topic::Changes(_)) {
                self.feed.metrics.resumed.increment(1);
            }
            let catch_up = catch_up::run(Arc::clone(self), id, Arc::clone(&subscriber));
            let mut catch_up = Box::pin(catch_up);
            // A catch-up that need not wait ends with its first poll, so it needs no task.
            if poll!(&mut catch_up).is_pending() {
                subscriber.start_catch_up(|| self.tasks.spawn(catch_up).abort_handle());
            }
        }
        subscription
    }

    /// Returns the progress of the live subscribers. Deliveries up to it may be under way.
    pub(super) fn progress(&self) -> Progress {
        self.state.lock().progress.clone()
    }

    /// Makes a subscriber live, if it has the group's progress or the replay buffer leads to it.
    pub(super) fn go_live(&self, id: SubscriberId, subscriber: &Arc<Subscriber>) -> Delivery {
        let mut delivered = 0;
        let mut state = self.state.lock();
        let replay = |progress: &Progress| state.replay_from(progress);
        let delivery = subscriber.go_live(state.progress.position, replay, &mut delivered);
        if delivery == Delivery::Complete {
            state.live.insert(id, Arc::clone(subscriber));
        }
        drop(state);
        self.record_delivered(delivered);
        delivery
    }

    /// Delivers updates to all live subscribers, and adds them to the replay buffer.
    pub(super) async fn deliver(self: &Arc<Self>, updates: Vec<Update>) {
        let (batch, mut left) = {
            let mut state = self.state.lock();
            let batch = Batch::new(state.progress.clone(), updates);
            state.progress = batch.after().clone();
            if matches!(self.topic, Topic::Changes(_)) {
                state.add_to_replay(batch.updates());
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
            self.record_delivered(delivered);
            if left > 0 {
                tokio::task::yield_now().await;
            }
        }
    }

    /// Moves the group on to `position` after a gap. All live subscribers read the gap from the
    /// store.
    pub(super) fn catch_up_to(self: &Arc<Self>, position: i64) {
        let behind = {
            let mut state = self.state.lock();
            state.progress.position = position;
            state.clear_replay();
            std::mem::take(&mut state.live)
        };
        self.feed.metrics.missed.increment(behind.len() as u64);
        for (id, subscriber) in behind {
            subscriber.fall_behind();
            self.catch_up(id, &subscriber);
        }
    }

    /// Ends the subscriptions of all live subscribers, because an event could not be rendered.
    pub(super) fn fail(&self, error: RenderError) {
        let live = std::mem::take(&mut self.state.lock().live);
        for subscriber in live.into_values() {
            subscriber.fail(error.into());
        }
    }

    /// Records that sinks took `payloads` payloads.
    pub(super) fn record_delivered(&self, payloads: usize) {
        if payloads > 0 {
            self.render.delivered(payloads);
        }
    }

    fn catch_up(self: &Arc<Self>, id: SubscriberId, subscriber: &Arc<Subscriber>) {
        let task = catch_up::run(Arc::clone(self), id, Arc::clone(subscriber));
        subscriber.start_catch_up(|| self.tasks.spawn(task).abort_handle());
    }
}

impl Drop for SubscriberGroup {
    fn drop(&mut self) {
        if let Some(fanout) = self.fanout.get() {
            fanout.abort();
        }
        self.render.group_ended(self.listener.room());
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.subscriber.end();
        self.group.state.lock().live.swap_remove(&self.id);
    }
}

impl State {
    /// Returns the updates from `progress` to the group's progress, if the replay buffer has them
    /// all.
    fn replay_from(&self, progress: &Progress) -> Option<Batch> {
        let first = self.replay.front()?;
        if progress.position < first.progress.position - 1 {
            return None;
        }
        let missing = self
            .replay
            .iter()
            .filter(|update| update.progress.position > progress.position);
        Some(Batch::new(progress.clone(), missing.cloned().collect()))
    }

    /// Adds updates to the replay buffer, and evicts the oldest beyond its bounds.
    fn add_to_replay(&mut self, updates: &[Update]) {
        for update in updates {
            self.replay_bytes += update.bytes();
            self.replay.push_back(update.clone());
        }
        while self.replay.len() > MAX_REPLAY_UPDATES || self.replay_bytes > MAX_REPLAY_BYTES {
            match self.replay.pop_front() {
                Some(update) => self.replay_bytes -= update.bytes(),
                None => break,
            }
        }
    }

    fn clear_replay(&mut self) {
        self.replay.clear();
        self.replay_bytes = 0;
    }
}
