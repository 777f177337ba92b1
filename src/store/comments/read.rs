//! Reading comments.

use std::{collections::HashMap, sync::Arc};

use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, QueryFilter, QueryOrder, QueryResult,
    Statement,
    sea_query::{Expr, SelectStatement},
};

use super::visibility::{OF_KEPT_POST, holds};
use crate::{
    error::Error,
    model::{Comment, CommentId, Post, Seq},
    store::{
        Allowance, Bodies, Levels, Order, Page, Slice, Store, TopPlace,
        entity::comment::{Column, Entity},
        query::{Parameters, is_any_of, select_page},
        rows,
    },
};

impl Store {
    /// Returns the comment with this id, which may be a tombstone. `None` if it was never published.
    pub async fn comment(&self, id: CommentId, bodies: Bodies) -> Result<Option<Comment>, Error> {
        let query = Entity::find_by_id(id.0)
            .filter(Column::AddedSeq.is_not_null())
            .filter(holds(OF_KEPT_POST));
        let query = rows::with_authors(query, bodies);
        self.read(move |connection| {
            let query = query.clone();
            async move {
                let rows = connection.query_all(&query).await?;
                rows.first().map(rows::comment).transpose()
            }
        })
        .await
    }

    /// Returns the comments with these ids, in no order. Those that do not exist are left out. The page
    /// ends early where `allowance` does.
    pub async fn comments_with(
        &self,
        ids: &[CommentId],
        bodies: Bodies,
        allowance: Arc<dyn Allowance>,
    ) -> Result<Page<Comment>, Error> {
        let uuids = ids.iter().map(|id| id.0);
        let query = Entity::find()
            .filter(is_any_of(Column::Id, uuids, self.backend()))
            .filter(Column::AddedSeq.is_not_null())
            .filter(holds(OF_KEPT_POST));
        let first = ids.len().next_power_of_two() as u64;
        self.comments(rows::with_authors(query, bodies), first, allowance)
            .await
    }

    /// Returns the ids of the ancestors of each comment, from the top-level comment down to the parent.
    pub async fn ancestors(
        &self,
        ids: &[CommentId],
    ) -> Result<HashMap<CommentId, Vec<CommentId>>, Error> {
        let statement = lines_up(ids, self.backend());
        let rows = self.read(move |connection| {
            let statement = statement.clone();
            async move { Ok(connection.query_all_raw(statement).await?) }
        });
        let mut lines: HashMap<CommentId, Vec<CommentId>> =
            ids.iter().map(|id| (*id, Vec::new())).collect();
        for row in rows.await? {
            let (comment, ancestor) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
            lines
                .entry(CommentId(comment))
                .or_default()
                .push(CommentId(ancestor));
        }
        Ok(lines)
    }

    /// Returns a page of at most `first` of the post's comments of these `levels` as of `post.seq`. Later ones
    /// are left out, because a subscription that starts at `post.seq` delivers them. The page ends early where
    /// `allowance` does.
    pub async fn comments_of(
        &self,
        post: &Post,
        levels: Levels,
        order: Order,
        first: u64,
        bodies: Bodies,
        allowance: Arc<dyn Allowance>,
    ) -> Result<Page<Listed>, Error> {
        let query = match levels {
            Levels::Top => Entity::find().filter(Column::ParentId.is_null()),
            Levels::All => Entity::find(),
        };
        let query = query
            .filter(Column::PostId.eq(post.id.as_str()))
            .filter(Column::EnteredSeq.is_not_null())
            // The sign keeps SQLite from the index on this column, after which it would sort all comments.
            .filter(Expr::cust_with_values(
                match self.backend() {
                    DbBackend::Postgres => "+comment.entered_seq <= $1",
                    _ => "+comment.entered_seq <= ?",
                },
                [post.seq.0],
            ));
        let query = match order {
            Order::OldestFirst(_) => query.order_by_asc(Column::AddedSeq),
            Order::NewestFirst(_) => query.order_by_desc(Column::AddedSeq),
            Order::Top(_) => query
                .order_by_desc(Column::Score)
                .order_by_desc(Column::AddedSeq),
        };
        let query = match order {
            Order::OldestFirst(None) | Order::NewestFirst(None) | Order::Top(None) => query,
            Order::OldestFirst(Some(after)) => query.filter(Column::AddedSeq.gt(after.0)),
            Order::NewestFirst(Some(after)) => query.filter(Column::AddedSeq.lt(after.0)),
            Order::Top(Some(after)) => query.filter(is_below(after, self.backend())),
        };
        let query = rows::with_authors(query, bodies);
        self.page(query, first, allowance, listed, |listed| {
            listed.comment.bytes()
        })
        .await
    }

