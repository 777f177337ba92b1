//! Coercion of variables: JSON in, values of the declared types out (GraphQL specification, section
//! 6.1.2, CoerceVariableValues).
//!
//! All variables are coerced before anything is executed. So a mutation with a wrong variable does
//! nothing at all.

use std::fmt;

use apollo_compiler::{
    Name as SchemaName, Node, Schema,
    ast::{Type, VariableDefinition},
    schema::{EnumType, ExtendedType, InputObjectType},
};
use async_graphql::{Name, ServerError, Value as ConstValue};
use serde_json::{Map, Number, Value as Json};

use super::{literal, normal_form::bytes_of_constant, positions::Positions};
use crate::graphql::{error::request_error, error_code::ErrorCode};

/// The largest integer up to which a JSON number with a fraction part is exact.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

/// Maximum number of characters of an unknown field's name in an error.
const MAX_NAME: usize = 80;

/// The values of an operation's variables, in the order of their definitions. A variable without a
/// value and without a default has none.
#[derive(Clone, Debug, Default)]
pub(super) struct Variables(Vec<Option<ConstValue>>);

impl Variables {
    /// Returns the value of the variable with this index.
    pub(super) fn get(&self, index: usize) -> Option<&ConstValue> {
        self.0.get(index)?.as_ref()
    }

