//! Automatic persisted queries (Apollo's protocol): a client sends the hash of a document instead of
//! its text, and the text with it once, where the hash is not known.
//!
//! What is kept is a cache and no more. A text that was forgotten is sent again by the next client
//! that means it, at the price of one more request.

use std::{fmt, num::NonZeroUsize, sync::Arc};

use async_graphql::ServerError;
use parking_lot::Mutex;
use serde::{Deserialize, Deserializer, de};
use sha2::{Digest, Sha256};

use super::{
    cache::Cache,
    documents::Documents,
    error::{RequestCode, request_error, server_error},
    operation::Operation,
    params::{Document, Params},
};
use crate::{
    error::Error,
    metrics::{GraphqlMetrics, Lookups},
};

/// The SHA-256 of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct QueryHash([u8; 32]);

impl QueryHash {
    /// The hash of this text.
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

/// The documents that clients may name by their hash. Only such as were parsed are among them, and
/// they end with the process.
///
/// At its bounds, of documents and of bytes, those that nobody has named for longest are forgotten;
/// one that has more bytes than all may have is not kept.
#[derive(Debug)]
pub struct PersistedQueries {
    texts: Mutex<Cache<QueryHash, Arc<str>>>,
    documents: Documents,
    lookups: Lookups,
}

impl PersistedQueries {
    /// At most so many documents, and bytes of them.
    pub fn new(most: NonZeroUsize, most_bytes: usize) -> Self {
        Self {
            texts: Mutex::new(Cache::new(most, most_bytes)),
            documents: Documents::default(),
            lookups: Lookups::default(),
        }
    }

    /// With what it is counted by.
    #[must_use]
    pub fn measured(self, metrics: &GraphqlMetrics) -> Self {
        Self {
            documents: self.documents.measured(metrics.documents.clone()),
            lookups: metrics.persisted.clone(),
            ..self
        }
    }

    /// Makes a request ready: finds its document, or keeps it, and parses it where it was not parsed
    /// of late. The error is the request's, with its code: nothing was executed.
    pub fn operation(&self, params: Params) -> Result<Operation, ServerError> {
        let prepare = |text: &str| {
            let prepared = self.documents.operation(text, params.operation_name)?;
            Operation::new(prepared, params.variables)
        };
        match params.document {
            Document::Text(text) => prepare(&text),
            Document::Known(hash) => {
                let text = self.texts.lock().get(&hash);
                self.lookups.count(text.is_some());
                prepare(&text.ok_or_else(not_found)?)
            }
            Document::New(hash, text) => {
                if hash != QueryHash::of(&text) {
                    return Err(another_hash());
                }
                let operation = prepare(&text)?;
                let bytes = text.len();
                self.texts.lock().keep(hash, text.into(), bytes);
                Ok(operation)
            }
        }
    }
}

/// The message and the code are what clients of the protocol look for.
fn not_found() -> ServerError {
    let error = ServerError::new("PersistedQueryNotFound", None);
    request_error(RequestCode::PersistedQueryNotFound, error)
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

    fn queries(most: usize, most_bytes: usize) -> PersistedQueries {
        PersistedQueries::new(NonZeroUsize::new(most).unwrap(), most_bytes)
    }

    fn ask(queries: &PersistedQueries, document: Document) -> Result<(), String> {
        let params = Params {
            document,
            operation_name: None,
            variables: None,
        };
        let asked = queries.operation(params);
        asked.map(|_| ()).map_err(|error| error.message)
    }

    fn keep(queries: &PersistedQueries, text: &str) {
        let document = Document::New(QueryHash::of(text), text.to_owned());
        assert_eq!(ask(queries, document), Ok(()));
    }

    fn is_known(queries: &PersistedQueries, text: &str) -> bool {
        ask(queries, Document::Known(QueryHash::of(text))).is_ok()
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
    fn byte_limit_evicts_as_many_documents_as_needed() {
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
        // One that is too long for all the place there is takes none of it.
        let too_long = "{ abcdefghijklmnopqrst }";
        keep(&queries, too_long);
        assert!(!is_known(&queries, too_long));
        assert!(is_known(&queries, long) && is_known(&queries, "{ a }"));
        assert_eq!(queries.texts.lock().bytes(), 20);
    }

    #[test]
    fn invalid_or_forged_document_is_not_stored() {
        let queries = queries(10, 1_000);
        let nonsense = Document::New(QueryHash::of("{"), "{".to_owned());
        assert!(ask(&queries, nonsense).is_err());
        assert!(!is_known(&queries, "{"));
        let forged = Document::New(QueryHash::of("{ a }"), "{ b }".to_owned());
        assert!(ask(&queries, forged).unwrap_err().contains("SHA-256"));
        assert!(!is_known(&queries, "{ a }") && !is_known(&queries, "{ b }"));
    }
}
