//! Operation fingerprints: equal for operations that mean the same, however they are written.

use std::{fmt::Write, sync::Arc};

use super::{
    normal_form::{Field, Value},
    operation::OperationKind,
    variables::Variables,
};

/// Identifies the results of an operation: its normal form as text, with the values of its
/// variables.
///
/// The fingerprint of a subscription leaves out the arguments of its root field, because they
/// choose the events and do not show in them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Fingerprint(Arc<str>);

impl Fingerprint {
    /// Returns the length of the text.
    pub(super) fn bytes(&self) -> usize {
        self.0.len()
    }
}

/// The fingerprint of a normal form whose variables have no values yet.
#[derive(Debug)]
pub(super) struct FingerprintTemplate {
    pieces: Vec<Piece>,
}

#[derive(Debug)]
enum Piece {
    Text(Arc<str>),
    Variable(usize),
}

impl FingerprintTemplate {
    pub(super) fn new(kind: OperationKind, fields: &[Field]) -> Self {
        let mut writer = Writer::default();
        match kind {
            OperationKind::Query | OperationKind::Mutation => writer.fields(fields),
            OperationKind::Subscription => {
                for field in fields {
                    writer.name(field);
                    writer.fields(&field.selection);
                }
            }
        }
        writer.end_text();
        Self {
            pieces: writer.pieces,
        }
    }

    /// Fills in the values of variables.
    pub(super) fn fill(&self, variables: &Variables) -> Fingerprint {
        if let [Piece::Text(text)] = &self.pieces[..] {
            return Fingerprint(Arc::clone(text));
        }
        let mut filled = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => filled.push_str(text),
                Piece::Variable(index) => {
                    let value = variables.get(*index).cloned().unwrap_or_default();
                    let _ = write!(filled, "{value}");
                }
            }
        }
        Fingerprint(filled.into())
    }

    /// Returns the length of the text without the values of variables.
    pub(super) fn bytes(&self) -> usize {
        let pieces = self.pieces.iter().map(|piece| match piece {
            Piece::Text(text) => size_of::<Piece>() + text.len(),
            Piece::Variable(_) => size_of::<Piece>(),
        });
        pieces.sum()
    }
}

/// Writes a normal form in a syntax like GraphQL's.
#[derive(Default)]
struct Writer {
    pieces: Vec<Piece>,
    text: String,
}

impl Writer {
    fn fields(&mut self, fields: &[Field]) {
        self.text.push('{');
        for field in fields {
            self.name(field);
            self.arguments(field);
            if !field.selection.is_empty() {
                self.fields(&field.selection);
            }
            self.text.push(' ');
        }
        self.text.push('}');
    }

    fn name(&mut self, field: &Field) {
        self.text.push_str(field.response_name());
        self.text.push(':');
        self.text.push_str(&field.name);
    }

    fn arguments(&mut self, field: &Field) {
        for (name, value) in &field.arguments {
            self.text.push('(');
            self.text.push_str(name);
            self.text.push(':');
            self.value(value);
            self.text.push(')');
        }
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Constant(value) => {
                let _ = write!(self.text, "{value}");
            }
            Value::Variable(index) => {
                self.end_text();
                self.pieces.push(Piece::Variable(*index));
            }
            Value::List(items) => {
                self.text.push('[');
                for (index, item) in items.iter().enumerate() {
                    self.separate(index);
                    self.value(item);
                }
                self.text.push(']');
            }
            Value::Object(fields) => {
                self.text.push('{');
                for (index, (name, value)) in fields.iter().enumerate() {
                    self.separate(index);
                    self.text.push_str(name);
                    self.text.push_str(": ");
                    self.value(value);
                }
                self.text.push('}');
            }
        }
    }

    /// Separates the parts of a list or an object as the library does in a constant, so that a
    /// variable makes no difference.
    fn separate(&mut self, index: usize) {
        if index > 0 {
            self.text.push_str(", ");
        }
    }

    fn end_text(&mut self) {
        if !self.text.is_empty() {
            let text = std::mem::take(&mut self.text);
            self.pieces.push(Piece::Text(text.into()));
        }
    }
}
