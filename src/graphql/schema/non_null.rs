//! Arguments that must not be null.

use std::borrow::Cow;

use async_graphql::{InputType, InputValueResult, Value, registry::Registry};

use crate::error::Error;

/// An argument of type `T!`.
///
/// A nullable variable with a default may be given to it, and be null in a request. Then the field
/// fails (GraphQL specification, section 6.4.1). The library's own error would also null the parent of
/// a nullable field, and lose the path of a field in a list (docs/upstream.md).
pub(super) struct NonNull<T>(Option<T>);

impl<T> NonNull<T> {
    /// Returns the value; `BadUserInput` for null.
    pub(super) fn value(self, argument: &'static str) -> Result<T, Error> {
        self.0
            .ok_or_else(|| Error::bad_input(argument, "The value must not be null."))
    }
}

impl<T> From<T> for NonNull<T> {
    fn from(value: T) -> Self {
        Self(Some(value))
    }
}

impl<T: InputType> InputType for NonNull<T> {
    type RawValueType = T::RawValueType;

    fn type_name() -> Cow<'static, str> {
        T::type_name()
    }

    fn qualified_type_name() -> String {
        T::qualified_type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        T::create_type_info(registry)
    }

    fn parse(value: Option<Value>) -> InputValueResult<Self> {
        match value {
            Some(Value::Null) => Ok(Self(None)),
            value => T::parse(value)
                .map(Self::from)
                .map_err(async_graphql::InputValueError::propagate),
        }
    }

    fn to_value(&self) -> Value {
        self.0.as_ref().map_or(Value::Null, T::to_value)
    }

    fn as_raw_value(&self) -> Option<&Self::RawValueType> {
        self.0.as_ref()?.as_raw_value()
    }
}
