//! One execution an event: subscribers that ask the same of an event are given the same bytes.
//!
//! A subscription's resolver does its own work (it checks its arguments and joins the room) and
//! hands over its events instead of a stream of results: it is *opened*. An event is then
//! *rendered*: the same operation is executed once more, and its resolver returns just that event.
//! Subscribers with the same operation share the rendering of an event that they share.
//!
//! What a viewer may see never depends on whose execution it was: a rendering has no caller, and a
//! field that asks for one fails.

use std::{
    collections::{HashMap, VecDeque},
    pin::Pin,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use async_graphql::{Context, Response};
use futures_util::{
    FutureExt, Stream,
    future::{BoxFuture, Shared},
};
use parking_lot::Mutex;
use tokio_util::task::TaskTracker;

use super::{operation::Operation, template::Template};
use crate::{
    error::Error,
    model::{Change, PostId},
    rooms::TypingEvent,
};

/// How many renderings of one operation are kept: enough for subscribers who are a little behind.
/// For one further behind the event is rendered again.
const MAX_RENDERINGS: usize = 32;

/// What a subscription tells of, before anything is selected of it.
#[derive(Clone, Debug)]
pub(super) enum Event {
    /// A change; where only additions are subscribed to, one of those.
    Change(Arc<Change>),
    /// How many viewers there are.
    Viewers(usize),
    /// Somebody started or stopped typing at a post.
    Typing(PostId, TypingEvent),
}

impl Event {
    /// Whether the two are rendered alike. A change is known by its identity: one that was read
    /// from the store may have another state of its comment than the one that came live.
    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Change(one), Self::Change(other)) => Arc::ptr_eq(one, other),
            (Self::Viewers(one), Self::Viewers(other)) => one == other,
            (Self::Typing(post, one), Self::Typing(other_post, other)) => {
                (post, one) == (other_post, other)
            }
            _ => false,
        }
    }
}

/// The events of one subscriber, in order. An error is the last.
pub(super) type Events = Pin<Box<dyn Stream<Item = Result<Event, Error>> + Send>>;

/// What a resolver of a subscription is called for.
#[derive(Clone)]
pub(super) enum Purpose {
    /// To hand over the subscriber's events.
    Open(Handover),
    /// To return this event.
    Render(Event),
}

/// Where a resolver puts the events that it opened.
#[derive(Clone, Default)]
pub(super) struct Handover(Arc<Mutex<Option<Events>>>);

impl Handover {
    /// What was put here.
    pub(super) fn take(&self) -> Option<Events> {
        self.0.lock().take()
    }

    /// Puts the subscriber's events here.
    pub(super) fn put(&self, events: impl Stream<Item = Result<Event, Error>> + Send + 'static) {
        *self.0.lock() = Some(Box::pin(events));
    }
}

impl Purpose {
    /// What the resolver of this context is called for.
    pub(super) fn of<'a>(context: &Context<'a>) -> &'a Self {
        context.data_unchecked::<Self>()
    }
}

/// The bytes of a response, in JSON.
pub type Payload = Arc<str>;

/// How many events were executed, and how many were delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Executions of a subscription's selection set.
    pub executions: u64,
    /// Events that were handed to a subscriber's transport.
    pub deliveries: u64,
}

/// The operations that are subscribed to now, each with the renderings of its latest events.
#[derive(Clone, Default)]
pub(super) struct Renderer {
    shared: Arc<Operations>,
}

#[derive(Default)]
struct Operations {
    by_template: Mutex<HashMap<Template, Weak<Group>>>,
    executions: AtomicU64,
    deliveries: AtomicU64,
}

/// The subscribers of one operation. It lives as long as any of them.
pub(super) struct Group {
    template: Template,
    operation: Operation,
    operations: Arc<Operations>,
    renderings: Mutex<VecDeque<(Event, Rendering)>>,
}

/// A rendering under way or done. It runs in a task of its own: a subscriber who is not polled, for
/// its client does not read, cannot hold up the others.
type Rendering = Shared<BoxFuture<'static, Option<Payload>>>;

impl Renderer {
    /// The group of the subscribers whose renderings of an event are the same as this operation's.
    pub(super) fn group(&self, operation: Operation) -> Arc<Group> {
        let template = operation.template();
        let mut groups = self.shared.by_template.lock();
        if let Some(group) = groups.get(&template).and_then(Weak::upgrade) {
            return group;
        }
        let group = Arc::new(Group {
            template: template.clone(),
            operation,
            operations: Arc::clone(&self.shared),
            renderings: Mutex::default(),
        });
        groups.insert(template, Arc::downgrade(&group));
        group
    }

    /// How much was shared so far.
    pub(super) fn counts(&self) -> Counts {
        Counts {
            executions: self.shared.executions.load(Ordering::Relaxed),
            deliveries: self.shared.deliveries.load(Ordering::Relaxed),
        }
    }
}

impl Group {
    /// The bytes of this event for this operation: executed by `execute` in a task of its own, if
    /// nobody asked for them before. `None` where the execution panicked.
    pub(super) async fn render<Execution>(
        &self,
        event: Event,
        tasks: &TaskTracker,
        execute: impl FnOnce(Operation) -> Execution,
    ) -> Option<Payload>
    where
        Execution: Future<Output = Response> + Send + 'static,
    {
        let rendering = {
            let mut renderings = self.renderings.lock();
            // Almost always the newest.
            let known = renderings
                .iter()
                .rev()
                .find(|(known, _)| known.is_same(&event));
            if let Some((_, rendering)) = known {
                rendering.clone()
            } else {
                self.operations.executions.fetch_add(1, Ordering::Relaxed);
                let purpose = Purpose::Render(event.clone());
                let execution = execute(self.operation.again().with(purpose));
                let task = tasks.spawn(async move {
                    serde_json::to_string(&execution.await)
                        .map(Payload::from)
                        .ok()
                });
                let rendering = task.map(|done| done.ok().flatten()).boxed().shared();
                if renderings.len() == MAX_RENDERINGS {
                    renderings.pop_front();
                }
                renderings.push_back((event, rendering.clone()));
                rendering
            }
        };
        let payload = rendering.await;
        self.operations.deliveries.fetch_add(1, Ordering::Relaxed);
        payload
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let mut groups = self.operations.by_template.lock();
        // Another group may have taken the place between the last reference and this.
        if groups
            .get(&self.template)
            .is_some_and(|group| group.strong_count() == 0)
        {
            groups.remove(&self.template);
        }
    }
}
