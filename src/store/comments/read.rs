//! Reading comments.

use std::{collections::HashMap, sync::Arc};

use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, QueryFilter, QueryOrder, QueryResult,
    sea_query::{Alias, Expr, ExprTrait, Func, Query, SelectStatement, WindowStatement},
};

use crate::{
    error::Error,
    model::{Comment, CommentId, Post, Seq},
    store::{
        Order, Page, Slice, Store,
        entity::comment::{Column, Entity},
        query::{is_any_of, select_limited},
        rows,
    },
};

impl Store {
    /// Returns the comment with this id, which may be a tombstone.
    pub async fn comment(&self, id: CommentId) -> Result<Option<Comment>, Error> {
        self.read(move |connection| async move { find(&connection, id).await })
            .await
    }

    /// Returns a page of the post's top-level comments as of `post.seq`. Later ones are left out,
    /// because a subscription that starts at `post.seq` delivers them.
    pub async fn top_level(
        &self,
        post: &Post,
        order: Order,
        slice: Slice<Seq>,
    ) -> Result<Page<Comment>, Error> {
        let query = Entity::find()
            .filter(Column::PostId.eq(post.id.as_str()))
            .filter(Column::ParentId.is_null())
            .filter(Column::AddedSeq.lte(post.seq.0));
        let query = match order {
            Order::OldestFirst => query.order_by_asc(Column::AddedSeq),
            Order::NewestFirst => query.order_by_desc(Column::AddedSeq),
        };
        let query = match (slice.after, order) {
            (None, _) => query,
            (Some(after), Order::OldestFirst) => query.filter(Column::AddedSeq.gt(after.0)),
            (Some(after), Order::NewestFirst) => query.filter(Column::AddedSeq.lt(after.0)),
        };
        let query = Arc::new(rows::with_authors(query));
        self.read(move |connection| {
            let query = Arc::clone(&query);
            async move {
                let rows = select_limited(&query, slice.first + 1, &connection).await?;
                Ok(Page::of(comments(&rows)?, slice.first))
            }
        })
        .await
    }

    /// Returns a page of direct replies for each of `parents`, oldest first, in one query.
    ///
    /// Parents without replies in the slice are left out, and so are replies that were added after
    /// `as_of`.
    pub async fn replies(
        &self,
        parents: &[CommentId],
        slice: Slice<Seq>,
        as_of: Option<Seq>,
    ) -> Result<HashMap<CommentId, Page<Comment>>, Error> {
        let ids = first_reply_ids(parents, slice, as_of, self.backend());
        let query = Entity::find()
            .filter(Column::Id.in_subquery(ids))
            .order_by_asc(Column::AddedSeq);
        let query = Arc::new(rows::with_authors(query));
        let mut replies: HashMap<CommentId, Vec<Comment>> = HashMap::new();
        let found = self
            .read(move |connection| {
                let query = Arc::clone(&query);
                async move { comments(&connection.query_all(&*query).await?) }
            })
            .await?;
        for comment in found {
            if let Some(parent) = comment.parent_id {
                replies.entry(parent).or_default().push(comment);
            }
        }
        Ok(replies
            .into_iter()
            .map(|(parent, comments)| (parent, Page::of(comments, slice.first)))
            .collect())
    }
}

/// Returns the query for the ids of each parent's first replies. It selects one more than the slice
/// has, which shows that the list continues.
fn first_reply_ids(
    parents: &[CommentId],
    slice: Slice<Seq>,
    as_of: Option<Seq>,
    backend: DbBackend,
) -> SelectStatement {
    let place = Alias::new("place");
    let parents = parents.iter().map(|parent| parent.0);
    let mut numbered = Query::select();
    numbered
        .column(Column::Id)
        .expr_window_as(
            Func::cust(Alias::new("ROW_NUMBER")),
            WindowStatement::partition_by(Column::ParentId)
                .order_by(Column::AddedSeq, sea_orm::Order::Asc)
                .take(),
            place.clone(),
        )
        .from(Entity)
        .and_where(is_any_of(Column::ParentId, parents, backend));
    if let Some(after) = slice.after {
        numbered.and_where(Column::AddedSeq.gt(after.0));
    }
    if let Some(as_of) = as_of {
        numbered.and_where(Column::AddedSeq.lte(as_of.0));
    }
    Query::select()
        .column(Column::Id)
        .from_subquery(numbered, Alias::new("numbered"))
        .and_where(Expr::col(place).lte(slice.first + 1))
        .take()
}

fn comments(rows: &[QueryResult]) -> Result<Vec<Comment>, Error> {
    rows.iter().map(rows::comment).collect()
}

/// Returns the comment with this id, which may be a tombstone.
pub(super) async fn find(
    connection: &impl ConnectionTrait,
    id: CommentId,
) -> Result<Option<Comment>, Error> {
    let query = rows::with_authors(Entity::find_by_id(id.0));
    let rows = connection.query_all(&query).await?;
    rows.first().map(rows::comment).transpose()
}
