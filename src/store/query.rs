//! Parts of queries that keep their statements few, because each connection caches prepared ones.

use futures_util::TryStreamExt;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseConnection, DbBackend, DbErr, QueryResult, Statement,
    StreamTrait, Value,
    sea_query::{Expr, ExprTrait, SelectStatement, extension::postgres::PgFunc},
};

use uuid::Uuid;

use super::page::{Allowance, Page};
use crate::error::Error;

/// Runs `query` and returns its first `limit` rows.
///
/// The limit is part of the statement's text, because SQLite plans for the value of a bound limit. Each
/// binding would prepare the statement again, which takes as long as reading half a page.
pub(super) async fn select_limited(
    query: &SelectStatement,
    limit: u64,
    connection: &impl ConnectionTrait,
) -> Result<Vec<QueryResult>, DbErr> {
    let statement = limited(query, limit, connection.get_database_backend());
    connection.query_all_raw(statement).await
}

/// Runs `query` and returns at most `first` of its rows as a page, or fewer where `allowance` ends it.
/// Reads no further.
pub(super) async fn select_page<T>(
    query: &SelectStatement,
    first: u64,
    allowance: &dyn Allowance,
    connection: &DatabaseConnection,
    item: impl Fn(&QueryResult) -> Result<T, Error>,
    bytes_of: impl Fn(&T) -> usize,
) -> Result<Page<T>, Error> {
    let mut taken = Taken::new(allowance);
    let page = read_page(query, first, connection, item, |item| {
        taken.take(bytes_of(item))
    });
    let page = page.await?;
    taken.keep();
    Ok(page)
}

/// Bytes that were taken for rows of a page. They are given back if the page is not read to its end,
/// because it may be read again on another connection.
pub(super) struct Taken<'a> {
    allowance: &'a dyn Allowance,
    bytes: usize,
}

impl<'a> Taken<'a> {
    pub(super) fn new(allowance: &'a dyn Allowance) -> Self {
        let bytes = 0;
        Self { allowance, bytes }
    }

    /// Takes the bytes of a row. Returns false if the page ends before it.
    pub(super) fn take(&mut self, bytes: usize) -> Result<bool, Error> {
        let is_taken = self.allowance.take(bytes)?;
        self.bytes += if is_taken { bytes } else { 0 };
        Ok(is_taken)
    }

    /// Keeps what was taken, because the page was read to its end.
    pub(super) fn keep(mut self) {
        self.bytes = 0;
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.allowance.give_back(self.bytes);
    }
}

async fn read_page<T>(
    query: &SelectStatement,
    first: u64,
    connection: &DatabaseConnection,
    item: impl Fn(&QueryResult) -> Result<T, Error>,
    mut take: impl FnMut(&T) -> Result<bool, Error>,
) -> Result<Page<T>, Error> {
    let backend = ConnectionTrait::get_database_backend(connection);
    // One more, which shows that the list continues.
    let statement = limited(query, first + 1, backend);
    let mut rows = connection.stream_raw(statement).await?;
    let max_items = usize::try_from(first).unwrap_or(usize::MAX);
    let mut items = Vec::new();
    while let Some(row) = rows.try_next().await? {
        let item = item(&row)?;
        if items.len() == max_items || !take(&item)? {
            return Ok(Page {
                items,
                has_more: true,
            });
        }
        items.push(item);
    }
    Ok(Page {
        items,
        has_more: false,
    })
}

/// Returns the statement of `query` with a limit. Its text has the limit, as [`select_limited`] explains.
pub(super) fn limited(query: &SelectStatement, limit: u64, backend: DbBackend) -> Statement {
    let mut statement = backend.build(query);
    statement.sql.push_str(&format!(" LIMIT {limit}"));
    statement
}

/// Returns the condition that `column` has one of `values`, in few statements for any number of them.
///
/// PostgreSQL takes an array. SQLite has none, so its list is padded to the next power of two by
/// repeating the last value.
pub(super) fn is_any_of<T>(
    column: impl ColumnTrait,
    values: impl IntoIterator<Item = T>,
    backend: DbBackend,
) -> Expr
where
    T: Clone + Into<Value>,
    Vec<T>: Into<Value>,
{
    let values: Vec<T> = values.into_iter().collect();
    if backend == DbBackend::Postgres {
        let array: Value = values.into();
        return column.into_expr().eq(PgFunc::any(Expr::val(array)));
    }
    column.is_in(padded(values))
}

/// The parameters of a condition in SQL, in the order of their places.
pub(super) struct Parameters {
    backend: DbBackend,
    values: Vec<Value>,
}

impl Parameters {
    pub(super) fn new(backend: DbBackend) -> Self {
        let values = Vec::new();
        Self { backend, values }
    }

    /// Adds a value, and returns the SQL of its place.
    pub(super) fn place(&mut self, value: impl Into<Value>) -> String {
        self.values.push(value.into());
        match self.backend {
            DbBackend::Postgres => format!("${}", self.values.len()),
            _ => "?".to_owned(),
        }
    }

    /// Adds a list of ids, and returns the SQL that compares with it. PostgreSQL takes an array, and the
    /// list of SQLite is padded, to keep the statements few.
    pub(super) fn any_of(&mut self, ids: Vec<Uuid>) -> String {
        if self.backend == DbBackend::Postgres {
            return format!("= ANY({})", self.place(ids));
        }
        let places: Vec<String> = padded(ids).into_iter().map(|id| self.place(id)).collect();
        format!("IN ({})", places.join(", "))
    }

    /// Returns the statement of this SQL.
    pub(super) fn statement(self, sql: String) -> Statement {
        Statement::from_sql_and_values(self.backend, sql, self.values)
    }

    /// Returns the condition of this SQL.
    pub(super) fn condition(self, sql: String) -> Expr {
        Expr::cust_with_values(sql, self.values)
    }
}

/// Pads a list to the next power of two by repeating its last value.
fn padded<T: Clone>(mut values: Vec<T>) -> Vec<T> {
    if let Some(last) = values.last().cloned() {
        values.resize(values.len().next_power_of_two(), last);
    }
    values
}
