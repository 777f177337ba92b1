//! Comments: changing and reading them.
//!
//! Every write takes the post's next seq in the transaction that makes the change. The row of the
//! post is thereby locked until the commit, so that the order of commits is the order of the feed.
//! What a change rests on is read behind that lock, for another node may be changing the same.

use std::{collections::HashMap, sync::Arc};

use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, EntityTrait, QueryFilter,
    QueryOrder, QueryResult, QuerySelect, QueryTrait,
    sea_query::{Alias, Expr, ExprTrait, LockType, Query, SelectStatement, WindowStatement},
};

use super::{
    Order, Page, Slice, Store, convert,
    entity::{
        comment::{ActiveModel, Column, Entity},
        post,
    },
    page::{is_among, rows},
};
use crate::{
    error::{Error, Kind},
    model::{Change, ChangeKind, ClientId, Comment, CommentId, Post, PostId, Seq, Timestamp},
};

/// A new text for a comment.
#[derive(Clone, Debug)]
pub struct EditComment {
    /// The comment.
    pub id: CommentId,
    /// Its new text, trimmed and not empty.
    pub body: String,
    /// Now.
    pub at: Timestamp,
    /// The client that sends it.
    pub origin: Option<ClientId>,
}

/// A comment to be made a tombstone.
#[derive(Clone, Debug)]
pub struct DeleteComment {
    /// The comment.
    pub id: CommentId,
    /// Now.
    pub at: Timestamp,
    /// The client that sends it.
    pub origin: Option<ClientId>,
}

/// What a deletion found.
#[derive(Clone, Debug)]
pub enum Deletion {
    /// The comment was there; now there is its tombstone.
    Done(Change),
    /// There was the tombstone already, and nothing was changed.
    Before(Arc<Comment>),
}

impl Store {
    /// Gives a comment another text, if `permit` lets it. `NotFound` where there is no such
    /// comment, `Conflict` where only its tombstone is left.
    pub async fn edit_comment(
        &self,
        edit: EditComment,
        permit: impl Fn(&Comment) -> Result<(), Error> + Send + Sync + 'static,
    ) -> Result<Change, Error> {
        let permit = Arc::new(permit);
        self.writer
            .write(move |transaction| {
                let (edit, permit) = (edit.clone(), Arc::clone(&permit));
                Box::pin(async move {
                    let mut comment = find_to_change(transaction, edit.id)
                        .await?
                        .ok_or(Error::NotFound(Kind::Comment))?;
                    permit(&comment)?;
                    if comment.is_deleted {
                        return Err(Error::Conflict("The comment was deleted."));
                    }
                    comment.changed_seq = next_seq(transaction, &comment.post_id, 0).await?;
                    comment.edited_at = Some(edit.at);
                    comment.body = edit.body;
                    let row = ActiveModel {
                        id: Set(edit.id.0),
                        body: Set(comment.body.clone()),
                        edited_at: Set(Some(edit.at.0)),
                        changed_seq: Set(comment.changed_seq.0),
                        changed_by: Set(edit.origin.as_ref().map(ToString::to_string)),
                        ..ActiveModel::default()
                    };
                    Entity::update(row)
                        .validate()?
                        .exec_without_returning(transaction)
                        .await?;
                    Ok(Change {
                        kind: ChangeKind::Edited,
                        seq: comment.changed_seq,
                        origin: edit.origin,
                        comment: Arc::new(comment),
                    })
                })
            })
            .await
    }

    /// Leaves only the tombstone of a comment, if `permit` lets it: its text is gone from the
    /// store. `NotFound` where there is no such comment.
    pub async fn delete_comment(
        &self,
        delete: DeleteComment,
        permit: impl Fn(&Comment) -> Result<(), Error> + Send + Sync + 'static,
    ) -> Result<Deletion, Error> {
        let permit = Arc::new(permit);
        self.writer
            .write(move |transaction| {
                let (delete, permit) = (delete.clone(), Arc::clone(&permit));
                Box::pin(async move {
                    let mut comment = find_to_change(transaction, delete.id)
                        .await?
                        .ok_or(Error::NotFound(Kind::Comment))?;
                    permit(&comment)?;
                    if comment.is_deleted {
                        return Ok(Deletion::Before(Arc::new(comment)));
                    }
                    comment.changed_seq = next_seq(transaction, &comment.post_id, -1).await?;
                    comment.is_deleted = true;
                    comment.body = String::new();
                    let row = ActiveModel {
                        id: Set(delete.id.0),
                        body: Set(String::new()),
                        deleted_at: Set(Some(delete.at.0)),
                        changed_seq: Set(comment.changed_seq.0),
                        changed_by: Set(delete.origin.as_ref().map(ToString::to_string)),
                        ..ActiveModel::default()
                    };
                    Entity::update(row)
                        .validate()?
                        .exec_without_returning(transaction)
                        .await?;
                    Ok(Deletion::Done(Change {
                        kind: ChangeKind::Deleted,
                        seq: comment.changed_seq,
                        origin: delete.origin,
                        comment: Arc::new(comment),
                    }))
                })
            })
            .await
    }

