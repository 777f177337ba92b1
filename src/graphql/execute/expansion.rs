//! The size of a document with its fragments in the places of their spreads.
//!
//! It is weighed before validation, because validation and the normal form do work for every part
//! of the expanded document. A fragment is weighed once, however often it is spread: fragments that
//! double cost here what they cost to write, and are refused, while expanding them would take
//! minutes.

use std::collections::HashMap;

use apollo_compiler::{
    Name, Node,
    ast::{Argument, Definition, Directive, Document, Field, FragmentDefinition, Selection, Value},
    parser::SourceSpan,
};

/// Maximum number of parts (fields, fragments, arguments and the values in them) of the expanded
/// document: of all operations and all fragments together.
const MAX_PARTS: u64 = 1_000;
/// Maximum depth of selections, those of fragments included.
const MAX_DEPTH: usize = 32;
/// Maximum depth of fragments inside fragments.
const MAX_NESTING: usize = 32;

/// The limit that an expanded document exceeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum TooLarge {
    #[error("A document has at most {MAX_PARTS} parts after its fragments were inlined.")]
    Parts,
    #[error("Selections are nested at most {MAX_DEPTH} levels deep, fragments included.")]
    Depth,
    #[error("Fragments are nested at most {MAX_NESTING} levels deep.")]
    Nesting,
}

/// Refuses a document that is too large after expansion.
///
/// # Errors
///
/// Returns the limit, and the definition that exceeds it.
pub(super) fn check(document: &Document) -> Result<(), (TooLarge, Option<SourceSpan>)> {
    let mut scale = Scale::new(document);
    let mut parts = 0_u64;
    for definition in &document.definitions {
        let weight = match definition {
            Definition::OperationDefinition(operation) => {
                scale.selections(&operation.selection_set, 0)
            }
            Definition::FragmentDefinition(fragment) => scale.fragment(&fragment.name, 1),
            // Validation refuses whatever else there is.
            _ => continue,
        };
        let weight = weight.map_err(|limit| (limit, definition.location()))?;
        parts = parts.saturating_add(weight.parts);
        if parts > MAX_PARTS {
            return Err((TooLarge::Parts, definition.location()));
        }
    }
    Ok(())
}

/// The weight of a part of a document.
#[derive(Clone, Copy, Default)]
struct Weight {
    parts: u64,
    /// Levels of selections inside one another.
    depth: usize,
    /// Levels of fragments inside one another.
    nesting: usize,
}

impl Weight {
    /// Adds a fragment, spread or inline, around the selections that were weighed.
    fn with_fragment(mut self, directives: &[Node<Directive>]) -> Self {
        let more = parts_of_directives(directives).saturating_add(1);
        self.parts = self.parts.saturating_add(more);
        self
    }
}

/// Counts the parts of a field without its selection.
fn parts_of_field(field: &Field) -> u64 {
    1 + parts_of_arguments(&field.arguments) + parts_of_directives(&field.directives)
}

fn parts_of_directives(directives: &[Node<Directive>]) -> u64 {
    let directives = directives.iter();
    let parts = directives.map(|directive| 1 + parts_of_arguments(&directive.arguments));
    parts.sum()
}

fn parts_of_arguments(arguments: &[Node<Argument>]) -> u64 {
    let arguments = arguments.iter();
    arguments
        .map(|argument| parts_of_value(&argument.value))
        .sum()
}

/// Recurses as deep as the size limit lets brackets be nested.
fn parts_of_value(value: &Value) -> u64 {
    match value {
        Value::List(items) => 1 + items.iter().map(|item| parts_of_value(item)).sum::<u64>(),
        Value::Object(fields) => {
            let fields = fields.iter();
            1 + fields.map(|(_, value)| parts_of_value(value)).sum::<u64>()
        }
        _ => 1,
    }
}

struct Scale<'a> {
    fragments: HashMap<&'a Name, &'a FragmentDefinition>,
    /// The weights of fragments; `None` while a fragment is being weighed.
    weights: HashMap<&'a Name, Option<Weight>>,
}

impl<'a> Scale<'a> {
    fn new(document: &'a Document) -> Self {
        let fragments = document.definitions.iter().filter_map(|definition| {
            let Definition::FragmentDefinition(fragment) = definition else {
                return None;
            };
            Some((&fragment.name, &**fragment))
        });
        Self {
            fragments: fragments.collect(),
            weights: HashMap::new(),
        }
    }

    /// Weighs selections that stand `inside` as many fragments.
    fn selections(
        &mut self,
        selections: &'a [Selection],
        inside: usize,
    ) -> Result<Weight, TooLarge> {
        let mut sum = Weight::default();
        for selection in selections {
            let more = match selection {
                Selection::Field(field) => {
                    let inner = field.selection_set.as_deref().unwrap_or_default();
                    let inner = self.selections(inner, inside)?;
                    Weight {
                        parts: inner.parts.saturating_add(parts_of_field(field)),
                        ..inner
                    }
                }
                Selection::InlineFragment(inline) => {
                    let inner = self.selections(&inline.selection_set, inside)?;
                    inner.with_fragment(&inline.directives)
                }
                Selection::FragmentSpread(spread) => {
                    let inner = self.fragment(&spread.fragment_name, inside + 1)?;
                    inner.with_fragment(&spread.directives)
                }
            };
            sum.parts = sum.parts.saturating_add(more.parts);
            sum.depth = sum.depth.max(more.depth);
            sum.nesting = sum.nesting.max(more.nesting);
        }
        sum.depth += usize::from(!selections.is_empty());
        if sum.depth > MAX_DEPTH {
            return Err(TooLarge::Depth);
        }
        Ok(sum)
    }

