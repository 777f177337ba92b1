//! Pages of lists, as Relay's connections.
//!
//! Each list has its own type of cursor, which stays with its resolver. Here cursors are text.

use std::borrow::Cow;

use async_graphql::{
    Context, Object, OutputType, SelectionField, TypeName,
    connection::{Edge, EmptyFields, PageInfo},
};

use crate::{
    error::Error,
    graphql::context::ContextExt,
    store::{Page, Slice},
};

/// Maximum number of items in a page.
pub(crate) const MAX_FIRST: i32 = 100;
/// Number of items in a page by default, as the schema shows it.
pub(super) const DEFAULT_FIRST: i32 = 20;

/// Number of items in a page of comments of every depth by default, as the schema shows it.
pub(super) const DEFAULT_FIRST_OF_ALL: i32 = 50;

/// Number of users in a list by default, as the schema shows it.
pub(super) const DEFAULT_FIRST_OF_USERS: i32 = 10;

/// The fields that are lists of items, with the number of items in a page by default.
const LISTS: [(&str, i32); 9] = [
    ("posts", DEFAULT_FIRST),
    ("comments", DEFAULT_FIRST),
    ("allComments", DEFAULT_FIRST_OF_ALL),
    ("replies", DEFAULT_FIRST),
    ("recentComments", DEFAULT_FIRST),
    ("reports", DEFAULT_FIRST),
    ("participants", DEFAULT_FIRST_OF_USERS),
    ("bans", DEFAULT_FIRST),
    ("unpublishedComments", DEFAULT_FIRST),
];
/// The number of fields that a list in an item counts as.
const LIST_FIELDS: usize = 5;

/// Returns the number of items in a page by default, if the field is a list of items.
pub(crate) fn default_first(field: &str) -> Option<i32> {
    let mut lists = LISTS.iter();
    lists
        .find(|(list, _)| *list == field)
        .map(|(_, first)| *first)
}

/// Creates a slice from the arguments `first` and `after`; `decode` reads the list's cursors.
pub(super) fn slice<Key>(
    first: Option<i32>,
    after: Option<&str>,
    decode: impl FnOnce(&str) -> Result<Key, Error>,
) -> Result<Slice<Key>, Error> {
    Ok(Slice {
        first: self::first(first)?,
        after: after.map(decode).transpose()?,
    })
}

/// Reads the argument `first`.
pub(super) fn first(first: Option<i32>) -> Result<u64, Error> {
    let first = first.unwrap_or(DEFAULT_FIRST);
    if (0..=MAX_FIRST).contains(&first) {
        Ok(u64::from(first.unsigned_abs()))
    } else {
        let message = format!("A page has 0 to {MAX_FIRST} items.");
        Err(Error::bad_input("first", message))
    }
}

/// A page of a list. The library's own connection has no description.
pub(super) struct Connection<Node: OutputType> {
    edges: Vec<Edge<String, Node, EmptyFields>>,
    /// The cursor that the page begins after.
    after: Option<String>,
    has_next_page: bool,
    /// The cursor that the list goes on after, if that is not its last edge's.
    end: Option<String>,
}

/// A page of a list, as Relay's connections are. Edges have cursors, nodes are the same items without
/// them.
#[Object(name_type)]
impl<Node: OutputType> Connection<Node> {
    /// Information to aid in pagination.
    async fn page_info(&self) -> PageInfo {
        let cursor = |edge: &Edge<String, Node, EmptyFields>| edge.cursor.clone();
        PageInfo {
            // The item of the cursor was before this page. It may have left the list since.
            has_previous_page: self.after.is_some(),
            has_next_page: self.has_next_page,
            start_cursor: self.edges.first().map(cursor),
            // A page that could take nothing continues where it began.
            end_cursor: match (&self.end, self.edges.last()) {
                (Some(end), _) => Some(end.clone()),
                (None, Some(edge)) => Some(cursor(edge)),
                (None, None) if self.has_next_page => self.after.clone(),
                (None, None) => None,
            },
        }
    }

    /// A list of edges.
    async fn edges(&self) -> &[Edge<String, Node, EmptyFields>] {
        &self.edges
    }

    /// A list of nodes.
    async fn nodes(&self) -> Vec<&Node> {
        self.edges.iter().map(|edge| &edge.node).collect()
    }
}

impl<Node: OutputType> Connection<Node> {
    /// Sets the cursor that the list goes on after, where that is not its last edge's.
    pub(super) fn ending_at(self, end: Option<String>) -> Self {
        Self { end, ..self }
    }
}

impl<Node: OutputType> TypeName for Connection<Node> {
    fn type_name() -> Cow<'static, str> {
        format!("{}Connection", Node::type_name()).into()
    }
}

/// Converts a page after the cursor `after` to a connection. Takes the results of its items from the
/// budget of the execution.
///
/// # Errors
///
/// Fails if the memory for the items cannot be reserved.
pub(super) fn connection<Item, Node: OutputType>(
    context: &Context<'_>,
    page: Page<Item>,
    after: Option<String>,
    cursor: impl Fn(&Item) -> String,
    node: impl Fn(Item) -> Node,
) -> Result<Connection<Node>, Error> {
    let fields = page.items.len() * fields_of_item(context.field());
    context.budget().take_fields(fields)?;
    Ok(Connection {
        after,
        end: None,
        has_next_page: page.has_more,
        edges: page
            .items
            .into_iter()
            .map(|item| Edge::new(cursor(&item), node(item)))
            .collect(),
    })
}

/// Returns the number of fields that are selected of each item of a connection. One that is a list
/// counts as several, because it is loaded together with others, and held until then.
fn fields_of_item(connection: SelectionField<'_>) -> usize {
    let fields = connection.selection_set();
    let items = fields.filter(|field| field.name() != "pageInfo");
    items.map(|field| 1 + fields_below(field)).sum()
}

/// Returns the number of fields below a field.
pub(super) fn fields_below(field: SelectionField<'_>) -> usize {
    let fields = field.selection_set().map(|field| {
        if default_first(field.name()).is_some() {
            LIST_FIELDS
        } else {
            1 + fields_below(field)
        }
    });
    fields.sum()
}
