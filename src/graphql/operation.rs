//! Requests made ready: parsed once, their operation found, their root checked.

use std::{
    any::Any,
    collections::{HashMap, HashSet},
    sync::Arc,
};

use async_graphql::{
    Data, Name, Positioned, Request, ServerError, Value, Variables,
    parser::{
        parse_query,
        types::{
            DocumentOperations, ExecutableDocument, FragmentDefinition, OperationDefinition,
            OperationType, Selection, SelectionSet,
        },
    },
};
use async_graphql_value::Value as DocumentValue;

use super::{
    cost,
    error::{RequestCode, request_error},
    extent,
    template::{self, Template},
};

/// The longest document of a subscription.
const MAX_SUBSCRIPTION_BYTES: usize = 16 * 1024;

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperationKind {
    /// Reads.
    Query,
    /// Changes.
    Mutation,
    /// Goes on.
    Subscription,
}

/// One operation of a document: what of a request is the same whatever its variables are.
#[derive(Debug)]
pub(super) struct Prepared {
    text: Arc<str>,
    operation_name: Option<String>,
    document: ExecutableDocument,
    kind: OperationKind,
    /// The variables that show in its results.
    shown: Vec<Name>,
}

impl Prepared {
    /// Parses a document and finds the operation that is meant.
    pub(super) fn new(text: &str, operation_name: Option<String>) -> Result<Self, ServerError> {
        extent::check(text).map_err(|too_large| {
            too_expensive(too_large.to_string(), async_graphql::Pos::default())
        })?;
        let mut document = parse_query(text)
            .map_err(|error| request_error(RequestCode::ParseFailed, error.into()))?;
        // Whatever is looked up, expanded or validated below was weighed before.
        cost::check_document(&document)
            .map_err(|cost::TooExpensive| costs_too_much(async_graphql::Pos::default()))?;
        let name = operation_name.as_deref();
        let operation = find(&document, name)?;
        let kind = kind(operation.node.ty);
        let mut shown = template::variables_declared(&operation.node);
        if kind == OperationKind::Subscription {
            // It is kept for as long as the subscription lives.
            if text.len() > MAX_SUBSCRIPTION_BYTES {
                let message = format!("A subscription has at most {MAX_SUBSCRIPTION_BYTES} bytes.");
                return Err(too_expensive(message, async_graphql::Pos::default()));
            }
            flatten_root(&mut document, name)?;
            let operation = &find(&document, name)?.node;
            shown = template::variables_shown(&document, operation);
        }
        Ok(Self {
            text: text.into(),
            operation_name,
            document,
            kind,
            shown,
        })
    }

    fn operation(&self) -> Result<&Positioned<OperationDefinition>, ServerError> {
        find(&self.document, self.operation_name.as_deref())
    }
}

/// What lives as long as an operation's execution.
struct Kept<T> {
    _kept: T,
}

/// A request whose document was parsed, and whose operation is known.
#[derive(Debug)]
pub struct Operation {
    prepared: Arc<Prepared>,
    variables: Variables,
    data: Data,
}

impl Operation {
    /// An operation with the values of its variables. The error is the request's, with its code:
    /// nothing was executed.
    pub(super) fn new(
        prepared: Arc<Prepared>,
        variables: Option<serde_json::Map<String, serde_json::Value>>,
    ) -> Result<Self, ServerError> {
        let operation = prepared.operation()?;
        let variables = declared(&operation.node, variables.unwrap_or_default());
        cost::check_values(&variables)
            .map_err(|cost::TooExpensive| costs_too_much(operation.pos))?;
        let variables = Variables::from_json(variables.into());
        require_variables(&operation.node, &variables)?;
        cost::check(&prepared.document, &operation.node, &variables)
            .map_err(|cost::TooExpensive| costs_too_much(operation.pos))?;
        Ok(Self {
            prepared,
            variables,
            data: Data::default(),
        })
    }

    /// With this in the data that resolvers see.
    pub(super) fn with<T: Any + Send + Sync>(mut self, data: T) -> Self {
        self.data.insert(data);
        self
    }

