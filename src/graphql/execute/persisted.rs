//! Automatic persisted queries (Apollo's protocol): a client sends the hash of a document instead of
//! its text, and the text as well if the server does not know the hash.
//!
//! The texts are a cache. The next client that means an evicted text sends it again, at the price of
//! one more request.

use std::{fmt, num::NonZeroUsize, sync::Arc};

use async_graphql::ServerError;
use parking_lot::Mutex;
use serde::{Deserialize, Deserializer, de};
use sha2::{Digest, Sha256};

use super::{cache::Cache, metrics::CacheMetrics};
use crate::{
    error::Error,
    graphql::{
        error::{request_error, server_error},
        error_code::ErrorCode,
    },
};

/// The SHA-256 of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct QueryHash([u8; 32]);

impl QueryHash {
    /// Hashes a text.
    pub fn of(text: &str) -> Self {
        Self(Sha256::digest(text).into())
    }
}

impl fmt::Display for QueryHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl<'de> Deserialize<'de> for QueryHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let digits = String::deserialize(deserializer)?;
        let mut hash = Self([0; 32]);
        hex::decode_to_slice(digits, &mut hash.0).map_err(de::Error::custom)?;
        Ok(hash)
    }
}

/// The documents that clients may name by their hash: such as were valid. They end with the process.
///
/// At the bounds, of documents and of bytes, the least recently used are evicted. A document that is
/// larger than the bound of bytes is not kept.
#[derive(Debug)]
pub(super) struct PersistedQueries {
    texts: Mutex<Cache<QueryHash, Arc<str>>>,
    metrics: CacheMetrics,
}

impl PersistedQueries {
    /// Creates a cache of at most `documents` documents and `bytes` bytes of them.
    pub(super) fn new(documents: NonZeroUsize, bytes: usize, metrics: CacheMetrics) -> Self {
        Self {
            texts: Mutex::new(Cache::new(documents, bytes)),
            metrics,
        }
    }

    /// Finds the text with this hash. The error is the one of Apollo's protocol if it is not kept.
    pub(super) fn find(&self, hash: QueryHash) -> Result<String, Vec<ServerError>> {
        let text = self.texts.lock().get(&hash);
        self.metrics.record(text.is_some());
        let text = text.ok_or_else(|| vec![not_found()])?;
        Ok(text.to_string())
    }

    /// Refuses a text that has another hash.
    pub(super) fn check(&self, hash: QueryHash, text: &str) -> Result<(), Vec<ServerError>> {
        if hash == QueryHash::of(text) {
            Ok(())
        } else {
            Err(vec![another_hash()])
        }
    }

    /// Keeps a valid document under its hash.
    pub(super) fn keep(&self, hash: QueryHash, text: String) {
        let bytes = text.len();
        self.texts.lock().insert(hash, text.into(), bytes);
    }
}

/// Clients of the protocol look for this message and code.
fn not_found() -> ServerError {
    let error = ServerError::new("PersistedQueryNotFound", None);
    request_error(ErrorCode::PersistedQueryNotFound, error)
}

fn another_hash() -> ServerError {
    let field = "extensions.persistedQuery.sha256Hash";
    server_error(Error::bad_input(
        field,
        "The hash is not the SHA-256 of the query.",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Registry;

    fn queries(documents: usize, bytes: usize) -> PersistedQueries {
        let metrics = CacheMetrics::persisted(&Registry::new());
        PersistedQueries::new(NonZeroUsize::new(documents).unwrap(), bytes, metrics)
    }

    fn keep(queries: &PersistedQueries, text: &str) {
        queries.keep(QueryHash::of(text), text.to_owned());
    }

    fn is_known(queries: &PersistedQueries, text: &str) -> bool {
        queries
            .find(QueryHash::of(text))
            .is_ok_and(|known| known == text)
    }

    #[test]
    fn least_recently_used_document_is_evicted_first() {
        let queries = queries(2, 1_000);
        keep(&queries, "{ a }");
        keep(&queries, "{ b }");
        assert!(is_known(&queries, "{ a }"));
        keep(&queries, "{ c }");
        assert!(!is_known(&queries, "{ b }"));
        assert!(is_known(&queries, "{ a }") && is_known(&queries, "{ c }"));
    }

    #[test]
    fn bound_of_bytes_evicts_as_many_as_necessary() {
        let queries = queries(10, 20);
        for text in ["{ a }", "{ b }", "{ c }", "{ d }"] {
            keep(&queries, text);
        }
        keep(&queries, "{ a }");
        let long = "{ abcdef }";
        keep(&queries, long);
        assert!(!is_known(&queries, "{ b }") && !is_known(&queries, "{ c }"));
        assert!(is_known(&queries, "{ a }") && is_known(&queries, "{ d }"));
        assert!(is_known(&queries, long));
        // A document that is larger than the bound evicts nothing.
        let too_long = "{ abcdefghijklmnopqrst }";
        keep(&queries, too_long);
        assert!(!is_known(&queries, too_long));
        assert!(is_known(&queries, long) && is_known(&queries, "{ a }"));
        assert_eq!(queries.texts.lock().bytes(), 20);
    }

    #[test]
    fn text_with_another_hash_is_refused() {
        let queries = queries(10, 1_000);
        let refused = queries.check(QueryHash::of("{ a }"), "{ b }").unwrap_err();
        assert!(refused[0].message.contains("SHA-256"));
        assert!(queries.check(QueryHash::of("{ a }"), "{ a }").is_ok());
    }
}
