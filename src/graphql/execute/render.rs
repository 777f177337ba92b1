//! Rendering of events: one execution an event, whose bytes all subscribers with the same operation
//! share.
//!
//! To render an event, its operation is executed with the event in its context. The resolver of the
//! root field returns that event alone. The subscribers of all rooms that have the same
//! fingerprint share one [`SharedExecution`]; those in one room are one [`SubscriberGroup`].
//!
//! A payload never depends on a caller: a rendering has none, and a field that needs one fails.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
    panic::AssertUnwindSafe,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_graphql::Context;
use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use parking_lot::Mutex;
use tokio_util::task::TaskTracker;

use super::{
    executor::{ApiSchema, first},
    fingerprint::Fingerprint,
    operation::Operation,
    response_budget::ResponseBudget,
};
use crate::{
    error::Error,
    feed::{
        Event, Feed, Joined, Payload, Render, RenderError, Sink, SubscriberGroup, Subscription,
    },
    rooms::RoomId,
};

/// Maximum number of renderings of one operation that are buffered. Subscribers that catch up on the
/// same events at the same time share them. An event that was evicted is rendered again.
const MAX_RENDERINGS: usize = 32;
/// Size of the buffered payloads of one operation beyond which the oldest are evicted.
const MAX_RENDERED_BYTES: usize = 256 * 1024;
/// Maximum size of a payload. An operation may select one long text under many aliases.
const MAX_PAYLOAD_BYTES: usize = 1024 * 1024;

/// Maximum number of subscriber groups in one room, because each costs one execution an event. A
/// site has a handful. A subscriber whose group exists is always accepted.
const MAX_GROUPS: usize = 256;
/// Retry hint sent when a room has its maximum number of groups.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// The event that is being rendered, in the context of its execution.
#[derive(Clone)]
pub(crate) struct Rendered(Event);

impl Rendered {
    /// Returns the event that is being rendered.
    ///
    /// # Errors
    ///
    /// Returns an internal error if the execution renders no event.
    pub(crate) fn event<'a>(context: &Context<'a>) -> Result<&'a Event, Error> {
        let rendered = context.data_opt::<Self>();
        let rendered = rendered.map(|Self(event)| event);
        rendered.ok_or_else(|| Error::Internal("a subscription was executed as a query".into()))
    }
}

/// The numbers of executions and deliveries since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Executions of a subscription's selection set.
    pub executions: u64,
    /// Payloads that subscribers' sinks took.
    pub deliveries: u64,
}

/// Renders the events of all subscriptions. Clones share everything.
#[derive(Clone)]
pub(super) struct Renderer {
    shared: Arc<Registry>,
}

/// The shared executions that are in use, and what these need.
struct Registry {
    schema: ApiSchema,
    feed: Feed,
    tasks: TaskTracker,
    by_fingerprint: Mutex<HashMap<Fingerprint, Weak<SharedExecution>>>,
    /// The number of subscriber groups in each room.
    group_counts: Mutex<HashMap<RoomId, usize>>,
    executions: AtomicU64,
    deliveries: AtomicU64,
}

/// The execution of one operation for all its subscribers, in all rooms. It lives as long as any of
/// its groups.
pub(super) struct SharedExecution {
    fingerprint: Fingerprint,
    operation: Operation,
    registry: Arc<Registry>,
    groups: Mutex<HashMap<RoomId, Weak<SubscriberGroup>>>,
    /// The latest renderings, oldest first.
    renderings: Mutex<VecDeque<(Event, Rendering)>>,
}

/// A rendering that is under way or done. Each waiting task polls it, so a task that stops waiting
/// does not delay the others.
type Rendering = Shared<BoxFuture<'static, Result<Payload, RenderError>>>;

impl Renderer {
    /// Creates a renderer that executes operations in `schema`. The tasks of subscriber groups are
    /// spawned on `tasks`.
    pub(super) fn new(schema: ApiSchema, feed: Feed, tasks: TaskTracker) -> Self {
        Self {
            shared: Arc::new(Registry {
                schema,
                feed,
                tasks,
                by_fingerprint: Mutex::default(),
                group_counts: Mutex::default(),
                executions: AtomicU64::new(0),
                deliveries: AtomicU64::new(0),
            }),
        }
    }

    /// Returns the shared execution of all operations with this fingerprint. Creates it from
    /// `operation`, which is valid, if there is none.
    pub(super) fn execution(
        &self,
        fingerprint: Fingerprint,
        operation: &Operation,
    ) -> Arc<SharedExecution> {
        let mut executions = self.shared.by_fingerprint.lock();
        if let Some(execution) = executions.get(&fingerprint).and_then(Weak::upgrade) {
            return execution;
        }
        let execution = Arc::new(SharedExecution {
            fingerprint: fingerprint.clone(),
            operation: operation.again(),
            registry: Arc::clone(&self.shared),
            groups: Mutex::default(),
            renderings: Mutex::default(),
        });
        executions.insert(fingerprint, Arc::downgrade(&execution));
        execution
    }

    /// Returns the numbers of executions and deliveries.
    pub(super) fn counts(&self) -> Counts {
        Counts {
            executions: self.shared.executions.load(Ordering::Relaxed),
            deliveries: self.shared.deliveries.load(Ordering::Relaxed),
        }
    }
}

