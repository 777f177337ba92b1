//! What a document would cost, told before anything is done with it.
//!
//! A fragment is weighed once, however often it is spread: doubling fragments cost here what they
//! cost to write, and are refused, where expanding them would take minutes.

use std::collections::HashMap;

use async_graphql::{
    Name, Positioned, Value, Variables,
    parser::types::{
        Directive, ExecutableDocument, Field, OperationDefinition, Selection, SelectionSet,
    },
};
use async_graphql_value::{ConstValue, Value as DocumentValue};

use super::page;

/// The most fields that an operation may come to, with its lists as long as it asks for.
const MAX_COST: u64 = 50_000;
/// The most parts (fields, fragments, arguments and what is in them) that a document may come to with
/// each of its fragments in the place of each spread: validation looks at all of them, in every
/// operation and every fragment.
const MAX_PARTS: u64 = 1_000;
/// How many selections may stand inside one another, those of fragments included. The library has
/// a bound of its own, one above this.
const MAX_DEPTH: usize = 32;
/// How many fragments may stand inside one another. It also ends those that contain themselves.
const MAX_NESTING: usize = 32;
/// How many values the variables of a request may have, those in lists and objects included.
const MAX_VALUES: usize = 1_000;

/// The lists of the schema, which are as long as is asked for: their length multiplies what is
/// selected of them.
const PAGES: [&str; 3] = ["posts", "comments", "replies"];
/// What a page of comments costs besides what it holds: each is a statement of its own, where pages of
/// replies are read together. So an operation runs two thousand statements at most.
const PAGE_COST: u64 = 25;
/// The lists of introspection, and about how long they are in this schema. No field of the schema
/// has one of these names.
const INTROSPECTION: [(&str, u64); 8] = [
    ("types", 45),
    ("fields", 5),
    ("args", 2),
    ("inputFields", 3),
    ("enumValues", 3),
    ("interfaces", 1),
    ("possibleTypes", 1),
    ("directives", 4),
];

/// The operation would cost too much, or its document does as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooExpensive;

/// Refuses a document that would cost too much whichever of its operations is meant, and whatever
/// its variables are.
pub(super) fn check_document(document: &ExecutableDocument) -> Result<(), TooExpensive> {
    let mut scale = Scale::new(document, None);
    let mut parts = 0_u64;
    for name in document.fragments.keys() {
        let weight = scale.fragment(name, 1)?;
        parts = parts.saturating_add(weight.parts);
    }
    for (_, operation) in document.operations.iter() {
        let weight = scale.selections(&operation.node.selection_set, 0)?;
        parts = parts.saturating_add(weight.parts);
    }
    if parts > MAX_PARTS {
        return Err(TooExpensive);
    }
    Ok(())
}

/// Refuses an operation of such a document that would cost too much with these variables.
pub(super) fn check(
    document: &ExecutableDocument,
    operation: &OperationDefinition,
    variables: &Variables,
) -> Result<(), TooExpensive> {
    let mut scale = Scale::new(document, Some((operation, variables)));
    let weight = scale.selections(&operation.selection_set, 0)?;
    if weight.cost > MAX_COST {
        return Err(TooExpensive);
    }
    Ok(())
}

/// Refuses variables that have too many values.
pub(super) fn check_values(
    variables: &serde_json::Map<String, serde_json::Value>,
) -> Result<(), TooExpensive> {
    let mut values: Vec<&serde_json::Value> = variables.values().collect();
    let mut count = 0;
    while let Some(value) = values.pop() {
        count += 1;
        match value {
            serde_json::Value::Array(inner) => values.extend(inner),
            serde_json::Value::Object(inner) => values.extend(inner.values()),
            _ => {}
        }
        if count + values.len() > MAX_VALUES {
            return Err(TooExpensive);
        }
    }
    Ok(())
}

/// What a part of a document comes to.
#[derive(Clone, Copy, Default)]
struct Weight {
    /// Fields, with lists as long as they are asked for.
    cost: u64,
    /// Parts, as they are written, with fragments in the places of their spreads.
    parts: u64,
    /// How many selections stand inside one another.
    depth: usize,
    /// How many fragments stand inside one another.
    nesting: usize,
}

impl Weight {
    /// Of a fragment, spread or inline, with what is in it.
    fn with_fragment(mut self, directives: &[Positioned<Directive>]) -> Self {
        let more = parts_of_directives(directives).saturating_add(1);
        self.parts = self.parts.saturating_add(more);
        self
    }
}

/// A field itself, without what is selected of it.
fn parts_of(field: &Field) -> u64 {
    1 + parts_of_arguments(&field.arguments) + parts_of_directives(&field.directives)
}

fn parts_of_directives(directives: &[Positioned<Directive>]) -> u64 {
    let each = directives
        .iter()
        .map(|directive| 1 + parts_of_arguments(&directive.node.arguments));
    each.sum()
}