    /// With something that is kept until its execution ends, whether or not anybody waits for that.
    #[must_use]
    pub fn keeping<T: Send + Sync + 'static>(self, kept: T) -> Self {
        self.with(Kept { _kept: kept })
    }

    /// The same operation, without any data.
    pub(super) fn again(&self) -> Self {
        Self {
            prepared: Arc::clone(&self.prepared),
            variables: self.variables.clone(),
            data: Data::default(),
        }
    }

    /// As the library takes it.
    pub(super) fn into_request(self) -> Request {
        // The library reads the text only of what it parses itself.
        let mut request = Request::new(String::new());
        request.operation_name = self.prepared.operation_name.clone();
        request.variables = self.variables;
        request.data = self.data;
        request.set_parsed_query(self.prepared.document.clone());
        request
    }

    /// What its results depend on, besides what they tell of.
    pub(super) fn template(&self) -> Template {
        let values = self.prepared.shown.iter();
        Template::new(
            Arc::clone(&self.prepared.text),
            self.prepared.operation_name.clone(),
            values.map(|name| (name, self.variables.get(name))),
        )
    }

    /// The field at the root of a subscription, its arguments with the values of variables in
    /// their places; an argument that is not given is missing. `None` where that is unclear.
    pub(super) fn root(&self) -> Option<(&Name, HashMap<&Name, Value>)> {
        let operation = &self.prepared.operation().ok()?.node;
        let [
            Positioned {
                node: Selection::Field(field),
                ..
            },
        ] = &operation.selection_set.node.items[..]
        else {
            return None;
        };
        let value_of = |name: &Name| {
            let default = || {
                let mut definitions = operation.variable_definitions.iter();
                let definition =
                    definitions.find(|definition| definition.node.name.node == *name)?;
                definition
                    .node
                    .default_value
                    .as_ref()
                    .map(|value| value.node.clone())
            };
            self.variables.get(name).cloned().or_else(default)
        };
        let mut arguments = HashMap::new();
        for (name, value) in &field.node.arguments {
            let value = match &value.node {
                DocumentValue::Variable(variable) => value_of(variable),
                constant => Some(constant.clone().into_const()?),
            };
            if let Some(value) = value {
                arguments.insert(&name.node, value);
            }
        }
        Some((&field.node.name.node, arguments))
    }

    /// The operation's name in its document.
    pub fn name(&self) -> Option<&str> {
        match (
            &self.prepared.operation_name,
            &self.prepared.document.operations,
        ) {
            (Some(name), _) => Some(name),
            // The only one.
            (None, DocumentOperations::Multiple(operations)) => {
                operations.keys().next().map(Name::as_str)
            }
            (None, DocumentOperations::Single(_)) => None,
        }
    }

    /// What the operation does.
    pub fn kind(&self) -> OperationKind {
        self.prepared.kind
    }
}

fn costs_too_much(at: async_graphql::Pos) -> ServerError {
    too_expensive("The operation asks for too much at once.", at)
}

fn kind(of: OperationType) -> OperationKind {
    match of {
        OperationType::Query => OperationKind::Query,
        OperationType::Mutation => OperationKind::Mutation,
        OperationType::Subscription => OperationKind::Subscription,
    }
}

fn too_expensive(message: impl Into<String>, at: async_graphql::Pos) -> ServerError {
    let error = ServerError::new(message, Some(at));
    request_error(RequestCode::TooExpensive, error)
}

fn invalid(message: impl Into<String>, at: Option<async_graphql::Pos>) -> ServerError {
    request_error(RequestCode::ValidationFailed, ServerError::new(message, at))
}

/// The operation that is meant (GraphQL specification, section 6.1, GetOperation).
fn find<'a>(
    document: &'a ExecutableDocument,
    name: Option<&str>,
) -> Result<&'a Positioned<OperationDefinition>, ServerError> {
    match (&document.operations, name) {
        (DocumentOperations::Single(operation), None) => Ok(operation),
        (DocumentOperations::Single(_), Some(name)) => Err(invalid(
            format!("Unknown operation named \"{name}\"."),
            None,
        )),
        (DocumentOperations::Multiple(operations), Some(name)) => operations
            .get(name)
            .ok_or_else(|| invalid(format!("Unknown operation named \"{name}\"."), None)),
        (DocumentOperations::Multiple(operations), None) => {
            let mut all = operations.values();
            match (all.next(), all.next()) {
                (Some(operation), None) => Ok(operation),
                _ => Err(invalid(
                    "Say by operationName which operation is meant.",
                    None,
                )),
            }
        }
    }
}

/// The values of the variables that the operation declares. Nothing is kept of what a client sends
/// beside those.
fn declared(
    operation: &OperationDefinition,
    mut values: serde_json::Map<String, serde_json::Value>,
) -> serde_json::Map<String, serde_json::Value> {
    let definitions = operation.variable_definitions.iter();
    let declared: HashSet<&str> = definitions
        .map(|definition| definition.node.name.node.as_str())
        .collect();
    values.retain(|name, _| declared.contains(name.as_str()));
    values
}

/// Refuses an operation that lacks a variable which it requires (GraphQL specification, section
/// 6.1.2, CoerceVariableValues): the library finds out only where the variable is used, when the
/// fields before that of a mutation are done and stored.
fn require_variables(
    operation: &OperationDefinition,
    variables: &Variables,
) -> Result<(), ServerError> {
    for Positioned { node, pos } in &operation.variable_definitions {
        let is_missing = match variables.get(&node.name.node) {
            Some(value) => *value == Value::Null,
            None => node.default_value.is_none(),
        };
        if is_missing && !node.var_type.node.nullable {
            let (name, of) = (&node.name, &node.var_type);
            let message = format!("Variable \"${name}\" of type \"{of}\" must be given.");
            return Err(invalid(message, Some(*pos)));
        }
    }
    Ok(())
}

