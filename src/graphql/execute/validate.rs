//! Validation: every rule of section 5 of the GraphQL specification (September 2025).
//!
//! apollo-compiler has the rules, but for those in [`rules`].

use apollo_compiler::{
    ExecutableDocument, Schema, ast::Document, diagnostic::ToCliReport, parser::SourceSpan,
    validation::Valid,
};
use async_graphql::ServerError;

use super::{positions::Positions, rules};
use crate::graphql::{error::request_error, error_code::ErrorCode};

/// A part of a document that breaks a rule.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Violation {
    pub(super) at: Option<SourceSpan>,
    pub(super) message: String,
}

/// Validates a document against the schema.
///
/// # Errors
///
/// Returns the violations in the order of the document's text.
pub(super) fn validate(
    schema: &Valid<Schema>,
    document: &Document,
    text: &str,
) -> Result<Valid<ExecutableDocument>, Vec<ServerError>> {
    #[cfg(test)]
    super::testing::panic_in("validator", text);
    let (document, mut violations) = match document.to_executable_validate(schema) {
        Ok(valid) => (valid.into_inner(), Vec::new()),
        Err(failed) => {
            let errors = failed.errors.iter();
            let errors = errors.filter(|error| {
                // It counts selections instead of response names: rules.rs has the rule.
                error.error.unstable_error_name() != Some("SubscriptionUsesMultipleFields")
            });
            let violations = errors.map(|error| Violation {
                at: error.error.location(),
                message: error.error.to_string(),
            });
            let violations = violations.collect();
            (failed.partial, violations)
        }
    };
    violations.extend(rules::check(schema, &document));
    if violations.is_empty() {
        Ok(Valid::assume_valid(document))
    } else {
        Err(errors(violations, text))
    }
}

fn errors(mut violations: Vec<Violation>, text: &str) -> Vec<ServerError> {
    // The library reports some of them in the order of a hash map.
    let offset = |violation: &Violation| violation.at.map(|at| at.offset());
    violations.sort_by(|one, other| {
        let by_text = || one.message.cmp(&other.message);
        offset(one).cmp(&offset(other)).then_with(by_text)
    });
    violations.dedup();
    let positions = Positions::new(text);
    let errors = violations.into_iter().map(|Violation { at, message }| {
        let error = ServerError::new(message, positions.of(at));
        request_error(ErrorCode::ValidationFailed, error)
    });
    errors.collect()
}
