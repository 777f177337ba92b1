//! Relay's connections: slices asked for, pages answered.
//!
//! The list's own type of cursor stays with the resolver; here cursors are text already.

use std::borrow::Cow;

use async_graphql::{
    Object, OutputType, TypeName,
    connection::{Edge, EmptyFields, PageInfo},
};

use crate::{
    error::Error,
    store::{Page, Slice},
};

/// The largest page.
pub(super) const MAX_FIRST: i64 = 100;
/// The page where none is asked for; the schema shows it as the default of `first`.
pub(super) const DEFAULT_FIRST: i64 = 20;

/// A slice from the arguments `first` and `after`, the latter read by the list's own `decode`. `first`
/// has more bits than GraphQL's Int, so that what is beyond that is refused here too, by its name.
pub(super) fn slice<Key>(
    first: Option<i64>,
    after: Option<String>,
    decode: impl FnOnce(&str) -> Result<Key, Error>,
) -> Result<Slice<Key>, Error> {
    let first = first.unwrap_or(DEFAULT_FIRST);
    if !(0..=MAX_FIRST).contains(&first) {
        return Err(Error::bad_input(
            "first",
            format!("A page has 0 to {MAX_FIRST} items."),
        ));
    }
    Ok(Slice {
        first: first.unsigned_abs(),
        after: after.as_deref().map(decode).transpose()?,
    })
}

/// A page of a list. The library's own connection is the same but for its description: it has none.
pub(super) struct Connection<Node: OutputType> {
    edges: Vec<Edge<String, Node, EmptyFields>>,
    has_previous_page: bool,
    has_next_page: bool,
}

/// A page of a list, as Relay's connections are: `edges` have their cursors, `nodes` are the same
/// without.
#[Object(name_type)]
impl<Node: OutputType> Connection<Node> {
    /// Information to aid in pagination.
    async fn page_info(&self) -> PageInfo {
        let cursor = |edge: &Edge<String, Node, EmptyFields>| edge.cursor.clone();
        PageInfo {
            has_previous_page: self.has_previous_page,
            has_next_page: self.has_next_page,
            start_cursor: self.edges.first().map(cursor),
            end_cursor: self.edges.last().map(cursor),
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

impl<Node: OutputType> TypeName for Connection<Node> {
    fn type_name() -> Cow<'static, str> {
        format!("{}Connection", Node::type_name()).into()
    }
}

/// A page as a connection. A page behind a cursor has a page before it: nothing that had a cursor
/// is ever taken out of a list.
pub(super) fn connection<Item, Node: OutputType>(
    page: Page<Item>,
    is_behind_cursor: bool,
    cursor: impl Fn(&Item) -> String,
    node: impl Fn(Item) -> Node,
) -> Connection<Node> {
    Connection {
        has_previous_page: is_behind_cursor,
        has_next_page: page.has_more,
        edges: page
            .items
            .into_iter()
            .map(|item| Edge::new(cursor(&item), node(item)))
            .collect(),
    }
}
