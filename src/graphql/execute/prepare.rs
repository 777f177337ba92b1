//! The door of every request on every transport: from its parameters to an operation that is ready
//! to be executed.

use std::num::NonZeroUsize;

use apollo_compiler::{Schema, validation::Valid};
use async_graphql::ServerError;
use serde_json::{Map, Value};
use std::sync::Arc;

use super::{
    complexity,
    document::{self, too_expensive},
    document_cache::DocumentCache,
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
    metrics::GraphqlMetrics,
};

/// Prepares requests: finds the document, and takes the operation through every step before its
/// execution.
#[derive(Debug)]
pub struct Requests {
    schema: Arc<Valid<Schema>>,
    persisted: PersistedQueries,
    documents: DocumentCache,
}

impl Requests {
    /// Creates the door with a cache of at most `persisted` persisted queries, and
    /// `persisted_bytes` bytes of them.
    pub fn new(persisted: NonZeroUsize, persisted_bytes: usize) -> Self {
        Self {
            schema: schema_document(),
            persisted: PersistedQueries::new(persisted, persisted_bytes),
            documents: DocumentCache::default(),
        }
    }

    /// Sets the metrics to record into.
    #[must_use]
    pub fn measured(self, metrics: &GraphqlMetrics) -> Self {
        Self {
            documents: self.documents.measured(metrics.documents.clone()),
            persisted: self.persisted.measured(metrics.persisted.clone()),
            ..self
        }
    }

    /// Prepares an operation.
    ///
    /// # Errors
    ///
    /// Returns request errors, each with its code. Nothing was executed.
    pub fn prepare(&self, params: Params) -> Result<Operation, Vec<ServerError>> {
        panics::contain(|| self.run(params)).unwrap_or_else(|panic| Err(vec![server_error(panic)]))
    }

    fn run(&self, params: Params) -> Result<Operation, Vec<ServerError>> {
        let Params {
            document,
            operation_name,
            variables,
        } = params;
        let operation = |text| self.operation(text, operation_name.as_deref(), variables);
        match document {
            DocumentSource::Text(text) => operation(text),
            DocumentSource::Hash(hash) => operation(self.persisted.find(hash)?),
            DocumentSource::New(hash, text) => {
                self.persisted.check(hash, &text)?;
                let ready = operation(text.clone())?;
                self.persisted.keep(hash, text);
                Ok(ready)
            }
        }
    }

    fn operation(
        &self,
        text: String,
        name: Option<&str>,
        given: Option<Map<String, Value>>,
    ) -> Result<Operation, Vec<ServerError>> {
        let schema = &self.schema;
        let document = self.documents.document(schema, text)?;
        let operation = document.operation(name).map_err(|error| vec![error])?;
        let position = || Positions::new(document.text()).of(operation.location());
        if document::kind(operation) == OperationKind::Subscription {
            size::check_subscription(document.text())
                .map_err(|limit| too_expensive(limit.to_string(), position()))?;
        }
        let mut given = given.unwrap_or_default();
        // A variable that the operation does not define is ignored.
        given.retain(|name, _| operation.variables.iter().any(|known| known.name == **name));
        size::check_variables(&given)
            .map_err(|limit| too_expensive(limit.to_string(), position()))?;
        let variables = variables::coerce(schema, &operation.variables, given, document.text())?;
        let form = self
            .documents
            .normal_form(&document, name, Shape::of(&variables), || {
                normalize(schema, &document, operation, &variables)
            })
            .map_err(|error| vec![error])?;
        complexity::check(&form, &variables)
            .map_err(|limit| too_expensive(limit.to_string(), position()))?;
        Ok(Operation::new(form, variables, &document))
    }
}
