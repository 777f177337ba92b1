//! Normalization: a valid operation in, its normal form out.
//!
//! Every object type of the schema is concrete, so a fragment applies wherever it may be spread,
//! and the normal form is exact. A test fails if an interface or a union is added.

use std::collections::HashSet;

use apollo_compiler::{
    Name as DocumentName, Node, Schema,
    ast::{Directive, DirectiveList, Value as Literal},
    executable::{Field as Selected, Operation, Selection, SelectionSet},
};
use async_graphql::{Name, Pos, ServerError, Value as ConstValue};
use indexmap::IndexMap;

use super::{
    document::{self, Document},
    literal,
    normal_form::{Field, NormalForm, Value},
    positions::Positions,
    variables::Variables,
};
use crate::graphql::{error::request_error, error_code::ErrorCode};

/// The part of variables that changes the shape of a normal form: which have a value, and the values
/// of those that may be a condition.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Shape(Box<[Presence]>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Presence {
    Absent,
    Given,
    Condition(bool),
}

impl Shape {
    pub(super) fn of(variables: &Variables) -> Self {
        let presence = variables.iter().map(|value| match value {
            None => Presence::Absent,
            Some(ConstValue::Boolean(value)) => Presence::Condition(*value),
            Some(_) => Presence::Given,
        });
        Self(presence.collect())
    }

    /// Returns the memory that it takes beside itself.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.0)
    }
}

/// Returns the normal form of an operation for all variables of the same shape as `variables`.
///
/// # Errors
///
/// Refuses a condition that is null, and fields of one response name that are not the same field.
pub(super) fn normalize(
    schema: &Schema,
    document: &Document,
    operation: &Node<Operation>,
    variables: &Variables,
) -> Result<NormalForm, ServerError> {
    let normalizer = Normalizer {
        schema,
        document,
        operation,
        variables,
        positions: Positions::new(document.text()),
    };
    let fields = normalizer.fields([&operation.selection_set])?;
    let kind = document::kind(operation);
    let name = operation.name.as_deref().map(Name::new);
    let position = normalizer.position(operation);
    Ok(NormalForm::new(kind, name, position, fields))
}

struct Normalizer<'a> {
    schema: &'a Schema,
    document: &'a Document,
    operation: &'a Operation,
    variables: &'a Variables,
    positions: Positions<'a>,
}

/// The selections of one response name, in the order of the document.
type Grouped<'a> = IndexMap<&'a DocumentName, Vec<&'a Node<Selected>>>;

impl<'a> Normalizer<'a> {
    /// Merges the fields of several selection sets (GraphQL specification, section 6.3.2,
    /// CollectFields).
    fn fields(
        &self,
        selections: impl IntoIterator<Item = &'a SelectionSet>,
    ) -> Result<Vec<Field>, ServerError> {
        let mut grouped = Grouped::new();
        let mut seen = HashSet::new();
        for selections in selections {
            self.collect(selections, &mut seen, &mut grouped)?;
        }
        grouped.values().map(|group| self.field(group)).collect()
    }

