//! The events of subscriptions.

use std::{any::Any, fmt::Debug, sync::Arc};

/// An event of any topic, before a selection set is applied to it. A clone is cheap.
#[derive(Clone, Debug)]
pub struct Event(Arc<dyn AnyEvent>);

trait AnyEvent: Any + Debug + Send + Sync {
    fn is_same(&self, other: &dyn Any) -> bool;
}

impl<E: Any + PartialEq + Debug + Send + Sync> AnyEvent for E {
    fn is_same(&self, other: &dyn Any) -> bool {
        other.downcast_ref::<E>().is_some_and(|other| self == other)
    }
}

impl Event {
    pub(super) fn new<E: PartialEq + Debug + Send + Sync + 'static>(event: E) -> Self {
        Self(Arc::new(event))
    }

    /// Returns the event of a topic, or `None` if it is another topic's.
    pub fn get<E: 'static>(&self) -> Option<&E> {
        let event: &dyn Any = &*self.0;
        event.downcast_ref()
    }

    /// Returns true if both events have the same rendering.
    pub fn is_same(&self, other: &Self) -> bool {
        self.0.is_same(&*other.0)
    }
}