    /// Returns about how many bytes of memory they take.
    pub(super) fn bytes(&self) -> usize {
        self.iter().flatten().map(bytes_of_constant).sum()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Option<&ConstValue>> {
        self.0.iter().map(Option::as_ref)
    }
}

/// Coerces the values that a request gives to the variables of an operation.
///
/// # Errors
///
/// Returns one request error for each variable that has no valid value.
pub(super) fn coerce(
    schema: &Schema,
    definitions: &[Node<VariableDefinition>],
    mut given: Map<String, Json>,
    text: &str,
) -> Result<Variables, Vec<ServerError>> {
    let mut values = Vec::with_capacity(definitions.len());
    let mut refused = Vec::new();
    for definition in definitions {
        match value_of(schema, definition, &mut given) {
            Ok(value) => values.push(value),
            Err(message) => refused.push((definition.location(), message)),
        }
    }
    if refused.is_empty() {
        return Ok(Variables(values));
    }
    let positions = Positions::new(text);
    let errors = refused.into_iter().map(|(at, message)| {
        let error = ServerError::new(message, positions.of(at));
        request_error(ErrorCode::ValidationFailed, error)
    });
    Err(errors.collect())
}

fn value_of(
    schema: &Schema,
    definition: &VariableDefinition,
    given: &mut Map<String, Json>,
) -> Result<Option<ConstValue>, String> {
    let (name, ty) = (&definition.name, &*definition.ty);
    if let Some(json) = given.remove(name.as_str()) {
        let value = input(schema, ty, json).map_err(|mismatch| mismatch.message(name))?;
        return Ok(Some(value));
    }
    match &definition.default_value {
        Some(default) => Ok(Some(literal::constant(schema, ty, default))),
        None if ty.is_non_null() => Err(format!(
            "Variable \"${name}\" of type \"{ty}\" must be given."
        )),
        None => Ok(None),
    }
}

/// Coerces one JSON value to type `ty`.
fn input(schema: &Schema, ty: &Type, json: Json) -> Result<ConstValue, Mismatch> {
    if json.is_null() {
        return if ty.is_non_null() {
            Err(Mismatch::new(ty, "not null"))
        } else {
            Ok(ConstValue::Null)
        };
    }
    match ty {
        Type::List(inner) | Type::NonNullList(inner) => {
            let items = match json {
                Json::Array(items) => items,
                // A single value stands for a list of one (section 3.11).
                single => return Ok(ConstValue::List(vec![input(schema, inner, single)?])),
            };
            let items = items.into_iter().enumerate();
            let items = items.map(|(index, item)| {
                input(schema, inner, item).map_err(|mismatch| mismatch.inside(Step::Item(index)))
            });
            items.collect::<Result<_, _>>().map(ConstValue::List)
        }
        Type::Named(name) | Type::NonNullNamed(name) => match schema.types.get(name) {
            Some(ExtendedType::Enum(of)) => enum_value(of, ty, json),
            Some(ExtendedType::InputObject(of)) => object(schema, of, ty, json),
            _ => scalar(name, json).ok_or_else(|| Mismatch::new(ty, expected(name))),
        },
    }
}

fn enum_value(of: &EnumType, ty: &Type, json: Json) -> Result<ConstValue, Mismatch> {
    match json {
        Json::String(text) if of.values.contains_key(text.as_str()) => {
            Ok(ConstValue::Enum(Name::new(text)))
        }
        _ => {
            let names: Vec<_> = of.values.keys().map(SchemaName::as_str).collect();
            Err(Mismatch::new(ty, format!("one of {}", names.join(", "))))
        }
    }
}

fn object(
    schema: &Schema,
    of: &InputObjectType,
    ty: &Type,
    json: Json,
) -> Result<ConstValue, Mismatch> {
    let Json::Object(mut given) = json else {
        return Err(Mismatch::new(ty, "an object"));
    };
    if let Some(unknown) = given
        .keys()
        .find(|name| !of.fields.contains_key(name.as_str()))
    {
        let unknown: String = unknown.chars().take(MAX_NAME).collect();
        return Err(Mismatch::new(ty, format!("no field \"{unknown}\"")));
    }
    let mut fields = Vec::with_capacity(of.fields.len());
    for (name, field) in &of.fields {
        let value = match (given.remove(name.as_str()), &field.default_value) {
            (Some(json), _) => input(schema, &field.ty, json)
                .map_err(|mismatch| mismatch.inside(Step::Field(name.clone())))?,
            (None, Some(default)) => literal::constant(schema, &field.ty, default),
            (None, None) if field.ty.is_non_null() => {
                let missing = Mismatch::new(&field.ty, "a value");
                return Err(missing.inside(Step::Field(name.clone())));
            }
            (None, None) => continue,
        };
        fields.push((Name::new(name.as_str()), value));
    }
    Ok(ConstValue::Object(fields.into_iter().collect()))
}

/// Coerces to a scalar type. Every scalar of the schema's own is a string.
fn scalar(ty: &SchemaName, json: Json) -> Option<ConstValue> {
    match (ty.as_str(), json) {
        ("Boolean", Json::Bool(value)) => Some(ConstValue::Boolean(value)),
        ("Float", Json::Number(number)) => Some(ConstValue::Number(number)),
        ("Int", Json::Number(number)) => {
            let whole = i32::try_from(integer(&number)?).ok()?;
            Some(ConstValue::Number(whole.into()))
        }
        ("ID", Json::Number(number)) => {
            let digits = integer(&number).map(|whole| whole.to_string());
            Some(ConstValue::String(digits?))
        }
        ("Boolean" | "Float" | "Int", _) => None,
        (_, Json::String(text)) => Some(ConstValue::String(text)),
        _ => None,
    }
}

/// Returns the integer that a JSON number is. `1.0` is one, as JSON has a single type of number.
fn integer(number: &Number) -> Option<i128> {
    if let Some(whole) = number.as_i128() {
        return Some(whole);
    }
    let float = number.as_f64()?;
    let is_whole = float.fract() == 0.0 && float.abs() <= MAX_EXACT;
    is_whole.then(|| float.to_string().parse().ok())?
}

fn expected(scalar: &SchemaName) -> &'static str {
    match scalar.as_str() {
        "Int" => "an integer of 32 bits",
        "Float" => "a number",
        "Boolean" => "true or false",
        "ID" => "a string or an integer",
        _ => "a string",
    }
}

/// A value that is not of its type, and the way to it from its variable.
struct Mismatch {
    ty: String,
    expected: String,
    /// The innermost step first.
    path: Vec<Step>,
}

enum Step {
    Field(SchemaName),
    Item(usize),
}

impl Mismatch {
    fn new(ty: &Type, expected: impl Into<String>) -> Self {
        Self {
            ty: ty.to_string(),
            expected: expected.into(),
            path: Vec::new(),
        }
    }

    fn inside(mut self, step: Step) -> Self {
        self.path.push(step);
        self
    }

    fn message(&self, variable: &SchemaName) -> String {
        let path: String = self.path.iter().rev().map(Step::to_string).collect();
        let Self { ty, expected, .. } = self;
        format!("Variable \"${variable}{path}\" is not of type \"{ty}\": expected {expected}.")
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(f, ".{name}"),
            Self::Item(index) => write!(f, "[{index}]"),
        }
    }
}
