//! Conversion of rows to the domain's types.

use sea_orm::{
    DbErr, JoinType, QueryResult, QuerySelect, QueryTrait, RelationTrait, Select,
    sea_query::{Expr, SelectStatement},
};

use super::{
    entity::{change_kind, comment, post, user},
    page::Bodies,
};
use crate::{
    error::Error,
    model::{ChangeKind, ClientId, Comment, CommentId, Post, PostId, Seq, Timestamp, User, UserId},
};

/// Returns the error for a row that this server cannot have written.
fn corrupt(field: &str, id: impl std::fmt::Display) -> DbErr {
    DbErr::Custom(format!("invalid {field} in row {id}"))
}

pub(super) fn post(row: post::Model) -> Result<Post, Error> {
    Ok(Post {
        id: PostId::parse(&row.id).ok_or_else(|| corrupt("post id", &row.id))?,
        title: row.title,
        url: row.url,
        created_at: Timestamp(row.created_at),
        comment_count: row.comment_count,
        seq: Seq(row.seq),
    })
}

pub(super) fn user(row: user::Model) -> Result<User, DbErr> {
    Ok(User {
        id: UserId::parse(&row.id).ok_or_else(|| corrupt("user id", &row.id))?,
        name: row.name.into(),
        avatar: row.avatar.map(Into::into),
        role: row.role.parse().map_err(|_| corrupt("role", &row.id))?,
    })
}

/// Extends a query for comments with their authors. [`comment()`] reads its rows.
///
/// It selects only the columns that are read. They are read by index, because access by name looks the
/// name up and copies the value twice.
pub(super) fn with_authors(query: Select<comment::Entity>, bodies: Bodies) -> SelectStatement {
    use comment::{Column, Relation};
    let query = query
        .select_only()
        .columns([Column::Id, Column::PostId, Column::ParentId]);
    let query = match bodies {
        Bodies::Read => query.column(Column::Body),
        Bodies::Omit => query.expr(Expr::cust("''")),
    };
    query
        .columns([
            Column::CreatedAt,
            Column::EditedAt,
            Column::DeletedAt,
            Column::AddedSeq,
            Column::ChangedSeq,
            Column::ReplyCount,
            Column::EnteredSeq,
            Column::Depth,
        ])
        .join(JoinType::LeftJoin, Relation::Author.def())
        .columns([
            user::Column::Id,
            user::Column::Name,
            user::Column::Avatar,
            user::Column::Role,
        ])
        .columns([Column::EnteredBy, Column::ChangedBy, Column::ChangeKind])
        .into_query()
}

pub(super) fn comment(row: &QueryResult) -> Result<Comment, Error> {
    let id = row.try_get_by_index(0)?;
    let post_id: String = row.try_get_by_index(1)?;
    let parent_id: Option<_> = row.try_get_by_index(2)?;
    let edited_at: Option<_> = row.try_get_by_index(5)?;
    let deleted_at: Option<i64> = row.try_get_by_index(6)?;
    let entered_seq: Option<_> = row.try_get_by_index(10)?;
    let author_id: String = row.try_get_by_index(12)?;
    let name: String = row.try_get_by_index(13)?;
    let avatar: Option<String> = row.try_get_by_index(14)?;
    let role: String = row.try_get_by_index(15)?;
    Ok(Comment {
        id: CommentId(id),
        post_id: PostId::parse(&post_id).ok_or_else(|| corrupt("post id", id))?,
        parent_id: parent_id.map(CommentId),
        author: User {
            id: UserId::parse(&author_id).ok_or_else(|| corrupt("author", id))?,
            name: name.into(),
            avatar: avatar.map(Into::into),
            role: role.parse().map_err(|_| corrupt("author's role", id))?,
        },
        body: row.try_get_by_index(3)?,
        created_at: Timestamp(row.try_get_by_index(4)?),
        edited_at: edited_at.map(Timestamp),
        is_deleted: deleted_at.is_some(),
        added_seq: Seq(row.try_get_by_index(7)?),
        changed_seq: Seq(row.try_get_by_index(8)?),
        entered_seq: entered_seq.map(Seq),
        depth: row.try_get_by_index(11)?,
        reply_count: row.try_get_by_index(9)?,
    })
}

/// Returns the client that added or restored the row's comment, and the one that made its latest change.
pub(super) fn origins(row: &QueryResult) -> Result<[Option<ClientId>; 2], Error> {
    let entered_by: Option<String> = row.try_get_by_index(16)?;
    let changed_by: Option<String> = row.try_get_by_index(17)?;
    Ok([entered_by, changed_by].map(|id| id.as_deref().and_then(ClientId::parse)))
}

/// Returns the kind of the latest change of the row's comment.
pub(super) fn latest_change(row: &QueryResult) -> Result<ChangeKind, Error> {
    let kind: change_kind::ChangeKind = row.try_get_by_index(18)?;
    Ok(kind.into())
}
