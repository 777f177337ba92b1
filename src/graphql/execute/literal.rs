//! Coercion of literals: a value as a document writes it in, the value that it means out.
//!
//! The rules are those of input coercion in section 3 of the GraphQL specification. Validation has
//! checked that the literal fits its type, so nothing is refused here.

use apollo_compiler::{
    Name as SchemaName, Schema,
    ast::{Type, Value as Literal},
    schema::ExtendedType,
};
use async_graphql::{Name, Value as ConstValue};
use serde_json::Number;

use super::normal_form::Value;

/// Returns the index of a variable that has a value, or `None` if it has none.
pub(super) type Lookup<'a> = &'a dyn Fn(&SchemaName) -> Option<usize>;

/// Coerces a literal to type `ty`. Returns `None` for a variable without a value.
pub(super) fn coerce(
    schema: &Schema,
    ty: &Type,
    literal: &Literal,
    lookup: Lookup<'_>,
) -> Option<Value> {
    match (literal, ty) {
        (Literal::Variable(name), _) => lookup(name).map(Value::Variable),
        (Literal::Null, _) => Some(Value::Constant(ConstValue::Null)),
        (Literal::List(items), Type::List(inner) | Type::NonNullList(inner)) => {
            let null = || Value::Constant(ConstValue::Null);
            let items = items.iter();
            let items = items.map(|item| coerce(schema, inner, item, lookup).unwrap_or_else(null));
            Some(list(items.collect()))
        }
        // A single value stands for a list of one (section 3.11).
        (_, Type::List(inner) | Type::NonNullList(inner)) => {
            let item = coerce(schema, inner, literal, lookup)?;
            Some(list(vec![item]))
        }
        (Literal::Object(fields), Type::Named(name) | Type::NonNullNamed(name)) => {
            Some(object(schema, name, fields, lookup))
        }
        (_, Type::Named(name) | Type::NonNullNamed(name)) => {
            Some(Value::Constant(leaf(name, literal)))
        }
    }
}

/// Coerces a literal that has no variables: a default.
pub(super) fn constant(schema: &Schema, ty: &Type, literal: &Literal) -> ConstValue {
    match coerce(schema, ty, literal, &|_| None) {
        Some(Value::Constant(value)) => value,
        _ => ConstValue::Null,
    }
}

/// Puts the fields into the order of their definitions, and adds the defaults of those that are not
/// given.
fn object(
    schema: &Schema,
    of: &SchemaName,
    given: &[(SchemaName, apollo_compiler::Node<Literal>)],
    lookup: Lookup<'_>,
) -> Value {
    let Some(ExtendedType::InputObject(definition)) = schema.types.get(of) else {
        return Value::Constant(ConstValue::Null);
    };
    let mut fields = Vec::with_capacity(definition.fields.len());
    for (name, field) in &definition.fields {
        let literal = given.iter().find(|(given, _)| given == name);
        let value = literal.and_then(|(_, literal)| coerce(schema, &field.ty, literal, lookup));
        let value = value.or_else(|| {
            let default = field.default_value.as_ref()?;
            Some(Value::Constant(constant(schema, &field.ty, default)))
        });
        if let Some(value) = value {
            fields.push((Name::new(name.as_str()), value));
        }
    }
    let constants = fields.iter();
    let constants = constants.map(|(name, value)| Some((name.clone(), value.constant()?.clone())));
    match constants.collect() {
        Some(constants) => Value::Constant(ConstValue::Object(constants)),
        None => Value::Object(fields),
    }
}

fn list(items: Vec<Value>) -> Value {
    let constants = items.iter().map(|item| item.constant().cloned());
    match constants.collect() {
        Some(constants) => Value::Constant(ConstValue::List(constants)),
        None => Value::List(items),
    }
}

fn leaf(ty: &SchemaName, literal: &Literal) -> ConstValue {
    match literal {
        // An integer is an id as well (section 3.5.5).
        Literal::Int(digits) if ty == "ID" => ConstValue::String(digits.as_str().to_owned()),
        Literal::Int(digits) => number(digits.as_str()),
        Literal::Float(digits) => number(digits.as_str()),
        Literal::String(text) => ConstValue::String(text.clone()),
        Literal::Boolean(value) => ConstValue::Boolean(*value),
        Literal::Enum(name) => ConstValue::Enum(Name::new(name.as_str())),
        Literal::Null | Literal::Variable(_) | Literal::List(_) | Literal::Object(_) => {
            ConstValue::Null
        }
    }
}

fn number(digits: &str) -> ConstValue {
    let whole = digits.parse::<i64>().ok().map(Number::from);
    let number = whole.or_else(|| Number::from_f64(digits.parse().ok()?));
    number.map_or(ConstValue::Null, ConstValue::Number)
}
