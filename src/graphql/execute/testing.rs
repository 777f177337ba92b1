//! Shortcuts for unit tests of the steps.

use super::{
    document::Document,
    normal_form::NormalForm,
    normalize::normalize,
    variables::{self, Variables},
};
use crate::graphql::schema_document;

/// Parses, validates and normalizes the only operation of a document.
pub(super) fn normal_form(text: &str, given: serde_json::Value) -> (NormalForm, Variables) {
    let schema = schema_document();
    let document = Document::new(0, &schema, text).unwrap();
    let operation = document.operation(None).unwrap();
    let serde_json::Value::Object(given) = given else {
        panic!("variables are an object");
    };
    let variables = variables::coerce(&schema, &operation.variables, given, text).unwrap();
    let form = normalize(&schema, &document, operation, &variables).unwrap();
    (form, variables)
}