    /// Weighs a fragment that stands `inside` as many fragments, itself included.
    fn fragment(&mut self, name: &Name, inside: usize) -> Result<Weight, TooLarge> {
        if inside > MAX_NESTING {
            return Err(TooLarge::Nesting);
        }
        // A fragment that does not exist is for validation to refuse.
        let Some((&name, &fragment)) = self.fragments.get_key_value(name) else {
            return Ok(Weight::default());
        };
        let weight = match self.weights.get(name) {
            Some(Some(known)) => *known,
            // So is a fragment that contains itself.
            Some(None) => return Ok(Weight::default()),
            None => {
                self.weights.insert(name, None);
                let inner = self.selections(&fragment.selection_set, inside)?;
                let nesting = inner.nesting + 1;
                let weight = Weight { nesting, ..inner };
                self.weights.insert(name, Some(weight));
                weight
            }
        };
        if inside + weight.nesting > MAX_NESTING + 1 {
            return Err(TooLarge::Nesting);
        }
        Ok(weight)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<(), TooLarge> {
        let document = Document::parse(text, "").unwrap();
        super::check(&document).map_err(|(limit, _)| limit)
    }

    fn doubling(times: usize) -> String {
        let doubling: String = (0..times)
            .map(|number| {
                let next = number + 1;
                format!("fragment F{number} on Query {{ ...F{next} ...F{next} }} ")
            })
            .collect();
        format!("{doubling} fragment F{times} on Query {{ me {{ id }} }}")
    }

    #[test]
    fn doubling_fragments_are_refused() {
        let document = format!("{{ ...F0 }} {}", doubling(20));
        assert_eq!(check(&document), Err(TooLarge::Parts));
    }

    #[test]
    fn long_chain_of_fragments_is_refused() {
        let chain: String = (0..5_000)
            .map(|number| format!("fragment F{number} on Query {{ ...F{} }} ", number + 1))
            .collect();
        let spread = format!("{{ ...F0 }} {chain}");
        assert_eq!(check(&spread), Err(TooLarge::Nesting));
        let unused = format!("{{ me {{ id }} }} {chain}");
        assert_eq!(check(&unused), Err(TooLarge::Nesting));
    }

    #[test]
    fn cycle_of_fragments_is_left_to_validation() {
        let cycle = "{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }";
        assert_eq!(check(cycle), Ok(()));
    }

    #[test]
    fn unused_fragments_and_other_operations_are_weighed() {
        let unused = format!("{{ me {{ id }} }} {}", doubling(20));
        assert_eq!(check(&unused), Err(TooLarge::Parts));
        let other = format!(
            "query A {{ me {{ id }} }} query B {{ ...F0 }} {}",
            doubling(20)
        );
        assert_eq!(check(&other), Err(TooLarge::Parts));
    }

    #[test]
    fn depth_counts_the_selections_of_fragments() {
        let chain = |length: usize| {
            let fragments: String = (0..length)
                .map(|number| {
                    let inner = if number + 1 < length {
                        format!("...F{}", number + 1)
                    } else {
                        "id".to_owned()
                    };
                    format!("fragment F{number} on Comment {{ a {{ b {{ c {{ {inner} }} }} }} }} ")
                })
                .collect();
            format!("{{ comment(id: \"x\") {{ ...F0 }} }} {fragments}")
        };
        // Four for each fragment, and those of the operation and its root field.
        assert_eq!(check(&chain(7)), Ok(()));
        assert_eq!(check(&chain(8)), Err(TooLarge::Depth));
        let nested = |times: usize| "{ a ".repeat(times) + &"}".repeat(times);
        assert_eq!(check(&nested(MAX_DEPTH)), Ok(()));
        assert_eq!(check(&nested(MAX_DEPTH + 1)), Err(TooLarge::Depth));
    }

    #[test]
    fn fragment_counts_as_often_as_it_is_spread() {
        for part in [
            "me { id }",
            "... { ... { __typename } }",
            "post(id: [1, 2]) { id }",
            "__typename @skip(if: true) @skip(if: true)",
        ] {
            let fragment = format!("fragment F on Query {{ {} }}", part.repeat(20));
            let spread = |times: usize| format!("{{ {} }} {fragment}", "...F ".repeat(times));
            assert_eq!(check(&spread(5)), Ok(()), "{part}");
            assert_eq!(check(&spread(25)), Err(TooLarge::Parts), "{part}");
        }
    }
}
