//! Everybody who hears the same of one room.

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
    join::{Feed, Joined, Progress, Topic},
    sink::{Render, RenderError, Sink},
    subscriber::{Delivery, Subscriber},
};
use crate::{
    error::Error,
    rooms::{Listener, Membership},
};

/// How many subscribers are served before others have a turn on the thread. A whole group is served
/// in one go otherwise, and nobody could join or be read from meanwhile.
const SUBSCRIBERS_PER_TURN: usize = 512;
/// How many updates are kept for subscribers who are a little behind, so that these need not read
/// the store.
const MAX_RECENT: usize = 128;
/// How many bytes those may have.
const MAX_RECENT_BYTES: usize = 256 * 1024;

/// The subscribers who hear the same of one room. It lives as long as any of them takes part or is
/// being caught up.
pub struct SubscriberGroup {
    pub(super) feed: Feed,
    pub(super) listener: Listener,
    pub(super) topic: Topic,
    pub(super) render: Arc<dyn Render>,
    tasks: TaskTracker,
    table: Mutex<Table>,
    /// The task that listens to the room for everybody.
    driver: OnceLock<AbortHandle>,
}

/// Who is served, and what they were given.
struct Table {
    /// What everybody who takes part has been given, or is being given.
    seen: Progress,
    subscribers: IndexMap<SubscriberId, Arc<Subscriber>>,
    next_id: SubscriberId,
    /// The latest updates of a feed, without a hole, the last of which leads to `seen`.
    recent: VecDeque<Update>,
    recent_bytes: usize,
}

type SubscriberId = u64;

