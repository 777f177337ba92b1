//! Rendering of events: one execution an event, whose bytes all subscribers with the same operation
//! share.
//!
//! To render an event, its operation is executed with the event in its context. The resolver of the
//! root field returns that event alone. The subscribers of all rooms that have the same
//! fingerprint share one [`SharedExecution`]; those in one room are one [`SubscriberGroup`].
//!
//! A payload never depends on a caller: a rendering has none, and a field that needs one fails.

use std::{
    any::Any,
    collections::{HashMap, VecDeque, hash_map::Entry},
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
    payload,
    response_budget::ResponseBudget,
};
use crate::{
    error::Error,
    feed::{
        Event, Feed, Joined, Payload, Render, RenderError, Sink, SubscriberGroup, Subscription,
        Topic,
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
    /// Returns an internal error if the execution renders no event, or one of another topic.
    pub(crate) fn event<'a, E: 'static>(context: &Context<'a>) -> Result<&'a E, Error> {
        let rendered = context.data_opt::<Self>();
        let event = rendered.and_then(|Self(event)| event.get());
        event.ok_or_else(|| Error::Internal("the event of a subscription is missing".into()))
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
    groups: Mutex<HashMap<RoomId, Vec<Group>>>,
    /// The latest renderings, oldest first.
    renderings: Mutex<VecDeque<(Event, Rendering)>>,
}

/// A subscriber group of any topic.
struct Group {
    /// The [`Topic`].
    topic: Box<dyn Any + Send>,
    /// The [`SubscriberGroup`].
    group: Weak<dyn Any + Send + Sync>,
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
    pub(super) async fn subscribe<T: Topic>(
        self: &Arc<Self>,
        joined: Joined<T>,
        sink: Arc<dyn Sink>,
    ) -> Result<Subscription, Error> {
        let group = self.group(&joined)?;
        Ok(group.subscribe(joined, sink).await)
    }

    /// Returns the group of the topic in the room that was joined. Creates it if there is none.
    fn group<T: Topic>(
        self: &Arc<Self>,
        joined: &Joined<T>,
    ) -> Result<Arc<SubscriberGroup<T>>, Error> {
        let (room, topic) = (joined.room(), joined.topic());
        let mut groups = self.groups.lock();
        let in_room = groups.get(&room).into_iter().flatten();
        // No other group is upgraded: its drop would lock `groups` again.
        let mut of_topic = in_room.filter(|group| group.topic.downcast_ref() == Some(topic));
        if let Some(group) = of_topic.find_map(|group| group.group.upgrade())
            && let Ok(group) = group.downcast()
        {
            return Ok(group);
        }
        let Registry { feed, tasks, .. } = &*self.registry;
        self.registry.reserve_group(room)?;
        let render: Arc<dyn Render> = Arc::<Self>::clone(self);
        let group = SubscriberGroup::new(feed.clone(), joined, render, tasks.clone());
        let group = group.inspect_err(|_| self.registry.release_group(room))?;
        let weak = Arc::downgrade(&group);
        groups.entry(room).or_default().push(Group {
            topic: Box::new(topic.clone()),
            group: weak,
        });
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
        let budget = ResponseBudget::of_event(MAX_PAYLOAD_BYTES);
        let operation = self.operation.again().with(rendered);
        let operation = operation.with(budget.clone());
        let execution = first(self.registry.schema.clone(), operation);
        let rendering = async move {
            let response = execution.await;
            if budget.is_spent() {
                return Err(RenderError::TooLarge);
            }
            payload::write(&response, MAX_PAYLOAD_BYTES)
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
        if let Entry::Occupied(mut groups) = self.groups.lock().entry(room) {
            groups
                .get_mut()
                .retain(|group| group.group.strong_count() > 0);
            if groups.get().is_empty() {
                groups.remove();
            }
        }
    }
}

impl Drop for SharedExecution {
    fn drop(&mut self) {
        let mut executions = self.registry.by_fingerprint.lock();
        // A new execution may have replaced this one before the lock.
        if let Entry::Occupied(execution) = executions.entry(self.fingerprint.clone())
            && execution.get().strong_count() == 0
        {
            execution.remove();
        }
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
