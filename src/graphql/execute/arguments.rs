//! The arguments of a subscription's root field, read in one place for every subscriber.

use async_graphql::{InputType, Name, Value};

use crate::error::Error;

/// The arguments of a root field. Each is taken by its name; what is left at the end is refused, so
/// that an argument that the schema has and no reader takes cannot be ignored.
#[derive(Debug)]
pub(in crate::graphql) struct Arguments {
    values: Vec<(Name, Value)>,
    last_event_id: Option<String>,
}

impl Arguments {
    pub(in crate::graphql) fn new(arguments: Vec<(Name, Value)>) -> Self {
        Self {
            values: arguments,
            last_event_id: None,
        }
    }

    /// Sets the id of the last event that the client received.
    pub(in crate::graphql) fn resumed_after(self, last_event_id: Option<String>) -> Self {
        Self {
            last_event_id,
            ..self
        }
    }

    /// Takes a required argument of type `ID`.
    pub(in crate::graphql) fn id(&mut self, name: &'static str) -> Result<String, Error> {
        match self.take(name) {
            Some(Value::String(text)) => Ok(text),
            _ => Err(Error::bad_input(name, "An id is required.")),
        }
    }

    /// Takes an optional argument of a type that is written as text.
    pub(in crate::graphql) fn text(&mut self, name: &'static str) -> Result<Option<String>, Error> {
        match self.take(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Error::bad_input(name, "A text is required.")),
        }
    }

    /// Takes an optional argument of type `Cursor`. The id of the last event that the client received
    /// replaces it, because EventSource repeats a request with the arguments of the first.
    pub(in crate::graphql) fn cursor(
        &mut self,
        name: &'static str,
    ) -> Result<Option<String>, Error> {
        let argument = self.text(name)?;
        Ok(self.last_event_id.take().or(argument))
    }

    /// Takes an argument of type `Boolean!` that is false by default.
    pub(in crate::graphql) fn flag(&mut self, name: &'static str) -> Result<bool, Error> {
        match self.take(name) {
            None => Ok(false),
            Some(Value::Boolean(value)) => Ok(value),
            Some(_) => Err(Error::bad_input(name, "The value must not be null.")),
        }
    }

    /// Takes an optional argument of type `[T!]!`. It is `None` if it is absent.
    pub(in crate::graphql) fn list<T: InputType>(
        &mut self,
        name: &'static str,
    ) -> Result<Option<Vec<T>>, Error> {
        let Some(value) = self.take(name) else {
            return Ok(None);
        };
        let list = Vec::parse(Some(value));
        list.map(Some)
            .map_err(|_| Error::bad_input(name, "The value must be a list without null."))
    }

    /// Refuses what was not taken.
    pub(in crate::graphql) fn end(self) -> Result<(), Error> {
        match self.values.first() {
            None => Ok(()),
            Some((name, _)) => Err(Error::Internal(
                format!("no subscription takes the argument {name}").into(),
            )),
        }
    }

    fn take(&mut self, name: &str) -> Option<Value> {
        let index = self.values.iter().position(|(known, _)| known == name)?;
        Some(self.values.swap_remove(index).1)
    }
}