impl Registry {
    /// Counts one more group of a room. Returns `RateLimited` if the room has [`MAX_GROUPS`].
    fn reserve_group(&self, room: RoomId) -> Result<(), Error> {
        let mut counts = self.group_counts.lock();
        let count = counts.entry(room).or_default();
        if *count >= MAX_GROUPS {
            return Err(Error::RateLimited {
                retry_after: RETRY_AFTER,
            });
        }
        *count += 1;
        Ok(())
    }

    /// Counts one group of a room less.
    fn release_group(&self, room: RoomId) {
        let mut counts = self.group_counts.lock();
        match counts.get_mut(&room) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                counts.remove(&room);
            }
        }
    }
}

impl SharedExecution {
    /// Adds a subscriber to the group of its room. Its payloads go to `sink`.
    ///
    /// # Errors
    ///
    /// Returns `RateLimited` if the group is new and the room has [`MAX_GROUPS`].
    pub(super) async fn subscribe(
        self: &Arc<Self>,
        joined: Joined,
        sink: Arc<dyn Sink>,
    ) -> Result<Subscription, Error> {
        let group = self.group(&joined)?;
        Ok(group.subscribe(joined, sink).await)
    }

    /// Returns the group in the room that was joined. Creates it if there is none.
    fn group(self: &Arc<Self>, joined: &Joined) -> Result<Arc<SubscriberGroup>, Error> {
        let mut groups = self.groups.lock();
        if let Some(group) = groups.get(&joined.room()).and_then(Weak::upgrade) {
            return Ok(group);
        }
        let Registry { feed, tasks, .. } = &*self.registry;
        self.registry.reserve_group(joined.room())?;
        let render: Arc<dyn Render> = Arc::<Self>::clone(self);
        let group = SubscriberGroup::new(feed.clone(), joined, render, tasks.clone());
        let group = group.inspect_err(|_| self.registry.release_group(joined.room()))?;
        groups.insert(joined.room(), Arc::downgrade(&group));
        Ok(group)
    }
}

impl Render for SharedExecution {
    /// Returns the payload of an event. Executes the operation, unless a rendering of the event is
    /// buffered or under way.
    fn render(&self, event: Event) -> BoxFuture<'static, Result<Payload, RenderError>> {
        let mut renderings = self.renderings.lock();
        // The newest is the most likely.
        let buffered = renderings
            .iter()
            .rev()
            .find(|(rendered, _)| rendered.is_same(&event));
        if let Some((_, rendering)) = buffered {
            return rendering.clone().boxed();
        }
        self.registry.executions.fetch_add(1, Ordering::Relaxed);
        let rendered = Rendered(event.clone());
        let budget = ResponseBudget::new(MAX_PAYLOAD_BYTES);
        let operation = self.operation.again().with(rendered);
        let operation = operation.with(budget.clone());
        let execution = first(self.registry.schema.clone(), operation);
        let rendering = async move {
            let response = execution.await;
            if budget.is_spent() {
                return Err(RenderError::TooLarge);
            }
            match serde_json::to_string(&response) {
                Ok(text) if text.len() > MAX_PAYLOAD_BYTES => Err(RenderError::TooLarge),
                Ok(text) => Ok(Payload::from(text)),
                Err(_) => Err(RenderError::Failed),
            }
        };
        let rendering = AssertUnwindSafe(rendering)
            .catch_unwind()
            .map(|done| done.unwrap_or(Err(RenderError::Failed)))
            .boxed()
            .shared();
        evict(&mut renderings);
        renderings.push_back((event, rendering.clone()));
        rendering.boxed()
    }

    fn delivered(&self, payloads: usize) {
        let payloads = u64::try_from(payloads).unwrap_or(u64::MAX);
        self.registry
            .deliveries
            .fetch_add(payloads, Ordering::Relaxed);
    }

    fn group_ended(&self, room: RoomId) {
        self.registry.release_group(room);
        remove_dead(&mut self.groups.lock(), &room);
    }
}

impl Drop for SharedExecution {
    fn drop(&mut self) {
        remove_dead(&mut self.registry.by_fingerprint.lock(), &self.fingerprint);
    }
}

/// Evicts the oldest renderings until one more fits.
fn evict(renderings: &mut VecDeque<(Event, Rendering)>) {
    let bytes_of = |(_, rendering): &(Event, Rendering)| match rendering.peek() {
        Some(Ok(payload)) => payload.len(),
        Some(Err(_)) | None => 0,
    };
    let mut bytes: usize = renderings.iter().map(bytes_of).sum();
    while renderings.len() >= MAX_RENDERINGS || bytes > MAX_RENDERED_BYTES {
        match renderings.pop_front() {
            Some(oldest) => bytes -= bytes_of(&oldest),
            None => break,
        }
    }
}

/// Removes the value of `key` if it was dropped. A new value may have replaced it between the drop
/// of its last reference and this call.
fn remove_dead<K: Eq + Hash, V>(map: &mut HashMap<K, Weak<V>>, key: &K) {
    if map.get(key).is_some_and(|value| value.strong_count() == 0) {
        map.remove(key);
    }
}
