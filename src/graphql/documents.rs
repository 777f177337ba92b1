//! Documents that were parsed of late: ten thousand readers send the same few.

use std::{num::NonZeroUsize, sync::Arc};

use async_graphql::ServerError;
use parking_lot::Mutex;

use super::{cache::Cache, operation::Prepared};
use crate::metrics::Lookups;

/// How many operations are kept.
const MAX_OPERATIONS: NonZeroUsize = NonZeroUsize::new(1024).expect("not zero");
/// How many bytes their texts may have together. What is kept of one is up to a hundred times as
/// large.
const MAX_BYTES: usize = 128 * 1024;

/// The operations that were asked for of late. Those that nobody has asked for for longest are
/// forgotten, and parsed again.
#[derive(Debug)]
pub(super) struct Documents {
    kept: Mutex<Cache<String, Arc<Prepared>>>,
    lookups: Lookups,
}

impl Default for Documents {
    fn default() -> Self {
        Self {
            kept: Mutex::new(Cache::new(MAX_OPERATIONS, MAX_BYTES)),
            lookups: Lookups::default(),
        }
    }
}

impl Documents {
    /// With what it is counted by.
    pub(super) fn measured(self, lookups: Lookups) -> Self {
        Self { lookups, ..self }
    }

    /// The operation of this name, or the only one, of a document. The error is the request's.
    pub(super) fn operation(
        &self,
        text: &str,
        name: Option<String>,
    ) -> Result<Arc<Prepared>, ServerError> {
        // No document that was parsed begins with a zero byte.
        let key = match &name {
            Some(name) => format!("\0{name}\0{text}"),
            None => text.to_owned(),
        };
        let known = self.kept.lock().get(&key);
        self.lookups.count(known.is_some());
        if let Some(prepared) = known {
            return Ok(prepared);
        }
        let prepared = Arc::new(Prepared::new(text, name)?);
        let bytes = key.len();
        self.kept.lock().keep(key, Arc::clone(&prepared), bytes);
        Ok(prepared)
    }
}