/// A subscription under way. Dropping it ends it at once: nothing is delivered behind that, and its
/// membership of the room ends with it.
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
    /// An group that hears what `joined` came for. What it starts runs in `tasks`.
    pub fn new(
        feed: Feed,
        joined: &Joined,
        render: Arc<dyn Render>,
        tasks: TaskTracker,
    ) -> Result<Arc<Self>, Error> {
        let listener = joined.membership.listener();
        let (source, seen) = Fanout::new(&listener, joined.topic)?;
        let group = Arc::new(Self {
            feed,
            listener,
            topic: joined.topic,
            render,
            tasks,
            table: Mutex::new(Table {
                seen,
                subscribers: IndexMap::new(),
                next_id: 0,
                recent: VecDeque::new(),
                recent_bytes: 0,
            }),
            driver: OnceLock::new(),
        });
        let driving = source.drive(Arc::downgrade(&group));
        let driver = group.tasks.spawn(driving).abort_handle();
        // Nobody else has seen the group yet.
        let _ = group.driver.set(driver);
        Ok(group)
    }

    /// Takes somebody in. What they have not seen yet comes first.
    pub async fn subscribe(self: &Arc<Self>, joined: Joined, sink: Arc<dyn Sink>) -> Subscription {
        let Joined {
            membership,
            seen,
            excluded,
            ..
        } = joined;
        let subscriber = Arc::new(Subscriber::new(sink, excluded, seen));
        let id = {
            let mut table = self.table.lock();
            table.next_id += 1;
            table.next_id
        };
        let subscription = Subscription {
            subscriber: Arc::clone(&subscriber),
            id,
            group: Arc::clone(self),
            _membership: membership,
        };
        if matches!(
            self.take_part(id, &subscriber),
            Delivery::Full | Delivery::Behind
        ) {
            if matches!(self.topic, Topic::Changes(_)) {
                self.feed.metrics.resumed.increment(1);
            }
            let mut catch_up =
                Box::pin(catch_up::run(Arc::clone(self), id, Arc::clone(&subscriber)));
            // Mostly what is missing is at hand, and the sink takes it.
            if poll!(&mut catch_up).is_pending() {
                subscriber.be_caught_up(|| self.tasks.spawn(catch_up).abort_handle());
            }
        }
        subscription
    }

    /// What everybody who takes part has been given, or is being given.
    pub(super) fn seen(&self) -> Progress {
        self.table.lock().seen.clone()
    }

    /// Has somebody take part who has seen what the others have, or who is so little behind that
    /// the rest is at hand.
    pub(super) fn take_part(&self, id: SubscriberId, subscriber: &Arc<Subscriber>) -> Delivery {
        let mut delivered = 0;
        let mut table = self.table.lock();
        let replay = |seen: &Progress| table.replay(seen);
        let given = subscriber.go_live(table.seen.place, replay, &mut delivered);
        if given == Delivery::All {
            table.subscribers.insert(id, Arc::clone(subscriber));
        }
        drop(table);
        self.count(delivered);
        given
    }

    /// Gives everybody what is new, and remembers it for those who are a little behind.
    pub(super) async fn deliver(self: &Arc<Self>, updates: Vec<Update>) {
        let (batch, mut left) = {
            let mut table = self.table.lock();
            let batch = Batch::new(table.seen.clone(), updates);
            table.seen = batch.after().clone();
            if matches!(self.topic, Topic::Changes(_)) {
                table.remember(batch.updates());
            }
            (batch, table.subscribers.len())
        };
        let mut turn = Vec::with_capacity(SUBSCRIBERS_PER_TURN.min(left));
        while left > 0 {
            // From the end to the front: one who leaves is replaced by the last, who was served.
            // Who comes meanwhile has seen the batch.
            {
                let table = self.table.lock();
                let end = left.min(table.subscribers.len());
                left = end.saturating_sub(SUBSCRIBERS_PER_TURN);
                let subscribers = table.subscribers.as_slice().get_range(left..end);
                turn.extend(
                    subscribers
                        .into_iter()
                        .flatten()
                        .map(|(&id, subscriber)| (id, Arc::clone(subscriber))),
                );
            }
            let mut delivered = 0;
            for (id, subscriber) in turn.drain(..) {
                match subscriber.deliver(&batch, &mut delivered) {
                    Delivery::All => {}
                    Delivery::Full | Delivery::Behind => {
                        self.feed.metrics.slow.increment(1);
                        self.table.lock().subscribers.swap_remove(&id);
                        self.catch_up(id, &subscriber);
                    }
                    Delivery::Left => {
                        self.table.lock().subscribers.swap_remove(&id);
                    }
                }
            }
            self.count(delivered);
            if left > 0 {
                tokio::task::yield_now().await;
            }
        }
    }

    /// Has everybody read from the store what the room was not told of, up to `place`.
    pub(super) fn miss(self: &Arc<Self>, place: i64) {
        let behind = {
            let mut table = self.table.lock();
            table.seen.place = place;
            table.forget();
            std::mem::take(&mut table.subscribers)
        };
        self.feed.metrics.missed.increment(behind.len() as u64);
        for (id, subscriber) in behind {
            subscriber.fall_behind();
            self.catch_up(id, &subscriber);
        }
    }

    /// Ends everybody's subscription: an event could not be rendered.
    pub(super) fn fail(&self, why: RenderError) {
        let subscribers = std::mem::take(&mut self.table.lock().subscribers);
        for subscriber in subscribers.into_values() {
            subscriber.fail(why.into());
        }
    }

    pub(super) fn count(&self, delivered: usize) {
        if delivered > 0 {
            self.render.delivered(delivered);
        }
    }

    fn catch_up(self: &Arc<Self>, id: SubscriberId, subscriber: &Arc<Subscriber>) {
        let task = catch_up::run(Arc::clone(self), id, Arc::clone(subscriber));
        subscriber.be_caught_up(|| self.tasks.spawn(task).abort_handle());
    }
}

impl Drop for SubscriberGroup {
    fn drop(&mut self) {
        if let Some(driver) = self.driver.get() {
            driver.abort();
        }
        self.render.over(self.listener.room());
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.subscriber.leave();
        self.group.table.lock().subscribers.swap_remove(&self.id);
    }
}

impl Table {
    /// What leads from what somebody has seen to what the others have; `None` where that is not at
    /// hand.
    fn replay(&self, seen: &Progress) -> Option<Batch> {
        let first = self.recent.front()?;
        if seen.place < first.after.place - 1 {
            return None;
        }
        let missing = self
            .recent
            .iter()
            .filter(|update| update.after.place > seen.place);
        Some(Batch::new(seen.clone(), missing.cloned().collect()))
    }

    fn remember(&mut self, updates: &[Update]) {
        for update in updates {
            self.recent_bytes += update.bytes();
            self.recent.push_back(update.clone());
        }
        while self.recent.len() > MAX_RECENT || self.recent_bytes > MAX_RECENT_BYTES {
            match self.recent.pop_front() {
                Some(update) => self.recent_bytes -= update.bytes(),
                None => break,
            }
        }
    }

    fn forget(&mut self) {
        self.recent.clear();
        self.recent_bytes = 0;
    }
}
