//! A result in the form in which clients receive it.

use std::{ops::Deref, sync::Arc};

use crate::memory::Reservation;

/// A result in the form in which clients receive it. Clones share the bytes, and keep their memory
/// reserved until the last client has taken them.
#[derive(Clone, Debug)]
pub struct Payload {
    text: Arc<str>,
    _memory: Option<Arc<Reservation>>,
}

impl Payload {
    /// Creates a payload for which `memory` was reserved.
    pub fn new(text: impl Into<Arc<str>>, memory: Reservation) -> Self {
        Self {
            text: text.into(),
            _memory: Some(Arc::new(memory)),
        }
    }

    /// Returns a payload of the same bytes, for which `memory` was reserved.
    #[must_use]
    pub fn reserved_by(&self, memory: Reservation) -> Self {
        Self::new(Arc::clone(&self.text), memory)
    }

    /// Returns a payload of the same bytes, for which no memory is reserved.
    #[must_use]
    pub fn unreserved(&self) -> Self {
        Self {
            text: Arc::clone(&self.text),
            _memory: None,
        }
    }
}

/// A small payload, such as an error, for which no memory is reserved.
impl From<String> for Payload {
    fn from(text: String) -> Self {
        Self {
            text: text.into(),
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
        &self.text
    }
}
