//! Pages of a list: what is asked for and what comes back.

use sea_orm::{ConnectionTrait, DbErr, QueryResult, sea_query::SelectStatement};

/// The order of a list by its place in the feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Order {
    /// The oldest first.
    OldestFirst,
    /// The newest first.
    NewestFirst,
}

/// The part of a list that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Slice<Key> {
    /// At most so many items.
    pub first: u64,
    /// Only what comes behind this place, in the list's own order.
    pub after: Option<Key>,
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// In the order asked for.
    pub items: Vec<T>,
    /// Whether the list goes on behind the last item.
    pub has_more: bool,
}

impl<T> Default for Page<T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            has_more: false,
        }
    }
}

impl<T> Page<T> {
    /// From a reading of up to one item more than `first`: the extra one only tells that the list
    /// goes on.
    pub(super) fn of(mut items: Vec<T>, first: u64) -> Self {
        let first = usize::try_from(first).unwrap_or(usize::MAX);
        let has_more = items.len() > first;
        items.truncate(first);
        Self { items, has_more }
    }
}

/// The first rows of a query, so many at most.
///
/// The number stands in the statement's text. SQLite has a plan for each bound limit, and prepares the
/// statement anew whenever values are bound: that takes as long as reading half a page.
pub(super) async fn rows(
    query: &SelectStatement,
    limit: u64,
    connection: &impl ConnectionTrait,
) -> Result<Vec<QueryResult>, DbErr> {
    let mut statement = connection.get_database_backend().build(query);
    statement.sql.push_str(&format!(" LIMIT {limit}"));
    connection.query_all_raw(statement).await
}

/// The values of an `IN (…)` list, filled up to the next power of two by repeating the last: few
/// lengths make few statements, and the cache of prepared ones holds them.
pub(super) fn padded<T: Clone>(values: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut values: Vec<T> = values.into_iter().collect();
    if let Some(last) = values.last().cloned() {
        values.resize(values.len().next_power_of_two(), last);
    }
    values
}
