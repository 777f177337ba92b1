//! A result in the form in which clients receive it.

use std::{ops::Deref, sync::Arc};

use crate::memory::Reservation;

/// A result in the form in which clients receive it. Clones share the bytes, and keep their memory
/// reserved until the last client has taken them.
#[derive(Clone, Debug)]
pub struct Payload {
    content: Arc<Content>,
    _memory: Option<Arc<Reservation>>,
}

#[derive(Clone, Debug)]
struct Content {
    text: Box<str>,
    event_id: Option<Box<str>>,
}

impl Payload {
    /// Creates a payload for which `memory` was reserved.
    pub fn new(text: String, memory: Reservation) -> Self {
        Self::from(text).reserved_by(memory)
    }

    /// Sets the id of the event that the payload renders.
    #[must_use]
    pub fn with_event_id(mut self, id: Option<String>) -> Self {
        if let Some(id) = id {
            Arc::make_mut(&mut self.content).event_id = Some(id.into());
        }
        self
    }

    /// Returns the id of the event. A client that sends it back goes on after the event. `None` if the
    /// topic has no past to go on from.
    pub fn event_id(&self) -> Option<&str> {
        self.content.event_id.as_deref()
    }

    /// Returns a payload of the same bytes, for which `memory` was reserved.
    #[must_use]
    pub fn reserved_by(&self, memory: Reservation) -> Self {
        Self {
            content: Arc::clone(&self.content),
            _memory: Some(Arc::new(memory)),
        }
    }

    /// Returns a payload of the same bytes, for which no memory is reserved.
    #[must_use]
    pub fn unreserved(&self) -> Self {
        Self {
            content: Arc::clone(&self.content),
            _memory: None,
        }
    }
}

/// A small payload, such as an error, for which no memory is reserved.
impl From<String> for Payload {
    fn from(text: String) -> Self {
        Self {
            content: Arc::new(Content {
                text: text.into(),
                event_id: None,
            }),
            _memory: None,
        }
    }
}

impl From<&str> for Payload {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl Deref for Payload {
    type Target = str;

    fn deref(&self) -> &str {
        &self.content.text
    }
}