    /// The comment with this id, be it a tombstone.
    pub async fn comment(&self, id: CommentId) -> Result<Option<Comment>, Error> {
        self.read(move |readers| async move { find(&readers, id).await })
            .await
    }

    /// The post's top-level comments as they stood when `post` was read: one added since is left
    /// out, for a subscription that starts at `post.seq` brings it.
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
        let query = Arc::new(convert::with_authors(query));
        self.read(move |readers| {
            let query = Arc::clone(&query);
            async move {
                let rows = rows(&query, slice.first + 1, &readers).await?;
                Ok(Page::of(read(&rows)?, slice.first))
            }
        })
        .await
    }

    /// The same slice of the direct replies of each of many comments, oldest first, in one query.
    /// Comments without replies in the slice are left out; so are, with `as_of`, replies that were
    /// added behind that place.
    pub async fn replies(
        &self,
        parents: &[CommentId],
        slice: Slice<Seq>,
        as_of: Option<Seq>,
    ) -> Result<HashMap<CommentId, Page<Comment>>, Error> {
        let query = Entity::find()
            .filter(Column::Id.in_subquery(first_replies(parents, slice, as_of, self.backend())))
            .order_by_asc(Column::AddedSeq);
        let query = Arc::new(convert::with_authors(query));
        let mut replies: HashMap<CommentId, Vec<Comment>> = HashMap::new();
        let comments = self
            .read(move |readers| {
                let query = Arc::clone(&query);
                async move { read(&readers.query_all(&*query).await?) }
            })
            .await?;
        for comment in comments {
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

/// The ids of the first replies of each parent, and of one more, which tells that there are more.
fn first_replies(
    parents: &[CommentId],
    slice: Slice<Seq>,
    as_of: Option<Seq>,
    backend: DbBackend,
) -> SelectStatement {
    let place = Alias::new("place");
    let mut numbered = Query::select();
    numbered
        .column(Column::Id)
        .expr_window_as(
            sea_orm::sea_query::Func::cust(Alias::new("ROW_NUMBER")),
            WindowStatement::partition_by(Column::ParentId)
                .order_by(Column::AddedSeq, sea_orm::Order::Asc)
                .take(),
            place.clone(),
        )
        .from(Entity)
        .and_where(is_among(
            Column::ParentId,
            parents.iter().map(|parent| parent.0),
            backend,
        ));
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

fn read(rows: &[QueryResult]) -> Result<Vec<Comment>, Error> {
    rows.iter().map(convert::comment).collect()
}

async fn find(connection: &impl ConnectionTrait, id: CommentId) -> Result<Option<Comment>, Error> {
    let query = convert::with_authors(Entity::find_by_id(id.0));
    let rows = connection.query_all(&query).await?;
    rows.first().map(convert::comment).transpose()
}

/// The comment as it stands until the transaction ends: whoever changes one holds its post.
async fn find_to_change(
    transaction: &DatabaseTransaction,
    id: CommentId,
) -> Result<Option<Comment>, Error> {
    let its_post = Entity::find_by_id(id.0)
        .select_only()
        .column(Column::PostId);
    hold_posts(
        transaction,
        post::Column::Id.in_subquery(its_post.into_query()),
    )
    .await?;
    find(transaction, id).await
}

/// Has others wait who would change these posts or their comments, until the transaction ends; all
/// who hold several take them in one order. In SQLite a transaction that writes holds everything
/// from its first moment.
pub(super) async fn hold_posts(
    transaction: &DatabaseTransaction,
    which: Expr,
) -> Result<(), DbErr> {
    if transaction.get_database_backend() != DbBackend::Postgres {
        return Ok(());
    }
    let posts = post::Entity::find()
        .select_only()
        .column(post::Column::Id)
        .filter(which)
        .order_by_asc(post::Column::Id)
        .lock(LockType::NoKeyUpdate);
    transaction.query_all(&posts.into_query()).await?;
    Ok(())
}

/// Takes the next place in the post's feed, for a change that adds so many comments to its count.
async fn next_seq(
    transaction: &DatabaseTransaction,
    post: &PostId,
    comments: i64,
) -> Result<Seq, Error> {
    let seq = take_places(transaction, post, 1, comments).await?;
    seq.ok_or(Error::NotFound(Kind::Post))
}

/// Takes so many places in the post's feed, and adds `comments` to its count. Returns the last of
/// them; `None` where there is no such post.
pub(super) async fn take_places(
    transaction: &DatabaseTransaction,
    post: &PostId,
    places: i64,
    comments: i64,
) -> Result<Option<Seq>, DbErr> {
    let rows = post::Entity::update_many()
        .col_expr(post::Column::Seq, Expr::col(post::Column::Seq).add(places))
        .col_expr(
            post::Column::CommentCount,
            Expr::col(post::Column::CommentCount).add(comments),
        )
        .filter(post::Column::Id.eq(post.as_str()))
        .exec_with_returning(transaction)
        .await?;
    Ok(rows.first().map(|row| Seq(row.seq)))
}
