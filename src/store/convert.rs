//! Rows into the domain's types.

use sea_orm::DbErr;

use super::entity::{comment, post, user};
use crate::{
    error::Error,
    model::{ClientId, Comment, CommentId, Post, PostId, Seq, Timestamp, User, UserId},
};

/// A row that no code of this project can have written.
fn corrupt(what: &str, id: impl std::fmt::Display) -> Error {
    DbErr::Custom(format!("{what} of row {id} cannot be read")).into()
}

pub(super) fn post(row: post::Model) -> Result<Post, Error> {
    Ok(Post {
        id: PostId::parse(&row.id).ok_or_else(|| corrupt("the post id", &row.id))?,
        title: row.title,
        url: row.url,
        created_at: Timestamp(row.created_at),
        comment_count: row.comment_count,
        seq: Seq(row.seq),
    })
}

pub(super) fn user(row: user::Model) -> Result<User, Error> {
    Ok(User {
        id: UserId::parse(&row.id).ok_or_else(|| corrupt("the user id", &row.id))?,
        name: row.name.into(),
        avatar: row.avatar.map(Into::into),
    })
}

pub(super) fn comment(row: comment::Model, author: User) -> Result<Comment, Error> {
    Ok(Comment {
        id: CommentId(row.id),
        post_id: PostId::parse(&row.post_id).ok_or_else(|| corrupt("the post id", row.id))?,
        parent_id: row.parent_id.map(CommentId),
        author,
        body: row.body,
        created_at: Timestamp(row.created_at),
        edited_at: row.edited_at.map(Timestamp),
        is_deleted: row.deleted_at.is_some(),
        added_seq: Seq(row.added_seq),
        changed_seq: Seq(row.changed_seq),
        reply_count: row.reply_count,
    })
}

/// A comment's row joined with its author's, as every reading of comments has them.
pub(super) fn joined(
    (row, author): (comment::Model, Option<user::Model>),
) -> Result<Comment, Error> {
    let author = author.ok_or_else(|| corrupt("the author", row.id))?;
    comment(row, user(author)?)
}

pub(super) fn client(id: Option<&str>) -> Option<ClientId> {
    id.and_then(ClientId::parse)
}
