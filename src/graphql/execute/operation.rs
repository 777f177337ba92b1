//! An operation that is ready to be executed.

use std::{any::Any, fmt, sync::Arc};

use async_graphql::{
    Data, Name, Positioned, Request, Value as ConstValue,
    parser::types::{
        DocumentOperations, ExecutableDocument, Field as LibraryField, OperationDefinition,
        OperationType, Selection, SelectionSet,
    },
};

use super::{
    document::Document,
    fingerprint::Fingerprint,
    normal_form::{Field, NormalForm},
    variables::Variables,
};
use crate::model::PostId;

/// The kind of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperationKind {
    /// An operation that only reads.
    Query,
    /// An operation whose root fields change something, one after another.
    Mutation,
    /// An operation with a result for each event of a stream.
    Subscription,
}

impl OperationKind {
    /// Returns the keyword of the kind.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Mutation => "mutation",
            Self::Subscription => "subscription",
        }
    }
}

/// About how many bytes of memory an execution takes, beside its fields.
const EXECUTION_BYTES: usize = 16 * 1024;
/// About how many times the memory of a field's selection that of its result is.
const RESULT_FACTOR: usize = 4;
/// Number of copies of the arguments' values that an execution holds: in its document, for its
/// resolvers, and in its fingerprint or what it writes.
const ARGUMENT_COPIES: usize = 3;

/// A valid operation in its normal form, with the values of its variables.
pub struct Operation {
    form: Arc<NormalForm>,
    variables: Arc<Variables>,
    /// Size of the values of all arguments.
    argument_bytes: usize,
    /// The document, if introspection has to be answered from it.
    introspected: Option<Arc<Document>>,
    last_event_id: Option<String>,
    data: Data,
}

impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Operation");
        debug
            .field("kind", &self.kind())
            .field("name", &self.name());
        debug.finish_non_exhaustive()
    }
}

impl Operation {
    pub(super) fn new(
        form: Arc<NormalForm>,
        variables: Variables,
        argument_bytes: usize,
        document: &Arc<Document>,
    ) -> Self {
        let is_introspected = form.fields.iter().any(Field::is_introspection);
        Self {
            form,
            variables: Arc::new(variables),
            argument_bytes,
            introspected: is_introspected.then(|| Arc::clone(document)),
            last_event_id: None,
            data: Data::default(),
        }
    }

    /// Adds `data` to what resolvers see.
    pub(crate) fn with<T: Any + Send + Sync>(mut self, data: T) -> Self {
        self.data.insert(data);
        self
    }

