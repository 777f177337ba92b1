//! The number of tokens in a syntax tree, as [`lexer`] counts them in a text.
//!
//! apollo-parser drops an argument without a colon and reports no error (docs/upstream.md). A tree
//! that has fewer tokens than its text was parsed from is not what the client wrote.

use apollo_compiler::{
    Node,
    ast::{
        Argument, Definition, Directive, Document, Field, FragmentDefinition, OperationDefinition,
        Selection, Type, Value, VariableDefinition,
    },
    parser::SourceSpan,
};

use super::lexer;

/// The tokens of `fragment name on type`.
const FRAGMENT: usize = 4;
/// The tokens of `$name:`.
const VARIABLE: usize = 3;
/// The tokens of `...`.
const SPREAD: usize = 3;

/// Finds a part of the document whose tree lacks tokens of its text: the innermost field, or the
/// definition.
pub(super) fn incomplete(document: &Document, text: &str) -> Option<SourceSpan> {
    document.definitions.iter().find_map(|definition| {
        let (count, selections) = match definition {
            Definition::OperationDefinition(operation) => {
                let at = operation.location()?.offset();
                let is_shorthand = text.get(at..)?.starts_with('{');
                (
                    of_operation(operation, is_shorthand),
                    &operation.selection_set,
                )
            }
            Definition::FragmentDefinition(fragment) => {
                (of_fragment(fragment), &fragment.selection_set)
            }
            // Validation refuses whatever else there is.
            _ => return None,
        };
        let span = definition.location()?;
        is_incomplete(count, span, text).then(|| innermost(selections, text).unwrap_or(span))
    })
}

fn innermost(selections: &[Selection], text: &str) -> Option<SourceSpan> {
    selections.iter().find_map(|selection| match selection {
        Selection::Field(field) => {
            let span = field.location()?;
            let inner = field.selection_set.as_deref().unwrap_or_default();
            let is_incomplete = is_incomplete(of_field(field), span, text);
            is_incomplete.then(|| innermost(inner, text).unwrap_or(span))
        }
        Selection::InlineFragment(inline) => innermost(&inline.selection_set, text),
        Selection::FragmentSpread(_) => None,
    })
}

fn is_incomplete(count: usize, span: SourceSpan, text: &str) -> bool {
    let text = text.get(span.offset()..span.end_offset());
    text.is_some_and(|text| lexer::tokens(text) != count)
}

fn of_operation(operation: &OperationDefinition, is_shorthand: bool) -> usize {
    let variables = operation
        .variables
        .iter()
        .map(|variable| of_variable(variable));
    usize::from(operation.description.is_some())
        + usize::from(!is_shorthand)
        + usize::from(operation.name.is_some())
        + bracketed(variables)
        + of_directives(&operation.directives)
        + of_selections(&operation.selection_set)
}

fn of_fragment(fragment: &FragmentDefinition) -> usize {
    usize::from(fragment.description.is_some())
        + FRAGMENT
        + of_directives(&fragment.directives)
        + of_selections(&fragment.selection_set)
}

fn of_variable(variable: &VariableDefinition) -> usize {
    let default = variable.default_value.as_ref();
    usize::from(variable.description.is_some())
        + VARIABLE
        + of_type(&variable.ty)
        + default.map_or(0, |default| 1 + of_value(default))
        + of_directives(&variable.directives)
}

fn of_type(ty: &Type) -> usize {
    match ty {
        Type::Named(_) => 1,
        Type::NonNullNamed(_) => 2,
        Type::List(inner) => 2 + of_type(inner),
        Type::NonNullList(inner) => 3 + of_type(inner),
    }
}

fn of_selections(selections: &[Selection]) -> usize {
    let selections = selections.iter().map(|selection| match selection {
        Selection::Field(field) => of_field(field),
        Selection::FragmentSpread(spread) => SPREAD + 1 + of_directives(&spread.directives),
        Selection::InlineFragment(inline) => {
            let condition = inline.type_condition.as_ref().map_or(0, |_| 2);
            SPREAD
                + condition
                + of_directives(&inline.directives)
                + of_selections(&inline.selection_set)
        }
    });
    2 + selections.sum::<usize>()
}

fn of_field(field: &Field) -> usize {
    let alias = field.alias.as_ref().map_or(0, |_| 2);
    let selections = field.selection_set.as_deref().map_or(0, of_selections);
    alias + 1 + of_arguments(&field.arguments) + of_directives(&field.directives) + selections
}

fn of_directives(directives: &[Node<Directive>]) -> usize {
    let directives = directives.iter();
    directives
        .map(|directive| 2 + of_arguments(&directive.arguments))
        .sum()
}

fn of_arguments(arguments: &[Node<Argument>]) -> usize {
    bracketed(
        arguments
            .iter()
            .map(|argument| 2 + of_value(&argument.value)),
    )
}

fn of_value(value: &Value) -> usize {
    match value {
        Value::Null | Value::Enum(_) | Value::String(_) | Value::Boolean(_) => 1,
        Value::Variable(_) => 2,
        Value::Int(digits) => lexer::tokens(digits.as_str()),
        Value::Float(digits) => lexer::tokens(digits.as_str()),
        Value::List(items) => 2 + items.iter().map(|item| of_value(item)).sum::<usize>(),
        Value::Object(fields) => {
            let fields = fields.iter();
            2 + fields.map(|(_, value)| 2 + of_value(value)).sum::<usize>()
        }
    }
}

/// Counts parts in brackets, which are not written if there are no parts.
fn bracketed(parts: impl ExactSizeIterator<Item = usize>) -> usize {
    if parts.len() == 0 {
        0
    } else {
        2 + parts.sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_complete(text: &str) -> bool {
        let document = Document::parse(text, "").unwrap();
        incomplete(&document, text).is_none()
    }

    #[test]
    fn tree_of_valid_syntax_has_every_token() {
        for text in [
            "{ me { id } }",
            "query { me { id } }",
            "\"d\" query Q(\"v\" $a: [ID!]! = [1, -2.5e-3] @d(a: 1), $b: I) @d { a: b(c: $a) { d } }",
            "{ ...F @d ... on T @d(a: $b) { id } ... { id } } fragment F on T @d { id }",
            "\u{feff}{ a(b: {c: \"\"\"x \\\"\"\" y\"\"\", d: [null true E]}) }, # comment",
            "subscription S { a(b: \"\\\"#\") }",
        ] {
            assert!(is_complete(text), "{text}");
        }
    }

    #[test]
    fn argument_that_the_parser_drops_is_found() {
        for text in ["{ me @skip(true) { id } }", "{ me(id) { id } }"] {
            assert!(!is_complete(text), "{text}");
        }
    }
}
