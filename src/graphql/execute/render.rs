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
    future::ready,
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
        Event, Feed, GroupPlace, Joined, Payload, Render, RenderError, RoomShare, Sink,
        SubscriberGroup, Subscription, Topic,
    },
    graphql::schema::{self, StoreLoader},
    memory::{Account, Reservation},
    rooms::RoomId,
    store::Store,
};

/// Maximum number of renderings of one operation that are buffered. Subscribers that join at the same
/// time share them. An event that was evicted is rendered again.
const MAX_RENDERINGS: usize = 32;
/// Size of the buffered payloads of one operation beyond which the oldest are evicted.
const MAX_RENDERED_BYTES: usize = 16 * 1024;
/// About how many bytes a shared execution takes, beside its operation.
const EXECUTION_BYTES: usize = 2048;
/// Maximum size of a payload. An operation may select one long text under many aliases.
const MAX_PAYLOAD_BYTES: usize = 1024 * 1024;

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
        Self::any(context)?.get().ok_or_else(missing)
    }

    /// Returns the event that is being rendered, of any topic.
    ///
    /// # Errors
    ///
    /// Returns an internal error if the execution renders no event.
    pub(crate) fn any<'a>(context: &Context<'a>) -> Result<&'a Event, Error> {
        let rendered = context.data_opt::<Self>();
        rendered.map(|Self(event)| event).ok_or_else(missing)
    }
}

