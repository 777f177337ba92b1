//! A document that was parsed and validated.

use apollo_compiler::{
    ExecutableDocument, Node, Schema,
    executable::{Operation, OperationType},
    validation::Valid,
};
use async_graphql::{Pos, ServerError};

use super::{
    expansion, operation::OperationKind, parse::parse, positions::Positions, size,
    validate::validate,
};
use crate::graphql::{error::request_error, error_code::ErrorCode};

/// A valid document.
#[derive(Debug)]
pub(super) struct Document {
    /// Identifies the document among those of its cache.
    pub(super) id: u64,
    text: Box<str>,
    pub(super) executable: Valid<ExecutableDocument>,
}

impl Document {
    /// Checks the size of a document, parses and validates it.
    pub(super) fn new(
        id: u64,
        schema: &Valid<Schema>,
        text: &str,
    ) -> Result<Self, Vec<ServerError>> {
        size::check(text).map_err(|(limit, offset)| {
            // Reads no further than the limit, as the check does.
            let position = Positions::new(&text[..offset]).at(offset);
            too_expensive(limit.to_string(), Some(position))
        })?;
        let document = parse(text).map_err(|error| vec![error])?;
        expansion::check(&document)
            .map_err(|(limit, at)| too_expensive(limit.to_string(), Positions::new(text).of(at)))?;
        let executable = validate(schema, &document, text)?;
        Ok(Self {
            id,
            text: text.into(),
            executable,
        })
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Finds the operation that is meant (GraphQL specification, section 6.1, GetOperation).
    pub(super) fn operation(&self, name: Option<&str>) -> Result<&Node<Operation>, ServerError> {
        let operations = &self.executable.operations;
        operations.get(name).map_err(|_| {
            let message = match name {
                Some(name) => format!("Unknown operation named \"{name}\"."),
                None => "operationName must say which operation is meant.".to_owned(),
            };
            request_error(ErrorCode::ValidationFailed, ServerError::new(message, None))
        })
    }
}

/// Returns the kind of an operation.
pub(super) fn kind(operation: &Operation) -> OperationKind {
    match operation.operation_type {
        OperationType::Query => OperationKind::Query,
        OperationType::Mutation => OperationKind::Mutation,
        OperationType::Subscription => OperationKind::Subscription,
    }
}

/// Returns the error of a request that exceeds a limit of size.
pub(super) fn too_expensive(message: String, position: Option<Pos>) -> Vec<ServerError> {
    let error = ServerError::new(message, position);
    vec![request_error(ErrorCode::QueryTooExpensive, error)]
}
