//! Pages of a list: what is asked for and what comes back.

use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, DbErr, QueryResult, Value,
    sea_query::{Expr, ExprTrait, SelectStatement, extension::postgres::PgFunc},
};

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

/// Whether the column has one of these values, in few statements for any number of them: the cache
/// of prepared ones is to hold them.
///
/// PostgreSQL takes an array. SQLite has none: its list is filled up to the next power of two by
/// repeating the last.
pub(super) fn is_among<T>(
    column: impl ColumnTrait,
    values: impl IntoIterator<Item = T>,
    backend: DbBackend,
) -> Expr
where
    T: Clone + Into<Value>,
    Vec<T>: Into<Value>,
{
    let mut values: Vec<T> = values.into_iter().collect();
    if backend == DbBackend::Postgres {
        let array: Value = values.into();
        return column.into_expr().eq(PgFunc::any(Expr::val(array)));
    }
    if let Some(last) = values.last().cloned() {
        values.resize(values.len().next_power_of_two(), last);
    }
    column.is_in(values)
}
