//! What a document would cost, told before anything is done with it.
//!
//! A fragment is weighed once, however often it is spread: doubling fragments cost here what they
//! cost to write, and are refused, where expanding them would take minutes.

use std::collections::HashMap;

use async_graphql::{
    Name, Positioned, Value, Variables,
    parser::types::{ExecutableDocument, Field, OperationDefinition, Selection, SelectionSet},
};
use async_graphql_value::Value as DocumentValue;

use super::page;

/// The most fields that an operation may come to, with its lists as long as it asks for.
const MAX_COST: u64 = 50_000;
/// How many fragments may stand inside one another. It also ends those that contain themselves.
const MAX_NESTING: usize = 32;
/// The lists of the schema: their length multiplies what is selected of them.
const LISTS: [&str; 3] = ["posts", "comments", "replies"];

/// The operation would cost too much, or its fragments are nested too deep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooExpensive;

/// Refuses an operation that would cost too much.
pub(super) fn check(
    document: &ExecutableDocument,
    operation: &OperationDefinition,
    variables: &Variables,
) -> Result<(), TooExpensive> {
    let mut scale = Scale {
        document,
        variables,
        fragments: HashMap::new(),
    };
    // Validation walks through all fragments, spread or not.
    for name in document.fragments.keys() {
        scale.fragment(name, 1)?;
    }
    let weight = scale.selections(&operation.selection_set, 0)?;
    if weight.cost > MAX_COST {
        return Err(TooExpensive);
    }
    Ok(())
}

/// What a part of a document comes to.
#[derive(Clone, Copy, Default)]
struct Weight {
    cost: u64,
    /// How many fragments stand inside one another.
    nesting: usize,
}

struct Scale<'a> {
    document: &'a ExecutableDocument,
    variables: &'a Variables,
    /// What each fragment was found to come to.
    fragments: HashMap<&'a Name, Weight>,
}

impl<'a> Scale<'a> {
    /// What is selected, inside so many fragments. The parser has bounded how deep selections stand
    /// inside one another.
    fn selections(
        &mut self,
        selections: &'a Positioned<SelectionSet>,
        inside: usize,
    ) -> Result<Weight, TooExpensive> {
        let mut sum = Weight::default();
        for selection in &selections.node.items {
            let more = match &selection.node {
                Selection::Field(field) => {
                    let inner = self.selections(&field.node.selection_set, inside)?;
                    let length = self.length(&field.node);
                    Weight {
                        cost: inner.cost.saturating_mul(length).saturating_add(1),
                        ..inner
                    }
                }
                Selection::InlineFragment(inline) => {
                    self.selections(&inline.node.selection_set, inside)?
                }
                Selection::FragmentSpread(of) => {
                    self.fragment(&of.node.fragment_name.node, inside + 1)?
                }
            };
            sum.cost = sum.cost.saturating_add(more.cost);
            sum.nesting = sum.nesting.max(more.nesting);
        }
        Ok(sum)
    }

    /// A fragment, inside so many others and itself.
    fn fragment(&mut self, name: &Name, inside: usize) -> Result<Weight, TooExpensive> {
        if inside > MAX_NESTING {
            return Err(TooExpensive);
        }
        // One that does not exist is for validation to refuse.
        let Some((name, fragment)) = self.document.fragments.get_key_value(name) else {
            return Ok(Weight::default());
        };
        let weight = match self.fragments.get(name) {
            Some(&known) => known,
            None => {
                let inner = self.selections(&fragment.node.selection_set, inside)?;
                let nesting = inner.nesting + 1;
                let weight = Weight { nesting, ..inner };
                self.fragments.insert(name, weight);
                weight
            }
        };
        if inside + weight.nesting > MAX_NESTING + 1 {
            return Err(TooExpensive);
        }
        Ok(weight)
    }

    /// How many times what is selected of a field is resolved.
    fn length(&self, field: &Field) -> u64 {
        if !LISTS.contains(&field.name.node.as_str()) {
            return 1;
        }
        let first = field.get_argument("first").map(|value| &value.node);
        let first = match first {
            Some(DocumentValue::Number(number)) => number.as_u64(),
            Some(DocumentValue::Variable(name)) => match self.variables.get(name) {
                Some(Value::Number(number)) => number.as_u64(),
                _ => None,
            },
            _ => None,
        };
        // A longer page than there is will be refused where it is asked for.
        let (usual, longest) = (page::DEFAULT_FIRST, page::MAX_FIRST);
        first
            .unwrap_or(u64::from(usual.unsigned_abs()))
            .clamp(1, u64::from(longest.unsigned_abs()))
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::{parse_query, types::DocumentOperations};

    use super::*;

    fn check(text: &str) -> Result<(), TooExpensive> {
        let document = parse_query(text).unwrap();
        let DocumentOperations::Single(operation) = &document.operations else {
            panic!("one operation");
        };
        super::check(&document, &operation.node, &Variables::default())
    }

    #[test]
    fn what_a_page_asks_for_is_let_through() {
        let page = "{ post(id: \"p\") { title comments(first: 100) { nodes {
            id body author { name } replies(first: 20) { nodes { id body author { name } } } } } } }";
        assert_eq!(check(page), Ok(()));
    }

    #[test]
    fn lists_multiply_and_aliases_add_up() {
        let lists = "{ posts(first: 100) { nodes { comments(first: 100) { nodes {
            replies(first: 100) { nodes { id } } } } } } }";
        assert_eq!(check(lists), Err(TooExpensive));
        let alias = |number: usize| format!("a{number}: posts(first: 100) {{ nodes {{ id }} }}");
        let many: String = (0..1_000).map(alias).collect();
        assert_eq!(check(&format!("{{ {many} }}")), Err(TooExpensive));
    }

    #[test]
    fn fragments_that_double_that_are_a_long_chain_or_a_circle_are_refused() {
        let doubling: String = (0..30)
            .map(|number| {
                let next = number + 1;
                format!("fragment F{number} on Query {{ ...F{next} ...F{next} }} ")
            })
            .collect();
        let doubling = format!("{{ ...F0 }} {doubling} fragment F30 on Query {{ me {{ id }} }}");
        assert_eq!(check(&doubling), Err(TooExpensive));
        let chain: String = (0..5_000)
            .map(|number| format!("fragment F{number} on Query {{ ...F{} }} ", number + 1))
            .collect();
        assert_eq!(check(&format!("{{ ...F0 }} {chain}")), Err(TooExpensive));
        assert_eq!(
            check(&format!("{{ me {{ id }} }} {chain}")),
            Err(TooExpensive)
        );
        let circle = "{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }";
        assert_eq!(check(circle), Err(TooExpensive));
    }
}
