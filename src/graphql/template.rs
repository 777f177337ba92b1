//! Which operations have the same results.

use std::{
    collections::{BTreeSet, HashSet},
    fmt::Write,
    sync::Arc,
};

use async_graphql::{
    Name, Positioned, Value,
    parser::types::{ExecutableDocument, OperationDefinition, Selection, SelectionSet},
};
use async_graphql_value::Value as DocumentValue;

/// What the results of an operation depend on, besides what they tell of: the document, which
/// operation of it, and the values of variables. Of a subscription those count that are used below
/// the root: the root field's own arguments (the place from which a subscriber resumes, say) do not
/// show in an event.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Template {
    document: Arc<str>,
    operation_name: Option<String>,
    variables: String,
}

impl Template {
    /// Of this operation of the document, with these values of the variables that show.
    pub(super) fn new<'a>(
        document: Arc<str>,
        operation_name: Option<String>,
        shown: impl ExactSizeIterator<Item = (&'a Name, Option<&'a Value>)>,
    ) -> Self {
        let mut variables = String::new();
        for (name, value) in shown {
            // A name has no white space, and a value is written as Rust would read it.
            let _ = write!(variables, "{name} {value:?} ");
        }
        Self {
            document,
            operation_name,
            variables,
        }
    }

    /// How many bytes it has.
    pub(super) fn bytes(&self) -> usize {
        let name = self.operation_name.as_ref().map_or(0, String::len);
        self.document.len() + name + self.variables.len()
    }
}

/// All variables of an operation.
pub(super) fn variables_declared(operation: &OperationDefinition) -> Vec<Name> {
    let definitions = operation.variable_definitions.iter();
    definitions
        .map(|definition| definition.node.name.node.clone())
        .collect()
}

/// The variables that show in the results of a subscription, in the order of their names.
pub(super) fn variables_shown(
    document: &ExecutableDocument,
    operation: &OperationDefinition,
) -> Vec<Name> {
    let mut used = BTreeSet::new();
    for root in &operation.selection_set.node.items {
        if let Selection::Field(field) = &root.node {
            for directive in &field.node.directives {
                for (_, value) in &directive.node.arguments {
                    variables_of(&value.node, &mut used);
                }
            }
            let inner = &field.node.selection_set;
            used_variables(inner, document, &mut HashSet::new(), &mut used);
        }
    }
    used.into_iter().cloned().collect()
}

/// The variables that are used in a selection and in the fragments that it spreads, each fragment
/// looked at once.
fn used_variables<'a>(
    selections: &'a Positioned<SelectionSet>,
    document: &'a ExecutableDocument,
    spread: &mut HashSet<&'a Name>,
    used: &mut BTreeSet<&'a Name>,
) {
    for selection in &selections.node.items {
        let (directives, inner) = match &selection.node {
            Selection::Field(field) => {
                for (_, value) in &field.node.arguments {
                    variables_of(&value.node, used);
                }
                (&field.node.directives, Some(&field.node.selection_set))
            }
            Selection::InlineFragment(inline) => {
                (&inline.node.directives, Some(&inline.node.selection_set))
            }
            Selection::FragmentSpread(of) => {
                let name = &of.node.fragment_name.node;
                let fragment = document.fragments.get(name);
                let fragment = fragment.filter(|_| spread.insert(name));
                let inner = fragment.map(|fragment| &fragment.node.selection_set);
                (&of.node.directives, inner)
            }
        };
        for directive in directives {
            for (_, value) in &directive.node.arguments {
                variables_of(&value.node, used);
            }
        }
        if let Some(inner) = inner {
            used_variables(inner, document, spread, used);
        }
    }
}

fn variables_of<'a>(value: &'a DocumentValue, used: &mut BTreeSet<&'a Name>) {
    match value {
        DocumentValue::Variable(name) => {
            used.insert(name);
        }
        DocumentValue::List(values) => values.iter().for_each(|value| variables_of(value, used)),
        DocumentValue::Object(fields) => {
            fields.values().for_each(|value| variables_of(value, used));
        }
        _ => {}
    }
}
