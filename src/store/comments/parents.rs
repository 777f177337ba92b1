//! The comments that new ones reply to.

use std::collections::HashMap;

use sea_orm::{ConnectionTrait, DbErr, EntityTrait, QueryFilter, QuerySelect};
use uuid::Uuid;

use crate::{
    error::{Error, Kind},
    model::{CommentId, CommentStatus, PostId, UserId},
    store::{
        entity::{
            codes,
            comment::{Column, Entity},
        },
        query::is_any_of,
    },
};

/// The part of a comment that decides over replies to it.
pub(super) struct Parent {
    post_id: String,
    author_id: String,
    depth: i64,
    is_deleted: bool,
    status: CommentStatus,
    was_published: bool,
}

/// Reads the comments with these ids.
pub(super) async fn read_parents(
    connection: &impl ConnectionTrait,
    ids: impl IntoIterator<Item = CommentId>,
) -> Result<HashMap<CommentId, Parent>, DbErr> {
    let mut ids: Vec<Uuid> = ids.into_iter().map(|id| id.0).collect();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    ids.sort_unstable();
    ids.dedup();
    type Row = (
        Uuid,
        String,
        String,
        i64,
        Option<i64>,
        codes::CommentStatus,
        Option<i64>,
    );
    let rows: Vec<Row> = Entity::find()
        .select_only()
        .columns([
            Column::Id,
            Column::PostId,
            Column::AuthorId,
            Column::Depth,
            Column::DeletedAt,
            Column::Status,
            Column::AddedSeq,
        ])
        .filter(is_any_of(
            Column::Id,
            ids,
            connection.get_database_backend(),
        ))
        .into_tuple()
        .all(connection)
        .await?;
    let parents = rows.into_iter().map(|row| {
        let (id, post_id, author_id, depth, deleted_at, status, added_seq) = row;
        let parent = Parent {
            post_id,
            author_id,
            depth,
            is_deleted: deleted_at.is_some(),
            status: status.into(),
            was_published: added_seq.is_some(),
        };
        (CommentId(id), parent)
    });
    Ok(parents.collect())
}

impl Parent {
    /// Returns the depth of a reply by `author`.
    ///
    /// Fails with `BadUserInput` if the parent is a comment of another post, or at the maximum depth. Fails
    /// with `Conflict` for a tombstone, and with `NotFound` for a comment that `author` may not know of.
    pub(super) fn depth_of_reply(
        &self,
        post: &PostId,
        author: &UserId,
        max_depth: u32,
    ) -> Result<i64, Error> {
        if self.post_id != post.as_str() {
            return Err(no_parent());
        }
        if self.is_deleted && self.was_published {
            return Err(Error::Conflict("The comment to reply to was deleted."));
        }
        if self.is_deleted || self.status != CommentStatus::Published {
            let is_known = self.was_published || self.author_id == author.as_str();
            return Err(if is_known {
                Error::Conflict("The comment to reply to is not published.")
            } else {
                Error::NotFound(Kind::Comment)
            });
        }
        if self.depth >= i64::from(max_depth) {
            let message = format!("The depth of replies is at most {max_depth}.");
            return Err(Error::bad_input("parentId", message));
        }
        Ok(self.depth + 1)
    }
}

/// Returns the error for a parent that does not exist.
pub(super) fn no_parent() -> Error {
    Error::bad_input("parentId", "The parent must be a comment of the same post.")
}
