//! The events of subscriptions.

use std::{any::Any, fmt::Debug, sync::Arc};

use super::topic::{Place, Topic};

/// An event of any topic, before a selection set is applied to it. A clone is cheap.
#[derive(Clone, Debug)]
pub struct Event {
    content: Arc<dyn AnyEvent>,
    place: Option<Place>,
}

trait AnyEvent: Any + Debug + Send + Sync {
    fn is_same(&self, other: &dyn Any) -> bool;
}

impl<E: Any + PartialEq + Debug + Send + Sync> AnyEvent for E {
    fn is_same(&self, other: &dyn Any) -> bool {
        other.downcast_ref::<E>().is_some_and(|other| self == other)
    }
}

impl Event {
    /// Creates the event of a topic.
    pub(super) fn of<T: Topic>(event: T::Event) -> Self {
        Self {
            place: T::place(&event),
            content: Arc::new(event),
        }
    }

    /// Returns its place in a feed, if a client can go on after it.
    pub fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }

    /// Returns the event of a topic, or `None` if it is another topic's.
    pub fn get<E: 'static>(&self) -> Option<&E> {
        let event: &dyn Any = &*self.content;
        event.downcast_ref()
    }

    /// Returns true if both events have the same rendering.
    pub fn is_same(&self, other: &Self) -> bool {
        self.content.is_same(&*other.content)
    }
}