/// Holds a subscription to one root field (GraphQL specification, section 5.2.4.1), and puts that
/// field where the library looks for it: it finds no field that stands in a fragment at the root,
/// and would answer with a stream that ends without a word.
fn flatten_root(document: &mut ExecutableDocument, name: Option<&str>) -> Result<(), ServerError> {
    let operation = find(document, name)?;
    let root = &operation.node.selection_set;
    let at = operation.pos;
    let mut fields = Vec::new();
    let mut spread = HashSet::new();
    collect(root, &document.fragments, &mut spread, &mut fields)?;
    if fields.len() != 1 {
        return Err(invalid(
            "A subscription must have exactly one root field.",
            Some(at),
        ));
    }
    if spread.is_empty()
        && root.node.items.len() == 1
        && matches!(root.node.items[0].node, Selection::Field(_))
    {
        return Ok(());
    }

    let flat = fields;
    let operation = match &mut document.operations {
        DocumentOperations::Single(operation) => operation,
        DocumentOperations::Multiple(operations) => {
            let only = operations.keys().next().cloned();
            match name
                .map(Name::new)
                .or(only)
                .and_then(|name| operations.get_mut(&name))
            {
                Some(operation) => operation,
                None => return Ok(()),
            }
        }
    };
    operation.node.selection_set.node.items = flat;
    // A fragment on the subscription's root can be spread nowhere else in this operation.
    document.fragments.retain(|name, _| !spread.contains(name));
    Ok(())
}

/// The fields of a root selection, those of its fragments included, each fragment once.
fn collect(
    selections: &Positioned<SelectionSet>,
    fragments: &HashMap<Name, Positioned<FragmentDefinition>>,
    spread: &mut HashSet<Name>,
    fields: &mut Vec<Positioned<Selection>>,
) -> Result<(), ServerError> {
    for selection in &selections.node.items {
        let (inner, directives) = match &selection.node {
            Selection::Field(_) => {
                fields.push(selection.clone());
                continue;
            }
            Selection::InlineFragment(inline) => {
                (&inline.node.selection_set, &inline.node.directives)
            }
            Selection::FragmentSpread(of) => {
                let name = &of.node.fragment_name.node;
                let Some(fragment) = fragments.get(name) else {
                    return Err(invalid(
                        format!("Unknown fragment: \"{name}\"."),
                        Some(of.pos),
                    ));
                };
                if !spread.insert(name.clone()) {
                    continue;
                }
                (&fragment.node.selection_set, &of.node.directives)
            }
        };
        if let Some(directive) = directives.first() {
            return Err(invalid(
                "A fragment at the root of a subscription must have no directive.",
                Some(directive.pos),
            ));
        }
        collect(inner, fragments, spread, fields)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(query: &str, operation_name: Option<&str>) -> Result<Operation, ServerError> {
        let prepared = Prepared::new(query, operation_name.map(str::to_owned))?;
        Operation::new(Arc::new(prepared), None)
    }

    fn root_fields(query: &str) -> Vec<String> {
        let operation = parse(query, None).unwrap();
        let document = &operation.prepared.document;
        let DocumentOperations::Single(operation) = &document.operations else {
            panic!("one operation");
        };
        let items = &operation.node.selection_set.node.items;
        items
            .iter()
            .map(|item| match &item.node {
                Selection::Field(field) => field.node.name.node.to_string(),
                other => panic!("not a field: {other:?}"),
            })
            .collect()
    }

    #[test]
    fn operation_is_found_by_name_or_as_the_only_one() {
        let two = "query A { me { id } } mutation B { x }";
        assert_eq!(parse(two, Some("A")).unwrap().kind(), OperationKind::Query);
        assert_eq!(
            parse(two, Some("B")).unwrap().kind(),
            OperationKind::Mutation
        );
        assert!(parse(two, Some("C")).is_err());
        assert!(parse(two, None).is_err());
        assert_eq!(
            parse("query A { me { id } }", None).unwrap().kind(),
            OperationKind::Query
        );
    }

    #[test]
    fn subscription_has_one_root_field() {
        assert!(parse("subscription { a b }", None).is_err());
        assert!(parse("subscription { a: x b: x }", None).is_err());
        assert!(
            parse(
                "subscription { a ...F } fragment F on Subscription { b }",
                None
            )
            .is_err()
        );
        assert!(
            parse(
                "subscription { ...F @skip(if: true) } fragment F on Subscription { b }",
                None
            )
            .is_err()
        );
        assert!(parse("subscription { ...F }", None).is_err());
        assert!(
            parse(
                "subscription { ...F } fragment F on Subscription { ...F }",
                None
            )
            .is_err()
        );
    }

    #[test]
    fn root_field_in_fragments_is_moved_to_the_root() {
        assert_eq!(
            root_fields(
                "subscription { ...F } fragment F on Subscription { ... on Subscription { viewerCount } }"
            ),
            ["viewerCount"]
        );
        assert_eq!(
            root_fields("subscription { ... { viewerCount } }"),
            ["viewerCount"]
        );
        assert_eq!(root_fields("subscription { viewerCount }"), ["viewerCount"]);
    }
}