    /// Keeps a value until the execution ends, also if no caller waits for it.
    #[must_use]
    pub fn keeping<T: Send + Sync + 'static>(self, kept: T) -> Self {
        self.with(Kept { _kept: kept })
    }

    /// Sets the id of the last event of a subscription that the client received.
    #[must_use]
    pub fn resumed_after(self, last_event_id: Option<String>) -> Self {
        Self {
            last_event_id,
            ..self
        }
    }

    /// Returns the id of the last event of a subscription that the client received.
    pub(super) fn last_event_id(&self) -> Option<&str> {
        self.last_event_id.as_deref()
    }

    /// Returns the same operation without its data.
    pub(super) fn again(&self) -> Self {
        Self {
            form: Arc::clone(&self.form),
            variables: Arc::clone(&self.variables),
            argument_bytes: self.argument_bytes,
            introspected: self.introspected.clone(),
            last_event_id: None,
            data: Data::default(),
        }
    }

    /// Returns about how many bytes of memory it takes.
    pub(super) fn bytes(&self) -> usize {
        self.form.bytes() + self.variables.bytes()
    }

    /// Returns about how many bytes of memory its execution takes, beside what is read and the items of
    /// lists.
    pub(super) fn execution_bytes(&self) -> usize {
        let arguments = self.argument_bytes * ARGUMENT_COPIES;
        EXECUTION_BYTES + self.form.bytes() * RESULT_FACTOR + self.variables.bytes() + arguments
    }

    /// Returns the kind of the operation.
    pub fn kind(&self) -> OperationKind {
        self.form.kind
    }

    /// Returns the operation's name in its document.
    pub fn name(&self) -> Option<&str> {
        self.form.name.as_deref()
    }

    /// Returns the fingerprint of its results.
    pub(super) fn fingerprint(&self) -> Fingerprint {
        self.form.fingerprint.fill(&self.variables)
    }

    /// Returns the fields at its root.
    pub(super) fn fields(&self) -> &[Field] {
        &self.form.fields
    }

    /// Returns the arguments of a field at its root. An argument without a value is not among them.
    pub(super) fn arguments(&self, field: &Field) -> Vec<(Name, ConstValue)> {
        let arguments = field.arguments.iter();
        let arguments = arguments.map(|(name, value)| (name.clone(), self.resolve(value)));
        arguments.collect()
    }

    /// Returns the posts that its result depends on, if it depends on nothing but these and the users.
    pub(super) fn posts(&self) -> Option<Vec<PostId>> {
        let fields = self.fields().iter();
        let fields =
            fields.filter(|field| !matches!(field.name.as_str(), "settings" | "__typename"));
        let mut posts = Vec::new();
        for field in fields {
            let ids = match (field.name.as_str(), self.arguments(field).pop()) {
                ("post", Some((_, id))) => vec![id],
                ("postsById", Some((_, ConstValue::List(ids)))) => ids,
                _ => return None,
            };
            for id in ids {
                let ConstValue::String(id) = id else {
                    return None;
                };
                posts.push(PostId::parse(&id)?);
            }
        }
        Some(posts)
    }

    /// Returns the document and the variables, if introspection has to be answered from them.
    pub(super) fn introspected(&self) -> Option<(&Document, &Variables)> {
        let document = self.introspected.as_deref()?;
        Some((document, &self.variables))
    }

    /// Converts it to the library's form. The fields of introspection are left out.
    pub(super) fn into_request(self) -> Request {
        let fields = self.form.fields.iter();
        let fields = fields.filter(|field| !field.is_introspection());
        let operation = OperationDefinition {
            ty: match self.kind() {
                OperationKind::Query => OperationType::Query,
                OperationKind::Mutation => OperationType::Mutation,
                OperationKind::Subscription => OperationType::Subscription,
            },
            variable_definitions: Vec::new(),
            directives: Vec::new(),
            selection_set: self.selection_set(fields),
        };
        let document = ExecutableDocument {
            operations: DocumentOperations::Single(Positioned::new(operation, self.form.position)),
            fragments: std::collections::HashMap::default(),
        };
        // The library reads the text only of a document that it parses itself.
        let mut request = Request::new(String::new());
        request.data = self.data;
        request.set_parsed_query(document);
        request
    }

    fn selection_set<'f>(
        &self,
        fields: impl IntoIterator<Item = &'f Field>,
    ) -> Positioned<SelectionSet> {
        let items = fields.into_iter().map(|field| {
            let at = field.position;
            let arguments = field.arguments.iter().map(|(name, value)| {
                let value = self.resolve(value).into_value();
                (
                    Positioned::new(name.clone(), at),
                    Positioned::new(value, at),
                )
            });
            let field = LibraryField {
                alias: field.alias.clone().map(|alias| Positioned::new(alias, at)),
                name: Positioned::new(field.name.clone(), at),
                arguments: arguments.collect(),
                directives: Vec::new(),
                selection_set: self.selection_set(&field.selection),
            };
            Positioned::new(Selection::Field(Positioned::new(field, at)), at)
        });
        let items = items.collect();
        Positioned::new(SelectionSet { items }, self.form.position)
    }

    /// Takes every path from a prepared operation on, for fuzzing.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn exercise(self) {
        let epoch = crate::model::Epoch::FIRST;
        let _ = super::subscription_request::SubscriptionRequest::of(&self, epoch);
        let _ = (self.fingerprint(), self.name());
        self.into_request();
    }

    fn resolve(&self, value: &super::normal_form::Value) -> ConstValue {
        value.resolve(&self.variables)
    }
}

/// A value that lives as long as an operation's execution.
struct Kept<T> {
    _kept: T,
}
