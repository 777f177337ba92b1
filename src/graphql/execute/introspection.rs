//! Schema introspection, answered from the schema that validation uses.
//!
//! async-graphql describes `__Schema` differently from the specification (docs/upstream.md). So
//! `__schema` and `__type` are apollo-compiler's, and the rest of an operation is the library's.

use apollo_compiler::{
    Schema, introspection,
    response::{GraphQLError, JsonMap, JsonValue, ResponseDataPathSegment},
    validation::Valid,
};
use async_graphql::{Name, PathSegment, Pos, ServerError, Value as ConstValue};
use indexmap::IndexMap;
use serde_json::{Map, Value as Json};

use super::{document::Document, normal_form::Field, operation::Operation, variables::Variables};
use crate::{error::Error, graphql::error::server_error};

/// The values of root fields by response name.
pub(super) type Fields = IndexMap<Name, ConstValue>;

/// The values of `__schema` and `__type` at the root of a query, and the errors of fields inside them.
/// There are no values if null was propagated to the root.
pub(super) struct Answer {
    pub(super) fields: Option<Fields>,
    pub(super) errors: Vec<ServerError>,
}

/// Answers the fields `__schema` and `__type` at the root of a query.
pub(super) fn answer(
    schema: &Valid<Schema>,
    document: &Document,
    operation: &Operation,
    variables: &Variables,
) -> Result<Answer, ServerError> {
    let selected = operation.fields();
    let operation = document.operation(operation.name())?;
    let mut values = Map::new();
    for (definition, value) in operation.variables.iter().zip(variables.iter()) {
        if let Some(value) = value {
            let value = value.clone().into_json().map_err(internal)?;
            values.insert(definition.name.to_string(), value);
        }
    }
    let values: JsonMap = serde_json::from_value(Json::Object(values)).map_err(internal)?;
    let response = introspection::partial_execute(
        schema,
        &schema.implementers_map(),
        &document.executable,
        operation,
        &Valid::assume_valid(values),
    );
    let response = response.map_err(|error| internal(error.message().to_string()))?;
    let errors = response.errors.into_iter();
    let errors = errors.map(|error| field_error(error, selected));
    let fields = response.data.map(|fields| {
        let fields = fields.into_iter();
        let fields = fields.map(|(name, json)| (Name::new(name.as_str()), value(json)));
        fields.collect()
    });
    Ok(Answer {
        fields,
        errors: errors.collect(),
    })
}

fn internal(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ServerError {
    server_error(Error::Internal(cause.into()))
}

fn field_error(error: GraphQLError, selected: &[Field]) -> ServerError {
    let path: Vec<_> = error.path.into_iter().map(segment).collect();
    let mut shown = ServerError::new(error.message, position(&path, selected));
    shown.path = path;
    shown
}

fn segment(segment: ResponseDataPathSegment) -> PathSegment {
    match segment {
        ResponseDataPathSegment::Field(name) => PathSegment::Field(name.to_string()),
        ResponseDataPathSegment::ListIndex(index) => PathSegment::Index(index),
    }
}

/// Finds the position of the field at `path`. The library gives none.
fn position(path: &[PathSegment], selected: &[Field]) -> Option<Pos> {
    let (mut position, mut selected) = (None, selected);
    for segment in path {
        if let PathSegment::Field(name) = segment {
            let field = selected
                .iter()
                .find(|field| field.response_name() == name)?;
            (position, selected) = (Some(field.position), &field.selection);
        }
    }
    position
}

/// Converts a value and keeps the order of its keys.
fn value(json: JsonValue) -> ConstValue {
    match json {
        JsonValue::Null => ConstValue::Null,
        JsonValue::Bool(value) => ConstValue::Boolean(value),
        JsonValue::Number(number) => ConstValue::Number(number),
        JsonValue::String(text) => ConstValue::String(text.as_str().to_owned()),
        JsonValue::Array(items) => ConstValue::List(items.into_iter().map(value).collect()),
        JsonValue::Object(fields) => {
            let fields = fields.into_iter();
            let fields = fields.map(|(name, json)| (Name::new(name.as_str()), value(json)));
            ConstValue::Object(fields.collect())
        }
    }
}