    fn collect(
        &self,
        selections: &'a SelectionSet,
        seen: &mut HashSet<&'a DocumentName>,
        grouped: &mut Grouped<'a>,
    ) -> Result<(), ServerError> {
        for selection in &selections.selections {
            if !self.is_included(selection.directives())? {
                continue;
            }
            match selection {
                Selection::Field(field) => {
                    grouped
                        .entry(field.response_name())
                        .or_default()
                        .push(field);
                }
                Selection::InlineFragment(inline) => {
                    self.collect(&inline.selection_set, seen, grouped)?;
                }
                Selection::FragmentSpread(spread) => {
                    if seen.insert(&spread.fragment_name)
                        && let Some(fragment) = spread.fragment_def(&self.document.executable)
                    {
                        self.collect(&fragment.selection_set, seen, grouped)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn field(&self, group: &[&'a Node<Selected>]) -> Result<Field, ServerError> {
        let first = group[0];
        let arguments = self.arguments(first);
        // Validation has refused other cases, but for lists of different lengths: docs/upstream.md.
        let is_same = |other: &&&Node<Selected>| {
            first.name == other.name && arguments == self.arguments(other)
        };
        if let Some(other) = group.iter().find(|other| !is_same(other)) {
            return Err(self.conflict(first, other));
        }
        let inner = group.iter();
        let inner = inner.filter_map(|field| field.selection_set.as_ref());
        Ok(Field {
            alias: first.alias.as_deref().map(Name::new),
            name: Name::new(first.name.as_str()),
            selection: self.fields(inner)?,
            position: self.position(first),
            arguments,
        })
    }

    /// Returns the arguments of a field in the order of their definitions: with the values that are
    /// given, and defaults for those that are not.
    fn arguments(&self, field: &Selected) -> Vec<(Name, Value)> {
        let definitions = field.definition.arguments.iter();
        let arguments = definitions.filter_map(|definition| {
            let given = field.specified_argument_by_name(&definition.name);
            let given = given.and_then(|literal| {
                literal::coerce(self.schema, &definition.ty, literal, &|name| {
                    self.index(name)
                })
            });
            let value = given.or_else(|| {
                let default = definition.default_value.as_ref()?;
                let default = literal::constant(self.schema, &definition.ty, default);
                Some(Value::Constant(default))
            });
            Some((Name::new(definition.name.as_str()), value?))
        });
        arguments.collect()
    }

    fn position<T>(&self, node: &Node<T>) -> Pos {
        let position = self.positions.of(node.location());
        position.unwrap_or(Pos { line: 1, column: 1 })
    }

    /// Returns the index of a variable that has a value.
    fn index(&self, name: &DocumentName) -> Option<usize> {
        let mut definitions = self.operation.variables.iter();
        let index = definitions.position(|definition| definition.name == *name)?;
        self.variables.get(index).map(|_| index)
    }

    /// Evaluates `@skip`, then `@include` if that did not settle it (section 6.3.2).
    fn is_included(&self, directives: &DirectiveList) -> Result<bool, ServerError> {
        if let Some(skip) = directives.get("skip")
            && self.condition(skip)?
        {
            return Ok(false);
        }
        match directives.get("include") {
            Some(include) => self.condition(include),
            None => Ok(true),
        }
    }

    fn condition(&self, directive: &Node<Directive>) -> Result<bool, ServerError> {
        let value = directive.specified_argument_by_name("if");
        match value.map(|value| &**value) {
            Some(Literal::Boolean(value)) => return Ok(*value),
            Some(Literal::Variable(name)) => {
                let value = self.index(name).and_then(|index| self.variables.get(index));
                if let Some(ConstValue::Boolean(value)) = value {
                    return Ok(*value);
                }
            }
            _ => {}
        }
        let message = format!("The condition of @{} must not be null.", directive.name);
        let position = self.positions.of(directive.location());
        Err(request_error(
            ErrorCode::ValidationFailed,
            ServerError::new(message, position),
        ))
    }

    fn conflict(&self, first: &Node<Selected>, other: &Node<Selected>) -> ServerError {
        let message = format!(
            "\"{}\" selects fields that differ: use different aliases.",
            first.response_name()
        );
        let position = self.positions.of(first.location());
        let mut error = ServerError::new(message, position);
        error.locations.extend(self.positions.of(other.location()));
        request_error(ErrorCode::ValidationFailed, error)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use crate::graphql::execute::{fingerprint::Fingerprint, testing};

    fn fingerprint_with(text: &str, variables: Json) -> Fingerprint {
        let (form, variables) = testing::normal_form(text, variables);
        form.fingerprint.fill(&variables)
    }

    fn fingerprint(text: &str) -> Fingerprint {
        fingerprint_with(text, json!({}))
    }

    #[test]
    fn fragments_are_inlined_and_equal_fields_merged() {
        let merged = fingerprint("{ me { id name avatar } }");
        for text in [
            "{ me { id } me { name avatar } }",
            "{ ...A ...B } fragment B on Query { me { name avatar } } fragment A on Query { me { id } }",
            "{ me { ...A ... on User { name ... { avatar } } } } fragment A on User { id }",
            "query Named { me { id name id avatar name } }",
        ] {
            assert_eq!(fingerprint(text), merged, "{text}");
        }
    }

    #[test]
    fn order_and_aliases_change_the_fingerprint() {
        let fields = fingerprint("{ me { id name } }");
        assert_ne!(fingerprint("{ me { name id } }"), fields);
        assert_ne!(fingerprint("{ me { id: id n: name } }"), fields);
        assert_ne!(fingerprint("{ m: me { id name } }"), fields);
        assert_eq!(fingerprint("{ me: me { id: id name } }"), fields);
    }

    #[test]
    fn skip_is_evaluated_before_include() {
        let null = "query($b: Boolean = true) {
            me { id name @include(if: $b) @skip(if: true) } }";
        assert_eq!(
            fingerprint_with(null, json!({"b": null})),
            fingerprint("{ me { id } }")
        );
    }

    #[test]
    fn conditions_are_settled_with_defaults() {
        let with = fingerprint("{ me { id name } }");
        let without = fingerprint("{ me { id } }");
        let on = "query($on: Boolean = true) { me { id name @include(if: $on) } }";
        assert_eq!(fingerprint(on), with);
        assert_eq!(fingerprint_with(on, json!({"on": false})), without);
        let off = "query($off: Boolean! = true) { me { id ... @skip(if: $off) { name } } }";
        assert_eq!(fingerprint(off), without);
        assert_eq!(fingerprint_with(off, json!({"off": false})), with);
    }

    #[test]
    fn variables_and_literals_mean_the_same() {
        let literal = fingerprint(
            "{ post(id: \"7\") { comments(order: NEWEST_FIRST, first: 2) { nodes { id } } } }",
        );
        let variables = "query($i: ID!, $n: Int, $o: CommentOrder!) {
            post(id: $i) { comments(first: $n, order: $o) { nodes { id } } } }";
        let given = json!({"i": 7, "n": 2, "o": "NEWEST_FIRST"});
        assert_eq!(fingerprint_with(variables, given), literal);
        let number = "{ post(id: 7) { comments(first: 2, order: NEWEST_FIRST) { nodes { id } } } }";
        assert_eq!(fingerprint(number), literal);
    }

    #[test]
    fn argument_without_a_value_has_its_default() {
        let absent = fingerprint("{ post(id: \"p\") { comments { nodes { id } } } }");
        let default = "{ post(id: \"p\") {
            comments(order: OLDEST_FIRST, first: 20) { nodes { id } } } }";
        assert_eq!(fingerprint(default), absent);
        let variable = "query($n: Int, $o: CommentOrder) {
            post(id: \"p\") { comments(first: $n, order: $o) { nodes { id } } } }";
        assert_eq!(fingerprint(variable), absent);
        assert_ne!(fingerprint_with(variable, json!({"n": null})), absent);
    }

    #[test]
    fn subscriptions_root_arguments_are_not_in_its_fingerprint() {
        let text =
            "subscription($p: ID!, $a: Cursor) { commentAdded(postId: $p, after: $a) { id } }";
        let one = fingerprint_with(text, json!({"p": "one"}));
        let other = "subscription { commentAdded(postId: \"other\", includeOwn: true) { id } }";
        assert_eq!(fingerprint(other), one);
        let renamed = "subscription { added: commentAdded(postId: \"one\") { id } }";
        assert_ne!(fingerprint(renamed), one);
    }

    #[test]
    fn input_objects_have_the_order_of_their_type() {
        let one = "mutation { createPost(input: {title: \"t\", id: 5}) { post { id } } }";
        let other = "mutation($t: String!) {
            createPost(input: {id: \"5\", title: $t}) { post { id } } }";
        assert_eq!(fingerprint(one), fingerprint_with(other, json!({"t": "t"})));
    }
}
