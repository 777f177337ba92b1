//! The entry point of every request on every transport: parameters in, an operation that is ready to
//! be executed out.

use std::{num::NonZeroUsize, sync::Arc};

use apollo_compiler::{Schema, validation::Valid};
use async_graphql::ServerError;
use serde_json::{Map, Value};

use super::{
    complexity,
    document::{self, Document, too_expensive},
    document_cache::DocumentCache,
    metrics::CacheMetrics,
    normalize::{Shape, normalize},
    operation::{Operation, OperationKind},
    panics,
    persisted::PersistedQueries,
    positions::Positions,
    request::{DocumentSource, Params},
    size, variables,
};
use crate::{
    graphql::{error::server_error, schema_document},
    telemetry::Registry,
};

/// Maximum number of errors in one refusal. Each is longer than what it is about.
const MAX_ERRORS: usize = 20;

/// Prepares requests: finds the document, and takes the operation through every step before its
/// execution.
#[derive(Debug)]
pub struct Requests {
    schema: Arc<Valid<Schema>>,
    persisted: PersistedQueries,
    documents: DocumentCache,
    reply_depth: u32,
}

impl Requests {
    /// Keeps at most `persisted` persisted queries, and `persisted_bytes` bytes of them. A comment has
    /// at most `reply_depth` ancestors.
    pub fn new(
        persisted: NonZeroUsize,
        persisted_bytes: usize,
        reply_depth: u32,
        registry: &Registry,
    ) -> Self {
        Self {
            schema: schema_document(),
            persisted: PersistedQueries::new(
                persisted,
                persisted_bytes,
                CacheMetrics::persisted(registry),
            ),
            documents: DocumentCache::new(CacheMetrics::documents(registry)),
            reply_depth,
        }
    }

    /// Prepares an operation.
    ///
    /// # Errors
    ///
    /// Returns request errors, each with its code. Nothing was executed.
    pub fn prepare(&self, params: Params) -> Result<Operation, Vec<ServerError>> {
        let prepared = panics::contain(|| self.run(params));
        let prepared = prepared.unwrap_or_else(|panic| Err(vec![server_error(panic)]));
        prepared.map_err(|mut errors| {
            errors.truncate(MAX_ERRORS);
            errors
        })
    }

    fn run(&self, params: Params) -> Result<Operation, Vec<ServerError>> {
        let document = self.document(params.document)?;
        let name = params.operation_name.as_deref();
        self.operation(&document, name, params.variables.unwrap_or_default())
    }

    /// Finds the document. A text that comes with its hash is kept as soon as it is valid.
    fn document(&self, source: DocumentSource) -> Result<Arc<Document>, Vec<ServerError>> {
        let document = |text| self.documents.document(&self.schema, text);
        match source {
            DocumentSource::Text(text) => document(text),
            DocumentSource::Hash(hash) => document(self.persisted.find(hash)?),
            DocumentSource::New(hash, text) => {
                self.persisted.check(hash, &text)?;
                let valid = document(text.clone())?;
                self.persisted.keep(hash, text);
                Ok(valid)
            }
        }
    }

    fn operation(
        &self,
        document: &Arc<Document>,
        name: Option<&str>,
        mut given: Map<String, Value>,
    ) -> Result<Operation, Vec<ServerError>> {
        let schema = &self.schema;
        let operation = document.operation(name).map_err(|error| vec![error])?;
        let position = || Positions::new(document.text()).of(operation.location());
        if document::kind(operation) == OperationKind::Subscription {
            size::check_subscription(document.text())
                .map_err(|limit| too_expensive(limit.to_string(), position()))?;
        }
        // A variable that the operation does not define is ignored.
        given.retain(|name, _| operation.variables.iter().any(|known| known.name == **name));
        size::check_variables(&given)
            .map_err(|limit| too_expensive(limit.to_string(), position()))?;
        let variables = variables::coerce(schema, &operation.variables, given, document.text())?;
        let offset = operation.location().map_or(0, |at| at.offset());
        let form = self
            .documents
            .normal_form(document, offset, Shape::of(&variables), || {
                normalize(schema, document, operation, &variables)
            })
            .map_err(|error| vec![error])?;
        let argument_bytes = complexity::check(&form, &variables, self.reply_depth)
            .map_err(|limit| vec![limit.error(form.position)])?;
        Ok(Operation::new(form, variables, argument_bytes, document))
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::Value as Shown;

    use super::*;
    use crate::graphql::execute::testing::PANICS;

    #[test]
    fn panic_in_the_parser_or_the_validator_is_an_internal_error() {
        let requests = Requests::new(NonZeroUsize::MIN, 1, 32, &Registry::new());
        for place in PANICS {
            let params = Params {
                document: DocumentSource::Text(format!("#{place}\n{{ me {{ id }} }}")),
                operation_name: None,
                variables: None,
                client: None,
            };
            let errors = requests.prepare(params).unwrap_err();
            let code = errors[0]
                .extensions
                .as_ref()
                .and_then(|shown| shown.get("code"));
            assert_eq!(code, Some(&Shown::from("INTERNAL_SERVER_ERROR")), "{place}");
        }
    }
}