fn parts_of_arguments(arguments: &[(Positioned<Name>, Positioned<DocumentValue>)]) -> u64 {
    let each = arguments
        .iter()
        .map(|(_, value)| parts_of_value(&value.node));
    each.sum()
}

/// How deep a value may be was bounded before it was parsed.
fn parts_of_value(value: &DocumentValue) -> u64 {
    match value {
        DocumentValue::List(values) => 1 + values.iter().map(parts_of_value).sum::<u64>(),
        DocumentValue::Object(fields) => 1 + fields.values().map(parts_of_value).sum::<u64>(),
        _ => 1,
    }
}

struct Scale<'a> {
    document: &'a ExecutableDocument,
    /// The operation that is meant, and its variables.
    meant: Option<(&'a OperationDefinition, &'a Variables)>,
    /// What each fragment was found to come to.
    fragments: HashMap<&'a Name, Weight>,
}

impl<'a> Scale<'a> {
    fn new(
        document: &'a ExecutableDocument,
        meant: Option<(&'a OperationDefinition, &'a Variables)>,
    ) -> Self {
        Self {
            document,
            meant,
            fragments: HashMap::new(),
        }
    }

    /// What is selected, inside so many fragments. How deep selections stand inside one another as
    /// they are written was bounded before they were parsed.
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
                    let own = match field.node.name.node.as_str() {
                        "comments" => PAGE_COST,
                        _ => 1,
                    };
                    Weight {
                        cost: inner.cost.saturating_mul(length).saturating_add(own),
                        parts: inner.parts.saturating_add(parts_of(&field.node)),
                        ..inner
                    }
                }
                Selection::InlineFragment(inline) => {
                    let inner = self.selections(&inline.node.selection_set, inside)?;
                    inner.with_fragment(&inline.node.directives)
                }
                Selection::FragmentSpread(of) => {
                    let inner = self.fragment(&of.node.fragment_name.node, inside + 1)?;
                    inner.with_fragment(&of.node.directives)
                }
            };
            sum.cost = sum.cost.saturating_add(more.cost);
            sum.parts = sum.parts.saturating_add(more.parts);
            sum.depth = sum.depth.max(more.depth);
            sum.nesting = sum.nesting.max(more.nesting);
        }
        sum.depth += usize::from(!selections.node.items.is_empty());
        if sum.depth > MAX_DEPTH {
            return Err(TooExpensive);
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
        let name = field.name.node.as_str();
        if !PAGES.contains(&name) {
            let mut known = INTROSPECTION.iter();
            return known
                .find(|(list, _)| *list == name)
                .map_or(1, |(_, length)| *length);
        }
        let first = field.get_argument("first").map(|value| &value.node);
        let first = match first {
            Some(DocumentValue::Number(number)) => number.as_u64(),
            Some(DocumentValue::Variable(name)) => self.number(name),
            _ => None,
        };
        // A longer page than there is will be refused where it is asked for.
        let (usual, longest) = (page::DEFAULT_FIRST, page::MAX_FIRST);
        first
            .unwrap_or(usual.unsigned_abs())
            .clamp(1, longest.unsigned_abs())
    }

    /// The value of a variable, or its default, where that is a number.
    fn number(&self, name: &Name) -> Option<u64> {
        let (operation, variables) = self.meant?;
        match variables.get(name) {
            Some(Value::Number(number)) => number.as_u64(),
            Some(_) => None,
            None => {
                let mut definitions = operation.variable_definitions.iter();
                let definition = definitions.find(|of| of.node.name.node == *name)?;
                match &definition.node.default_value.as_ref()?.node {
                    ConstValue::Number(number) => number.as_u64(),
                    _ => None,
                }
            }
        }
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
        check_document(&document)?;
        super::check(&document, &operation.node, &Variables::default())
    }

    #[test]
    fn usual_page_query_is_accepted() {
        let page = "{ post(id: \"p\") { title comments(first: 100) { nodes {
            id body author { name } replies(first: 20) { nodes { id body author { name } } } } } } }";
        assert_eq!(check(page), Ok(()));
    }

    #[test]
    fn nested_lists_multiply_and_aliases_add_up() {
        let lists = "{ posts(first: 100) { nodes { comments(first: 100) { nodes {
            replies(first: 100) { nodes { id } } } } } } }";
        assert_eq!(check(lists), Err(TooExpensive));
        let alias = |number: usize| format!("a{number}: posts(first: 100) {{ nodes {{ id }} }}");
        let many: String = (0..1_000).map(alias).collect();
        assert_eq!(check(&format!("{{ {many} }}")), Err(TooExpensive));
    }

    #[test]
    fn page_of_comments_costs_a_statement_however_short_it_is() {
        let pages = |aliases: usize| {
            let page = |number| format!("a{number}: comments(first: 1) {{ __typename }} ");
            let pages: String = (0..aliases).map(page).collect();
            format!("{{ posts(first: 100) {{ nodes {{ {pages} }} }} }}")
        };
        assert_eq!(check(&pages(15)), Ok(()));
        assert_eq!(check(&pages(20)), Err(TooExpensive));
    }

    #[test]
    fn doubling_chained_or_circular_fragments_are_refused() {
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

    #[test]
    fn page_length_comes_from_the_variable_or_its_default() {
        let lists = |first: &str| {
            format!(
                "query($n: Int = {first}) {{ posts(first: $n) {{ nodes {{ comments(first: $n) {{
                    nodes {{ replies(first: $n) {{ nodes {{ id }} }} }} }} }} }} }}"
            )
        };
        assert_eq!(check(&lists("10")), Ok(()));
        assert_eq!(check(&lists("100")), Err(TooExpensive));
        let text = lists("10");
        let document = parse_query(&text).unwrap();
        let (_, operation) = document.operations.iter().next().unwrap();
        let variables = |first| Variables::from_json(serde_json::json!({"n": first}));
        let check = |first| super::check(&document, &operation.node, &variables(first));
        assert_eq!(check(10), Ok(()));
        assert_eq!(check(100), Err(TooExpensive));
    }

    #[test]
    fn unused_fragments_and_other_operations_are_weighed_too() {
        let doubling: String = (0..20)
            .map(|number| {
                let next = number + 1;
                format!("fragment F{number} on Query {{ ...F{next} ...F{next} }} ")
            })
            .collect();
        let doubling = format!("{doubling} fragment F20 on Query {{ me {{ id }} }}");
        // Validation looks at fragments that are spread nowhere, and at every operation.
        assert_eq!(
            check(&format!("{{ me {{ id }} }} {doubling}")),
            Err(TooExpensive)
        );
        let two = format!("query A {{ me {{ id }} }} query B {{ ...F0 }} {doubling}");
        let document = parse_query(two).unwrap();
        assert_eq!(check_document(&document), Err(TooExpensive));
    }

    #[test]
    fn selection_depth_limit_is_exact_and_includes_fragments() {
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
        // Four for each, and those of the operation and its root field.
        assert_eq!(check(&chain(7)), Ok(()));
        assert_eq!(check(&chain(8)), Err(TooExpensive));
        let nested = |times: usize| "{ a ".repeat(times) + &"}".repeat(times);
        assert_eq!(check(&nested(MAX_DEPTH)), Ok(()));
        assert_eq!(check(&nested(MAX_DEPTH + 1)), Err(TooExpensive));
    }

    #[test]
    fn tools_introspection_is_accepted_and_circular_is_refused() {
        let types = "kind name ".to_owned() + &"ofType { kind name ".repeat(9) + &"}".repeat(9);
        let input = format!(
            "name description type {{ {types} }} defaultValue isDeprecated deprecationReason"
        );
        let whole = format!(
            "{{ __schema {{ description queryType {{ name kind }} mutationType {{ name kind }}
                subscriptionType {{ name kind }}
                types {{ kind name description specifiedByURL isOneOf
                    fields(includeDeprecated: true) {{ name description
                        args(includeDeprecated: true) {{ {input} }}
                        type {{ {types} }} isDeprecated deprecationReason }}
                    inputFields(includeDeprecated: true) {{ {input} }}
                    interfaces {{ {types} }}
                    enumValues(includeDeprecated: true) {{
                        name description isDeprecated deprecationReason }}
                    possibleTypes {{ {types} }} }}
                directives {{ name description isRepeatable locations
                    args(includeDeprecated: true) {{ {input} }} }} }} }}"
        );
        assert_eq!(check(&whole), Ok(()));
        let circle = |times: usize| {
            let (open, close) = ("fields { type { ".repeat(times), "} }".repeat(times));
            format!("{{ __schema {{ types {{ {open} name {close} }} }} }}")
        };
        assert_eq!(check(&circle(3)), Ok(()));
        assert_eq!(check(&circle(5)), Err(TooExpensive));
    }

    #[test]
    fn variable_values_are_limited_at_any_depth() {
        let check = |value| {
            let serde_json::Value::Object(variables) = value else {
                panic!("an object");
            };
            check_values(&variables)
        };
        let list = |length: usize| serde_json::json!({"a": vec![0; length]});
        assert_eq!(check(list(MAX_VALUES - 1)), Ok(()));
        assert_eq!(check(list(MAX_VALUES)), Err(TooExpensive));
        let nested = vec![serde_json::json!({"a": [[], {}]}); MAX_VALUES / 4];
        assert_eq!(check(serde_json::json!({"a": nested})), Err(TooExpensive));
    }

    #[test]
    fn fragment_counts_once_for_each_spread() {
        for part in [
            "me { id }",
            "... { ... { __typename } }",
            "post(id: [1, 2]) { id }",
            "__typename @skip(if: true) @skip(if: true)",
        ] {
            let fragment = format!("fragment F on Query {{ {} }}", part.repeat(20));
            let spread = |times: usize| format!("{{ {} }} {fragment}", "...F ".repeat(times));
            assert_eq!(check(&spread(5)), Ok(()), "{part}");
            assert_eq!(check(&spread(25)), Err(TooExpensive), "{part}");
        }
    }
}