fn missing() -> Error {
    Error::Internal("the event of a subscription is missing".into())
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

/// The services that executions of events work on.
#[derive(Clone)]
pub(super) struct RenderServices {
    pub(super) feed: Feed,
    pub(super) store: Store,
    /// Tracks the tasks of subscriber groups.
    pub(super) tasks: TaskTracker,
}

/// The shared executions that are in use, and what these need.
struct Registry {
    schema: ApiSchema,
    services: RenderServices,
    by_fingerprint: Mutex<HashMap<Fingerprint, Weak<SharedExecution>>>,
    /// The bounds that the subscriber groups of each room share.
    rooms: Mutex<HashMap<RoomId, Weak<RoomShare>>>,
    executions: AtomicU64,
    deliveries: AtomicU64,
}

/// The execution of one operation for all its subscribers, in all rooms. It lives as long as any of
/// its groups.
pub(super) struct SharedExecution {
    fingerprint: Fingerprint,
    operation: Operation,
    registry: Arc<Registry>,
    _memory: Reservation,
    groups: Mutex<HashMap<RoomId, Vec<Group>>>,
    /// The latest renderings, oldest first.
    renderings: Arc<Mutex<VecDeque<(Event, Rendering)>>>,
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
    /// Creates a renderer that executes operations in `schema`.
    pub(super) fn new(schema: ApiSchema, services: RenderServices) -> Self {
        Self {
            shared: Arc::new(Registry {
                schema,
                services,
                by_fingerprint: Mutex::default(),
                rooms: Mutex::default(),
                executions: AtomicU64::new(0),
                deliveries: AtomicU64::new(0),
            }),
        }
    }

    /// Returns the shared execution of all operations with this fingerprint. Creates it from
    /// `operation`, which is valid, if there is none. What it keeps is reserved from `account`.
    ///
    /// # Errors
    ///
    /// Fails if the memory for a new one cannot be reserved.
    pub(super) fn execution(
        &self,
        fingerprint: Fingerprint,
        operation: &Operation,
        account: &Account,
    ) -> Result<Arc<SharedExecution>, Error> {
        let mut executions = self.shared.by_fingerprint.lock();
        if let Some(execution) = executions.get(&fingerprint).and_then(Weak::upgrade) {
            return Ok(execution);
        }
        let kept = EXECUTION_BYTES + operation.bytes() + fingerprint.bytes();
        let execution = Arc::new(SharedExecution {
            _memory: account.reserve(kept)?,
            fingerprint: fingerprint.clone(),
            operation: operation.again(),
            registry: Arc::clone(&self.shared),
            groups: Mutex::default(),
            renderings: Arc::default(),
        });
        executions.insert(fingerprint, Arc::downgrade(&execution));
        Ok(execution)
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
    /// Returns a place for one more group in a room. Returns `RateLimited` if the room is full.
    fn add_group(&self, room: RoomId) -> Result<GroupPlace, Error> {
        let mut rooms = self.rooms.lock();
        let weak = rooms.entry(room).or_default();
        let share = weak.upgrade().unwrap_or_else(|| {
            let share = Arc::default();
            *weak = Arc::downgrade(&share);
            share
        });
        share.add_group().ok_or(Error::RateLimited {
            retry_after: RETRY_AFTER,
        })
    }

    /// Forgets a room whose last group has left its place.
    fn group_ended(&self, room: RoomId) {
        if let Entry::Occupied(share) = self.rooms.lock().entry(room)
            && share.get().strong_count() == 0
        {
            share.remove();
        }
    }
}

impl SharedExecution {
    /// Adds a subscriber to the group of its room. Its payloads go to `sink`. What it catches up on is
    /// reserved from `memory`.
    ///
    /// # Errors
    ///
    /// Returns `RateLimited` if the group is new and the room is full of groups.
    pub(super) async fn subscribe<T: Topic>(
        self: &Arc<Self>,
        joined: Joined<T>,
        sink: Arc<dyn Sink>,
        memory: Account,
    ) -> Result<Subscription, Error> {
        let group = self.group(&joined)?;
        Ok(group.subscribe(joined, sink, memory).await)
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
        let RenderServices { feed, tasks, .. } = &self.registry.services;
        let place = self.registry.add_group(room)?;
        let render: Arc<dyn Render> = Arc::<Self>::clone(self);
        let group = SubscriberGroup::new(feed.clone(), joined, render, place, tasks.clone());
        let group = group.inspect_err(|_| self.registry.group_ended(room))?;
        let weak = Arc::downgrade(&group);
        groups.entry(room).or_default().push(Group {
            topic: Box::new(topic.clone()),
            group: weak,
        });
        Ok(group)
    }
}

impl Render for SharedExecution {
    fn render(
        &self,
        event: Event,
        memory: &Account,
    ) -> BoxFuture<'static, Result<Payload, RenderError>> {
        let Ok(reserved) = memory.reserve(self.operation.execution_bytes()) else {
            return ready(Err(RenderError::Overloaded)).boxed();
        };
        self.registry.executions.fetch_add(1, Ordering::Relaxed);
        let RenderServices { store, tasks, .. } = &self.registry.services;
        let memory = memory.clone();
        let budget = ResponseBudget::of_event(reserved, MAX_PAYLOAD_BYTES);
        let replies = StoreLoader::new(store.clone(), Arc::clone(&budget), tasks.clone());
        let epoch = self.registry.services.feed.epoch();
        let place = event.place();
        let event_id = place.map(|place| schema::encode_cursor(epoch, &place.post, place.seq));
        let operation = self.operation.again().with(Rendered(event)).with(replies);
        let operation = operation.with(Arc::clone(&budget));
        let execution = first(self.registry.schema.clone(), operation);
        let rendering = async move {
            let response = execution.await;
            if budget.is_overloaded() {
                return Err(RenderError::Overloaded);
            }
            if budget.is_spent() {
                return Err(RenderError::TooLarge);
            }
            let payload = payload::write(&response, MAX_PAYLOAD_BYTES, &memory)?;
            Ok(payload.with_event_id(event_id))
        };
        AssertUnwindSafe(rendering)
            .catch_unwind()
            .map(|done| done.unwrap_or(Err(RenderError::Failed)))
            .boxed()
    }

    /// Executes the operation, unless a rendering of the event is buffered or under way.
    fn render_once(
        &self,
        event: Event,
        memory: &Account,
    ) -> BoxFuture<'static, Result<Payload, RenderError>> {
        let mut renderings = self.renderings.lock();
        // The newest is the most likely.
        let buffered = renderings.iter().rev().find(|(rendered, rendering)| {
            let is_over = matches!(rendering.peek(), Some(Err(RenderError::Overloaded)));
            rendered.is_same(&event) && !is_over
        });
        if let Some((_, rendering)) = buffered {
            return rendering.clone().boxed();
        }
        let rendering = self.render(event.clone(), memory).shared();
        if renderings.len() >= MAX_RENDERINGS {
            renderings.pop_front();
        }
        renderings.push_back((event, rendering.clone()));
        let buffer = Arc::clone(&self.renderings);
        async move {
            let rendered = rendering.await;
            evict(&mut buffer.lock());
            rendered
        }
        .boxed()
    }

    fn delivered(&self, payloads: usize) {
        let payloads = u64::try_from(payloads).unwrap_or(u64::MAX);
        self.registry
            .deliveries
            .fetch_add(payloads, Ordering::Relaxed);
    }

    fn group_ended(&self, room: RoomId) {
        self.registry.group_ended(room);
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

/// Evicts the oldest renderings until the rest is within its size.
fn evict(renderings: &mut VecDeque<(Event, Rendering)>) {
    let bytes_of = |(_, rendering): &(Event, Rendering)| match rendering.peek() {
        Some(Ok(payload)) => payload.len(),
        Some(Err(_)) | None => 0,
    };
    let mut bytes: usize = renderings.iter().map(bytes_of).sum();
    while bytes > MAX_RENDERED_BYTES {
        match renderings.pop_front() {
            Some(oldest) => bytes -= bytes_of(&oldest),
            None => break,
        }
    }
}
