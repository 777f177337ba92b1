//! Rules of validation that apollo-compiler 2.0.0-beta.2 lacks or has differently; docs/upstream.md
//! lists them with minimal documents.

use std::collections::HashSet;

use apollo_compiler::{
    ExecutableDocument, Name, Node, Schema,
    ast::{Argument, Directive, InputValueDefinition, Type, Value, VariableDefinition},
    executable::{Operation, Selection, SelectionSet},
    schema::ExtendedType,
};

use super::validate::Violation;

/// Checks the rules for all operations of a document, and the fragments that they spread.
pub(super) fn check(schema: &Schema, document: &ExecutableDocument) -> Vec<Violation> {
    let mut violations = Vec::new();
    for operation in document.operations.iter() {
        if operation.is_subscription() {
            violations.extend(one_root_field(document, operation));
        }
        let mut walk = Walk {
            schema,
            document,
            variables: &operation.variables,
            seen: HashSet::new(),
            violations: &mut violations,
        };
        for definition in &operation.variables {
            if let Some(default) = &definition.default_value {
                walk.value(&definition.ty, default, false);
            }
            walk.directives(&definition.directives);
        }
        walk.directives(&operation.directives);
        walk.selections(&operation.selection_set);
    }
    violations
}

/// A subscription has one root field (section 5.2.4.1). A field that is selected twice under one
/// response name is one field.
fn one_root_field(document: &ExecutableDocument, operation: &Node<Operation>) -> Option<Violation> {
    let fields = operation.root_fields(document);
    let names: HashSet<_> = fields.map(|field| field.response_name()).collect();
    (names.len() > 1).then(|| Violation {
        at: operation.location(),
        message: "A subscription must have exactly one root field.".to_owned(),
    })
}

/// Visits every value in an operation with the type of its place.
struct Walk<'a> {
    schema: &'a Schema,
    document: &'a ExecutableDocument,
    variables: &'a [Node<VariableDefinition>],
    /// The fragments that were visited.
    seen: HashSet<&'a Name>,
    violations: &'a mut Vec<Violation>,
}

impl<'a> Walk<'a> {
    fn selections(&mut self, selections: &'a SelectionSet) {
        for selection in &selections.selections {
            match selection {
                Selection::Field(field) => {
                    self.arguments(&field.definition.arguments, &field.arguments);
                    self.directives(&field.directives);
                    if let Some(inner) = &field.selection_set {
                        self.selections(inner);
                    }
                }
                Selection::InlineFragment(inline) => {
                    self.directives(&inline.directives);
                    self.selections(&inline.selection_set);
                }
                Selection::FragmentSpread(spread) => {
                    self.directives(&spread.directives);
                    let fragment = self.document.fragments.get(&spread.fragment_name);
                    if let Some(fragment) = fragment
                        && self.seen.insert(&fragment.name)
                    {
                        self.directives(&fragment.directives);
                        self.selections(&fragment.selection_set);
                    }
                }
            }
        }
    }

    fn directives(&mut self, directives: &[Node<Directive>]) {
        for directive in directives {
            let schema = self.schema;
            if let Some(definition) = schema.directive_definitions.get(&directive.name) {
                self.arguments(&definition.arguments, &directive.arguments);
            }
        }
    }

    fn arguments(
        &mut self,
        definitions: &[Node<InputValueDefinition>],
        arguments: &[Node<Argument>],
    ) {
        for argument in arguments {
            let mut definitions = definitions.iter();
            if let Some(place) = definitions.find(|place| place.name == argument.name) {
                self.value(&place.ty, &argument.value, place.default_value.is_some());
            }
        }
    }

    fn value(&mut self, ty: &Type, value: &Node<Value>, has_default: bool) {
        match (&**value, ty) {
            (Value::Variable(name), _) => self.variable(ty, name, value, has_default),
            (Value::List(items), Type::List(inner) | Type::NonNullList(inner)) => {
                for item in items {
                    self.value(inner, item, false);
                }
            }
            (_, Type::List(inner) | Type::NonNullList(inner)) => self.value(inner, value, false),
            (Value::Null, _) => {}
            (_, Type::Named(name) | Type::NonNullNamed(name)) => self.named(name, value),
        }
    }

    /// A default of null does not make a nullable variable fit a non-null place (section 5.8.5).
    fn variable(&mut self, ty: &Type, name: &Name, value: &Node<Value>, has_default: bool) {
        let mut definitions = self.variables.iter();
        let Some(definition) = definitions.find(|definition| definition.name == *name) else {
            return;
        };
        let default = definition.default_value.as_deref();
        if ty.is_non_null()
            && !definition.ty.is_non_null()
            && !has_default
            && default == Some(&Value::Null)
        {
            let message = format!(
                "variable `${name}` of type `{}` with a default of null cannot be used where `{ty}` \
                 is expected",
                definition.ty
            );
            self.refuse(value, message);
        }
    }

    fn named(&mut self, name: &Name, value: &Node<Value>) {
        match (self.schema.types.get(name), &**value) {
            (Some(ExtendedType::InputObject(definition)), Value::Object(fields)) => {
                self.unique(fields, value);
                for (name, value) in fields {
                    if let Some(place) = definition.fields.get(name) {
                        self.value(&place.ty, value, place.default_value.is_some());
                    }
                }
            }
            // The library accepts any literal for a scalar of the schema's own. All of them are strings.
            (Some(ExtendedType::Scalar(scalar)), _)
                if !scalar.is_built_in() && !matches!(&**value, Value::String(_)) =>
            {
                self.refuse(value, format!("expected a string of type {name}"));
            }
            _ => {}
        }
    }

    /// Input fields have unique names (section 5.6.3).
    fn unique(&mut self, fields: &[(Name, Node<Value>)], object: &Node<Value>) {
        let mut seen = HashSet::new();
        for (name, value) in fields {
            if !seen.insert(name) {
                let at = name.location().or(value.location()).or(object.location());
                let message = format!("the input field `{name}` is given more than once");
                self.violations.push(Violation { at, message });
            }
        }
    }

    fn refuse(&mut self, value: &Node<Value>, message: String) {
        let at = value.location();
        self.violations.push(Violation { at, message });
    }
}
