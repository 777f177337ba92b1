//! Conversion of rows to the domain's types.

use sea_orm::{
    DbErr, JoinType, QueryResult, QuerySelect, QueryTrait, RelationTrait, Select,
    sea_query::{Expr, SelectStatement},
};

use super::{
    entity::{codes, comment, post, user},
    page::Bodies,
};
use crate::{
    error::Error,
    model::{
        ChangeKind, ClientId, Comment, CommentId, Decision, ModeratedComment, Post, PostId, Seq,
        Timestamp, User, UserId,
    },
};

/// Returns the error for a row that this server cannot have written.
pub(super) fn corrupt(field: &str, id: impl std::fmt::Display) -> DbErr {
    DbErr::Custom(format!("invalid {field} in row {id}"))
}

pub(super) fn post(row: post::Model) -> Result<Post, Error> {
    Ok(Post {
        id: post_id(&row.id)?,
        title: row.title,
        url: row.url,
        created_at: Timestamp(row.created_at),
        comment_count: row.comment_count,
        seq: Seq(row.seq),
        version: row.version,
        detail_version: row.detail_version,
        is_open: row.is_open,
        moderation: row.moderation.map(Into::into),
        pinned: row.pinned_comment.map(CommentId),
        last_comment_at: row.last_comment_at.map(Timestamp),
    })
}

pub(super) fn post_id(id: &str) -> Result<PostId, DbErr> {
    PostId::parse(id).ok_or_else(|| corrupt("post id", id))
}

pub(super) fn user_id(id: &str) -> Result<UserId, DbErr> {
    UserId::parse(id).ok_or_else(|| corrupt("user id", id))
}

pub(super) fn user(row: user::Model) -> Result<User, DbErr> {
    Ok(User {
        id: user_id(&row.id)?,
        name: row.name.into(),
        avatar: row.avatar.map(Into::into),
        role: row.role.parse().map_err(|_| corrupt("role", &row.id))?,
    })
}

/// Extends a query for comments that were published with their authors. [`comment()`] reads its rows, as
/// readers see them: what is not published any more is a tombstone, and its text is not read.
///
/// It selects only the columns that are read. They are read by index, because access by name looks the
/// name up and copies the value twice.
pub(super) fn with_authors(query: Select<comment::Entity>, bodies: Bodies) -> SelectStatement {
    use comment::{Column, Relation};
    let query = query
        .select_only()
        .columns([Column::Id, Column::PostId, Column::ParentId]);
    let query = match bodies {
        Bodies::Read => query.expr(Expr::cust(
            "CASE WHEN comment.status = 0 THEN comment.body ELSE '' END",
        )),
        Bodies::Omit => query.expr(Expr::cust("''")),
    };
    query
        .column(Column::CreatedAt)
        .expr(Expr::cust(
            "CASE WHEN comment.status = 0 THEN comment.edited_at END",
        ))
        .expr(Expr::cust(
            "comment.deleted_at IS NOT NULL OR comment.status <> 0",
        ))
        .columns([
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
        .columns([
            Column::AddedBy,
            Column::EnteredBy,
            Column::ChangedBy,
            Column::ChangeKind,
        ])
        .expr(Expr::cust(
            "COALESCE(comment.published_at, comment.created_at)",
        ))
        .columns([Column::Score, Column::ReactionVersion])
        .into_query()
}

pub(super) fn comment(row: &QueryResult) -> Result<Comment, Error> {
    let id = row.try_get_by_index(0)?;
    let post_id: String = row.try_get_by_index(1)?;
    let parent_id: Option<_> = row.try_get_by_index(2)?;
    let edited_at: Option<_> = row.try_get_by_index(5)?;
    let entered_seq: Option<_> = row.try_get_by_index(10)?;
    let author_id: String = row.try_get_by_index(12)?;
    let name: String = row.try_get_by_index(13)?;
    let avatar: Option<String> = row.try_get_by_index(14)?;
    let role: String = row.try_get_by_index(15)?;
    Ok(Comment {
        id: CommentId(id),
        post_id: self::post_id(&post_id)?,
        parent_id: parent_id.map(CommentId),
        author: User {
            id: user_id(&author_id)?,
            name: name.into(),
            avatar: avatar.map(Into::into),
            role: role.parse().map_err(|_| corrupt("author's role", id))?,
        },
        body: row.try_get_by_index(3)?,
        created_at: Timestamp(row.try_get_by_index(4)?),
        published_at: Timestamp(row.try_get_by_index(20)?),
        edited_at: edited_at.map(Timestamp),
        is_deleted: row.try_get_by_index(6)?,
        added_seq: Seq(row.try_get_by_index(7)?),
        changed_seq: Seq(row.try_get_by_index(8)?),
        entered_seq: entered_seq.map(Seq),
        depth: row.try_get_by_index(11)?,
        reply_count: row.try_get_by_index(9)?,
    })
}

/// Converts a comment, as moderators see it.
pub(super) fn moderated(row: comment::Model, author: User) -> Result<ModeratedComment, Error> {
    let by = row.decided_by.as_deref().map(user_id).transpose()?;
    let decision = by.zip(row.decided_at);
    Ok(ModeratedComment {
        id: CommentId(row.id),
        post_id: post_id(&row.post_id)?,
        parent_id: row.parent_id.map(CommentId),
        author,
        body: row.body,
        created_at: Timestamp(row.created_at),
        edited_at: row.edited_at.map(Timestamp),
        status: row.status.into(),
        reason: row.hold_reason.map(Into::into),
        decision: decision.map(|(by, at)| Decision {
            by,
            at: Timestamp(at),
        }),
        was_published: row.added_seq.is_some(),
    })
}

/// Returns the score of the row's comment.
pub(super) fn score(row: &QueryResult) -> Result<i64, DbErr> {
    row.try_get_by_index(21)
}

/// Returns the post's version at the latest change of the reactions to the row's comment.
pub(super) fn reaction_version(row: &QueryResult) -> Result<i64, DbErr> {
    row.try_get_by_index(22)
}

/// Returns the clients that added the row's comment, made it enter the lists, and changed it last.
pub(super) fn origins(row: &QueryResult) -> Result<[Option<ClientId>; 3], Error> {
    let ids: [Option<String>; 3] = [
        row.try_get_by_index(16)?,
        row.try_get_by_index(17)?,
        row.try_get_by_index(18)?,
    ];
    Ok(ids.map(|id| id.as_deref().and_then(ClientId::parse)))
}

/// Returns the kind of the latest change of the row's comment.
pub(super) fn latest_change(row: &QueryResult) -> Result<ChangeKind, Error> {
    let kind: codes::ChangeKind = row.try_get_by_index(19)?;
    Ok(kind.into())
}
