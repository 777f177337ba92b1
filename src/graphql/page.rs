//! Relay's connections: slices asked for, pages answered.
//!
//! The list's own type of cursor stays with the resolver; here cursors are text already.

use async_graphql::{
    OutputType,
    connection::{Connection, Edge},
};

use crate::{
    error::Error,
    store::{Page, Slice},
};

/// The largest page.
pub(super) const MAX_FIRST: i32 = 100;
/// The page where none is asked for; the schema shows it as the default of `first`.
pub(super) const DEFAULT_FIRST: i32 = 20;

/// A slice from the arguments `first` and `after`, the latter read by the list's own `decode`.
pub(super) fn slice<Key>(
    first: Option<i32>,
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
        first: u64::from(first.unsigned_abs()),
        after: after.as_deref().map(decode).transpose()?,
    })
}

/// A page as a connection. A page behind a cursor has a page before it: nothing that had a cursor
/// is ever taken out of a list.
pub(super) fn connection<Item, Node: OutputType>(
    page: Page<Item>,
    is_behind_cursor: bool,
    cursor: impl Fn(&Item) -> String,
    node: impl Fn(Item) -> Node,
) -> Connection<String, Node> {
    let mut connection = Connection::new(is_behind_cursor, page.has_more);
    connection.edges.extend(
        page.items
            .into_iter()
            .map(|item| Edge::new(cursor(&item), node(item))),
    );
    connection
}
