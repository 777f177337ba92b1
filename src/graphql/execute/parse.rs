//! Parsing: text in, syntax tree out.

use apollo_compiler::{
    ast::{Definition, Document, Selection},
    diagnostic::ToCliReport,
    parser::{Parser, SourceSpan},
};
use async_graphql::ServerError;

use super::{lexer, positions::Positions, tokens};
use crate::graphql::{error::request_error, error_code::ErrorCode};

/// Parses a document that is within the size limit.
///
/// # Errors
///
/// Returns the first syntax error, with its position.
pub(super) fn parse(text: &str) -> Result<Document, ServerError> {
    #[cfg(test)]
    super::testing::panic_in("parser", text);
    let document = Parser::new()
        .parse_ast(lexer::without_ignored(text), "")
        .map_err(|failed| {
            let errors = failed.errors.iter();
            let first =
                errors.min_by_key(|error| error.error.location().map_or(0, |at| at.offset()));
            match first {
                Some(first) => syntax_error(text, first.error.to_string(), first.error.location()),
                None => syntax_error(text, "syntax error".to_owned(), None),
            }
        })?;
    if let Some(at) = empty_selection(&document) {
        let message = "syntax error: expected at least one selection".to_owned();
        return Err(syntax_error(text, message, at));
    }
    if let Some(at) = tokens::incomplete(&document, text) {
        let message = "syntax error: expected `name: value`".to_owned();
        return Err(syntax_error(text, message, Some(at)));
    }
    Ok(document)
}

fn syntax_error(text: &str, message: String, at: Option<SourceSpan>) -> ServerError {
    let position = Positions::new(text).of(at);
    request_error(ErrorCode::ParseFailed, ServerError::new(message, position))
}

/// Finds a selection set without selections. The parser accepts it, because a later edition of the
/// specification than September 2025 does.
fn empty_selection(document: &Document) -> Option<Option<SourceSpan>> {
    document.definitions.iter().find_map(|definition| {
        let selections = match definition {
            Definition::OperationDefinition(operation) => &operation.selection_set,
            Definition::FragmentDefinition(fragment) => &fragment.selection_set,
            _ => return None,
        };
        empty_among(selections, definition.location())
    })
}

fn empty_among(selections: &[Selection], at: Option<SourceSpan>) -> Option<Option<SourceSpan>> {
    if selections.is_empty() {
        return Some(at);
    }
    selections.iter().find_map(|selection| match selection {
        Selection::Field(field) => {
            let inner = field.selection_set.as_deref()?;
            empty_among(inner, field.location())
        }
        Selection::InlineFragment(inline) => empty_among(&inline.selection_set, inline.location()),
        Selection::FragmentSpread(_) => None,
    })
}
