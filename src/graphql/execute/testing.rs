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

/// The steps that panic for a document that begins with a comment of this text.
pub(super) const PANICS: [&str; 2] = ["parser", "validator"];

/// Panics if the document asks for it.
pub(super) fn panic_in(step: &str, text: &str) {
    let asked = text.strip_prefix('#').and_then(|text| text.lines().next());
    assert_ne!(asked, Some(step), "asked to");
}
