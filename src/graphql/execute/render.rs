//! One execution an event: subscribers that ask the same of an event are given the same bytes.
//!
//! A subscription's resolver does its own work (it checks its arguments and joins the room) and
//! hands over what it joined instead of a stream of results: it is *opened*. An event is then
//! *rendered*: the same operation is executed once more, and its resolver returns just that event.
//! Subscribers with the same operation share the rendering.
//!
//! What a viewer may see never depends on whose execution it was: a rendering has no caller, and a
//! field that asks for one fails.

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

/// How many renderings of one operation are kept, for subscribers who catch up on the same events
/// at the same time, and how many bytes of them. For others the event is rendered again.
const MAX_RENDERINGS: usize = 32;
const MAX_RENDERED_BYTES: usize = 256 * 1024;
/// The largest rendering: an operation may ask for one long text under many names.
const MAX_PAYLOAD_BYTES: usize = 1024 * 1024;

/// How many different operations may hear the same of one room: each is an execution for every event.
/// A site has a handful, and whoever asks the same as somebody else is always let in.
const MAX_GROUPS: usize = 256;
/// When one who finds so many may try again, if one of them ends meanwhile.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// The event for which a subscription's resolver is called. It returns a stream of that event alone.
#[derive(Clone)]
pub(crate) struct Rendered(Event);

impl Rendered {
    /// Returns the event that is being rendered.
    pub(crate) fn event<'a>(context: &Context<'a>) -> Result<&'a Event, Error> {
        let rendered = context.data_opt::<Self>();
        let rendered = rendered.map(|Self(event)| event);
        rendered.ok_or_else(|| Error::Internal("a subscription was executed as a query".into()))
    }
}

/// How many events were executed, and how many were delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Executions of a subscription's selection set.
    pub executions: u64,
    /// Events that were handed to a subscriber's transport.
    pub deliveries: u64,
}

/// The operations that are subscribed to now.
#[derive(Clone)]
pub(super) struct Renderer {
    shared: Arc<Operations>,
}

struct Operations {
    schema: ApiSchema,
    feed: Feed,
    tasks: TaskTracker,
    by_fingerprint: Mutex<HashMap<Fingerprint, Weak<SharedExecution>>>,
    /// How many groups each room has.
    groups: Mutex<HashMap<RoomId, usize>>,
    executions: AtomicU64,
    deliveries: AtomicU64,
}

/// The subscribers of one operation, in whatever rooms. It lives as long as any of them.
pub(super) struct SharedExecution {
    fingerprint: Fingerprint,
    operation: Operation,
    operations: Arc<Operations>,
    groups: Mutex<HashMap<RoomId, Weak<SubscriberGroup>>>,
    renderings: Mutex<VecDeque<(Event, Rendering)>>,
}

/// A rendering under way or done. Whoever waits for it drives it, so one who waits no more holds up
/// nobody.
type Rendering = Shared<BoxFuture<'static, Result<Payload, RenderError>>>;

impl Renderer {
    /// Events are executed in `schema`, and what is started runs in `tasks`.
    pub(super) fn new(schema: ApiSchema, feed: Feed, tasks: TaskTracker) -> Self {
        Self {
            shared: Arc::new(Operations {
                schema,
                feed,
                tasks,
                by_fingerprint: Mutex::default(),
                groups: Mutex::default(),
                executions: AtomicU64::new(0),
                deliveries: AtomicU64::new(0),
            }),
        }
    }

    /// The group of the subscribers whose renderings of an event are the same as this operation's,
    /// which is valid.
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
            operations: Arc::clone(&self.shared),
            groups: Mutex::default(),
            renderings: Mutex::default(),
        });
        executions.insert(fingerprint, Arc::downgrade(&execution));
        execution
    }

    /// How much was shared so far.
    pub(super) fn counts(&self) -> Counts {
        Counts {
            executions: self.shared.executions.load(Ordering::Relaxed),
            deliveries: self.shared.deliveries.load(Ordering::Relaxed),
        }
    }
}

