//! The caches of documents and of normal forms: thousands of clients send the same few operations.

use std::{
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use apollo_compiler::{Schema, validation::Valid};
use async_graphql::ServerError;
use parking_lot::Mutex;

use super::{
    cache::Cache, document::Document, metrics::CacheMetrics, normal_form::NormalForm,
    normalize::Shape,
};

/// Maximum number of cached documents.
const MAX_DOCUMENTS: NonZeroUsize = NonZeroUsize::new(1024).expect("not zero");
/// Maximum length of the texts of cached documents. A document takes up to a hundred times the
/// memory of its text.
const MAX_TEXT_BYTES: usize = 128 * 1024;
/// Maximum number of cached normal forms.
const MAX_FORMS: NonZeroUsize = NonZeroUsize::new(4096).expect("not zero");
/// Maximum memory of cached normal forms.
const MAX_FORM_BYTES: usize = 16 * 1024 * 1024;

/// A normal form's document, the offset of its operation, and its shape.
type FormKey = (u64, usize, Shape);

/// The documents and normal forms that were used last. At the bounds the least recently used are
/// evicted.
#[derive(Debug)]
pub(super) struct DocumentCache {
    documents: Mutex<Cache<String, Arc<Document>>>,
    forms: Mutex<Cache<FormKey, Arc<NormalForm>>>,
    next_id: AtomicU64,
    metrics: CacheMetrics,
}

impl DocumentCache {
    /// Creates an empty cache.
    pub(super) fn new(metrics: CacheMetrics) -> Self {
        Self {
            documents: Mutex::new(Cache::new(MAX_DOCUMENTS, MAX_TEXT_BYTES)),
            forms: Mutex::new(Cache::new(MAX_FORMS, MAX_FORM_BYTES)),
            next_id: AtomicU64::new(0),
            metrics,
        }
    }

    /// Returns the document with this text. Parses and validates it if it is not cached.
    pub(super) fn document(
        &self,
        schema: &Valid<Schema>,
        text: String,
    ) -> Result<Arc<Document>, Vec<ServerError>> {
        let known = self.documents.lock().get(&text);
        self.metrics.record(known.is_some());
        if let Some(document) = known {
            return Ok(document);
        }
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let document = Arc::new(Document::new(id, schema, &text)?);
        let bytes = text.len();
        let kept = Arc::clone(&document);
        self.documents.lock().insert(text, kept, bytes);
        Ok(document)
    }

    /// Returns the normal form of the operation at an offset in `document`. Calls `normalize` if it is not cached.
    pub(super) fn normal_form(
        &self,
        document: &Document,
        operation: usize,
        shape: Shape,
        normalize: impl FnOnce() -> Result<NormalForm, ServerError>,
    ) -> Result<Arc<NormalForm>, ServerError> {
        let key = (document.id, operation, shape);
        if let Some(form) = self.forms.lock().get(&key) {
            return Ok(form);
        }
        let form = Arc::new(normalize()?);
        let bytes = form.bytes() + size_of::<FormKey>() + key.2.bytes();
        self.forms.lock().insert(key, Arc::clone(&form), bytes);
        Ok(form)
    }
}