    /// Returns a page of direct replies for each of `parents`, oldest first, in one query.
    ///
    /// Parents without replies in the slice are left out, and so are replies that were added after
    /// `as_of`. Where `allowance` ends, the newest replies are left out, and each page may continue.
    pub async fn replies(
        &self,
        parents: &[CommentId],
        slice: Slice<Seq>,
        as_of: Option<Seq>,
        bodies: Bodies,
        allowance: Arc<dyn Allowance>,
    ) -> Result<HashMap<CommentId, Page<Comment>>, Error> {
        let query = Entity::find()
            .filter(is_first_reply(parents, slice, as_of, self.backend()))
            .order_by_asc(Column::AddedSeq);
        let query = rows::with_authors(query, bodies);
        // All of them. Rounded as the list of parents is, to keep the statements few.
        let first = parents.len().next_power_of_two() as u64 * (slice.first + 1);
        let found = self.comments(query, first, Arc::clone(&allowance)).await?;
        let mut replies: HashMap<CommentId, Vec<Comment>> = HashMap::new();
        if found.has_more {
            replies.extend(parents.iter().map(|parent| (*parent, Vec::new())));
        }
        for comment in found.items {
            if let Some(parent) = comment.parent_id {
                replies.entry(parent).or_default().push(comment);
            }
        }
        let max = usize::try_from(slice.first).unwrap_or(usize::MAX);
        let pages = replies.into_iter().map(|(parent, mut comments)| {
            // Only shows that the list continues.
            let next = (comments.len() > max).then(|| comments.pop()).flatten();
            if let Some(next) = &next {
                allowance.give_back(next.bytes());
            }
            let page = Page {
                items: comments,
                has_more: next.is_some() || found.has_more,
            };
            (parent, page)
        });
        Ok(pages.collect())
    }

    /// Returns the first comments of a query as a page.
    pub(super) async fn comments(
        &self,
        query: SelectStatement,
        first: u64,
        allowance: Arc<dyn Allowance>,
    ) -> Result<Page<Comment>, Error> {
        self.page(query, first, allowance, rows::comment, Comment::bytes)
            .await
    }

    /// Returns the first rows of a query as a page.
    pub(super) async fn page<T: Send + 'static>(
        &self,
        query: SelectStatement,
        first: u64,
        allowance: Arc<dyn Allowance>,
        item: fn(&QueryResult) -> Result<T, Error>,
        bytes_of: fn(&T) -> usize,
    ) -> Result<Page<T>, Error> {
        let query = Arc::new(query);
        self.read(move |connection| {
            let (query, allowance) = (Arc::clone(&query), Arc::clone(&allowance));
            async move { select_page(&query, first, &*allowance, &connection, item, bytes_of).await }
        })
        .await
    }
}

/// A comment in a list of its post, with what the list is ordered by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The comment.
    pub comment: Comment,
    /// The score.
    pub score: i64,
}

fn listed(row: &QueryResult) -> Result<Listed, Error> {
    Ok(Listed {
        comment: rows::comment(row)?,
        score: rows::score(row)?,
    })
}

/// Returns the condition that a comment comes after this place in the order by score. Indexes find the place
/// of a row of values, and not that of a disjunction.
fn is_below(place: TopPlace, backend: DbBackend) -> Expr {
    let mut parameters = Parameters::new(backend);
    let (score, added) = (
        parameters.place(place.score),
        parameters.place(place.added.0),
    );
    parameters.condition(format!(
        "(comment.score, comment.added_seq) < ({score}, {added})"
    ))
}

/// Returns the condition that a comment is one of its parent's first listed replies. It holds for one more
/// than the slice has, which shows that the list continues.
///
/// For each parent the index is read up to the slice's end, and no further.
fn is_first_reply(
    parents: &[CommentId],
    slice: Slice<Seq>,
    as_of: Option<Seq>,
    backend: DbBackend,
) -> Expr {
    let mut parameters = Parameters::new(backend);
    let mut bounds = String::new();
    if let Some(after) = slice.after {
        bounds += &format!(" AND reply.added_seq > {}", parameters.place(after.0));
    }
    if let Some(as_of) = as_of {
        bounds += &format!(" AND reply.entered_seq <= {}", parameters.place(as_of.0));
    }
    // The limit is text, because SQLite plans for the value of a bound limit; see `select_limited`.
    let replies = format!(
        "SELECT reply.id FROM comment AS reply WHERE reply.parent_id = parent.id \
         AND reply.entered_seq IS NOT NULL{bounds} \
         ORDER BY reply.added_seq LIMIT {}",
        slice.first + 1
    );
    let parents = parents.iter().map(|parent| parent.0);
    let parents: Vec<_> = parents.collect();
    let (listed, is_parent) = match backend {
        DbBackend::Postgres => (
            format!("LATERAL ({replies}) AS listed ON TRUE"),
            parameters.any_of(parents),
        ),
        // SQLite has neither lateral joins nor arrays. It runs the subquery once a parent.
        _ => (
            format!("comment AS listed ON listed.id IN ({replies})"),
            parameters.any_of(parents),
        ),
    };
    let ids = format!(
        "comment.id IN (SELECT listed.id FROM comment AS parent JOIN {listed} \
         WHERE parent.id {is_parent})"
    );
    parameters.condition(ids)
}

/// Returns the statement that walks up from each of `ids`. Its rows are an id and that of an ancestor, the
/// uppermost first.
fn lines_up(ids: &[CommentId], backend: DbBackend) -> Statement {
    let mut parameters = Parameters::new(backend);
    let ids = ids.iter().map(|id| id.0).collect();
    let is_one = parameters.any_of(ids);
    let sql = format!(
        "WITH RECURSIVE line (comment, ancestor, parent, depth) AS (\
         SELECT comment.id, parent.id, parent.parent_id, parent.depth \
         FROM comment JOIN comment AS parent ON parent.id = comment.parent_id \
         WHERE comment.id {is_one} \
         UNION ALL \
         SELECT line.comment, parent.id, parent.parent_id, parent.depth \
         FROM line JOIN comment AS parent ON parent.id = line.parent\
         ) SELECT comment, ancestor FROM line ORDER BY depth"
    );
    parameters.statement(sql)
}