impl Operations {
    /// Counts one more group of a room; `RateLimited` where it has as many as it may have.
    fn reserve_group(&self, room: RoomId) -> Result<(), Error> {
        let mut groups = self.groups.lock();
        let count = groups.entry(room).or_default();
        if *count >= MAX_GROUPS {
            return Err(Error::RateLimited {
                retry_after: RETRY_AFTER,
            });
        }
        *count += 1;
        Ok(())
    }

    fn release_group(&self, room: RoomId) {
        let mut groups = self.groups.lock();
        match groups.get_mut(&room) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                groups.remove(&room);
            }
        }
    }
}

impl SharedExecution {
    /// Takes one who opened the group's operation into the group of their room.
    pub(super) async fn subscribe(
        self: &Arc<Self>,
        joined: Joined,
        sink: Arc<dyn Sink>,
    ) -> Result<Subscription, Error> {
        let group = self.group(&joined)?;
        Ok(group.subscribe(joined, sink).await)
    }

    /// Those of the group who are in the room that was joined.
    fn group(self: &Arc<Self>, joined: &Joined) -> Result<Arc<SubscriberGroup>, Error> {
        let mut groups = self.groups.lock();
        if let Some(group) = groups.get(&joined.room()).and_then(Weak::upgrade) {
            return Ok(group);
        }
        let Operations { feed, tasks, .. } = &*self.operations;
        self.operations.reserve_group(joined.room())?;
        let render: Arc<dyn Render> = Arc::<Self>::clone(self);
        let group = SubscriberGroup::new(feed.clone(), joined, render, tasks.clone());
        let group = group.inspect_err(|_| self.operations.release_group(joined.room()))?;
        groups.insert(joined.room(), Arc::downgrade(&group));
        Ok(group)
    }
}

impl Render for SharedExecution {
    /// The bytes of this event for this operation, which is executed if nobody asked for them
    /// before.
    fn render(&self, event: Event) -> BoxFuture<'static, Result<Payload, RenderError>> {
        let mut renderings = self.renderings.lock();
        // Almost always the newest.
        let known = renderings
            .iter()
            .rev()
            .find(|(known, _)| known.is_same(&event));
        if let Some((_, rendering)) = known {
            return rendering.clone().boxed();
        }
        self.operations.executions.fetch_add(1, Ordering::Relaxed);
        let rendered = Rendered(event.clone());
        let budget = ResponseBudget::of(MAX_PAYLOAD_BYTES);
        let operation = self.operation.again().with(rendered);
        let operation = operation.with(budget.clone());
        let execution = first(self.operations.schema.clone(), operation);
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
        make_room(&mut renderings);
        renderings.push_back((event, rendering.clone()));
        rendering.boxed()
    }

    fn delivered(&self, payloads: usize) {
        let payloads = u64::try_from(payloads).unwrap_or(u64::MAX);
        self.operations
            .deliveries
            .fetch_add(payloads, Ordering::Relaxed);
    }

    fn over(&self, room: RoomId) {
        self.operations.release_group(room);
        remove_dead(&mut self.groups.lock(), &room);
    }
}

impl Drop for SharedExecution {
    fn drop(&mut self) {
        remove_dead(
            &mut self.operations.by_fingerprint.lock(),
            &self.fingerprint,
        );
    }
}

/// Forgets the oldest renderings until there is room for one more.
fn make_room(renderings: &mut VecDeque<(Event, Rendering)>) {
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

/// Takes out what nobody holds any more. Another may have taken its place between the last
/// reference and this.
fn remove_dead<K: Eq + Hash, V>(map: &mut HashMap<K, Weak<V>>, key: &K) {
    if map.get(key).is_some_and(|value| value.strong_count() == 0) {
        map.remove(key);
    }
}
