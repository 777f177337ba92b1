//! The normal form of an operation: what a document means, however it is written.

use async_graphql::{Name, Pos, Value as ConstValue};

use super::{fingerprint::FingerprintTemplate, operation::OperationKind, variables::Variables};

/// The normal form of one operation, for all values of its variables that do not change its shape.
///
/// Fragments are inlined, fields of one response name are merged, `@skip` and `@include` are
/// settled, and arguments without a value have their defaults. What is left to fill in are the values of
/// variables.
#[derive(Debug)]
pub(super) struct NormalForm {
    pub(super) kind: OperationKind,
    /// The operation's name in its document.
    pub(super) name: Option<Name>,
    /// The operation's position in its document.
    pub(super) position: Pos,
    pub(super) fields: Vec<Field>,
    pub(super) fingerprint: FingerprintTemplate,
    /// About how many bytes of memory it takes. It is measured once.
    bytes: usize,
}

/// A field with everything that is selected under its response name.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) alias: Option<Name>,
    pub(super) name: Name,
    /// All arguments that have a value or a default, in the order of their definitions.
    pub(super) arguments: Vec<(Name, Value)>,
    pub(super) selection: Vec<Field>,
    /// The position at which the field is written first.
    pub(super) position: Pos,
}

/// A value, typed by the argument in which it stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Constant(ConstValue),
    /// The variable of this index among the operation's variables. It has a value.
    Variable(usize),
    List(Vec<Value>),
    Object(Vec<(Name, Value)>),
}

impl Field {
    /// Returns the name under which the field stands in the response.
    pub(super) fn response_name(&self) -> &Name {
        self.alias.as_ref().unwrap_or(&self.name)
    }

    /// Returns true for the root fields of schema introspection.
    pub(super) fn is_introspection(&self) -> bool {
        matches!(self.name.as_str(), "__schema" | "__type")
    }
}

impl Value {
    /// Returns the value if no variable is in it.
    pub(super) fn constant(&self) -> Option<&ConstValue> {
        match self {
            Self::Constant(value) => Some(value),
            Self::Variable(_) | Self::List(_) | Self::Object(_) => None,
        }
    }

    /// Returns the value with those of variables filled in.
    pub(super) fn resolve(&self, variables: &Variables) -> ConstValue {
        match self {
            Self::Constant(value) => value.clone(),
            Self::Variable(index) => variables.get(*index).cloned().unwrap_or_default(),
            Self::List(values) => {
                let values = values.iter().map(|value| value.resolve(variables));
                ConstValue::List(values.collect())
            }
            Self::Object(fields) => {
                let fields = fields.iter();
                let fields = fields.map(|(name, value)| (name.clone(), value.resolve(variables)));
                ConstValue::Object(fields.collect())
            }
        }
    }
}

impl Value {
    /// Returns about how many bytes of memory it takes with the values of variables filled in.
    pub(super) fn resolved_bytes(&self, variables: &Variables) -> usize {
        match self {
            Self::Constant(value) => bytes_of_constant(value),
            Self::Variable(index) => variables.get(*index).map_or(0, bytes_of_constant),
            Self::List(values) => {
                let values = values.iter();
                values.map(|value| value.resolved_bytes(variables)).sum()
            }
            Self::Object(fields) => {
                let fields = fields.iter();
                fields
                    .map(|(_, value)| value.resolved_bytes(variables))
                    .sum()
            }
        }
    }
}

impl NormalForm {
    pub(super) fn new(
        kind: OperationKind,
        name: Option<Name>,
        position: Pos,
        fields: Vec<Field>,
    ) -> Self {
        let fingerprint = FingerprintTemplate::new(kind, &fields);
        let in_fields: usize = fields.iter().map(Field::bytes).sum();
        let in_name = name.as_ref().map_or(0, |name| name.len());
        Self {
            kind,
            name,
            position,
            bytes: size_of::<Self>() + in_name + in_fields + fingerprint.bytes(),
            fields,
            fingerprint,
        }
    }

    /// Returns about how many bytes of memory it takes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Field {
    fn bytes(&self) -> usize {
        let arguments = self.arguments.iter();
        let arguments: usize = arguments
            .map(|(name, value)| size_of::<Name>() + name.len() + value.bytes())
            .sum();
        let selection: usize = self.selection.iter().map(Self::bytes).sum();
        let alias = self.alias.as_ref().map_or(0, |alias| alias.len());
        size_of::<Self>() + alias + self.name.len() + arguments + selection
    }
}

impl Value {
    fn bytes(&self) -> usize {
        let inner = match self {
            Self::Constant(value) => bytes_of_constant(value),
            Self::Variable(_) => 0,
            Self::List(values) => values.iter().map(Self::bytes).sum(),
            Self::Object(fields) => {
                let fields = fields.iter();
                fields
                    .map(|(name, value)| size_of::<Name>() + name.len() + value.bytes())
                    .sum()
            }
        };
        size_of::<Self>() + inner
    }
}

/// Returns about how many bytes of memory a value takes.
pub(super) fn bytes_of_constant(value: &ConstValue) -> usize {
    let inner = match value {
        ConstValue::String(text) => text.len(),
        ConstValue::Enum(name) => name.len(),
        ConstValue::Binary(bytes) => bytes.len(),
        ConstValue::List(values) => values.iter().map(bytes_of_constant).sum(),
        ConstValue::Object(fields) => fields
            .iter()
            .map(|(name, value)| size_of::<Name>() + name.len() + bytes_of_constant(value))
            .sum(),
        ConstValue::Null | ConstValue::Number(_) | ConstValue::Boolean(_) => 0,
    };
    size_of::<ConstValue>() + inner
}
