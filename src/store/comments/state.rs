//! The complete state of a comment, of which readers, its author and moderators see different parts.

use std::sync::Arc;

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};

use super::effects::Effects;
use crate::{
    error::Error,
    model::{
        Change, ClientId, Comment, CommentId, CommentStatus, HoldReason, ModeratedComment, Role,
        Seq, Timestamp, User,
    },
    store::{
        Store,
        entity::{
            comment::{Entity, Model},
            post, user,
        },
        rows,
    },
};

/// A comment as it is stored, with its author and post.
#[derive(Clone)]
pub(super) struct StoredComment {
    pub(super) row: Model,
    pub(super) author: User,
    pub(super) post: post::Model,
}

/// A comment after a write of its author.
#[derive(Clone, Debug)]
pub struct Written {
    /// The comment as its author sees it.
    pub comment: Arc<Comment>,
    /// Its status.
    pub status: CommentStatus,
    /// The reason why this write held it, if it did.
    pub held: Option<HoldReason>,
    /// The effects that others are to hear of.
    pub effects: Effects,
}

impl Store {
    /// Returns the comment with this id as its author sees it, whatever its status. `None` if `user` may not
    /// know of it.
    pub async fn comment_known_to(
        &self,
        user: &User,
        id: CommentId,
    ) -> Result<Option<Written>, Error> {
        let user = user.clone();
        self.read(move |connection| {
            let user = user.clone();
            async move {
                let found = StoredComment::find(&connection, id).await?;
                let known = found.filter(|comment| comment.is_known_to(&user));
                known.map(|comment| comment.unchanged()).transpose()
            }
        })
        .await
    }
}

impl StoredComment {
    pub(super) async fn find(
        connection: &impl ConnectionTrait,
        id: CommentId,
    ) -> Result<Option<Self>, Error> {
        let Some((row, author)) = find_row(connection, id).await? else {
            return Ok(None);
        };
        let posts = post::Entity::find_by_id(&row.post_id)
            .filter(post::Column::DeletedAt.is_null())
            .all(connection)
            .await?;
        let comment = posts
            .into_iter()
            .next()
            .map(|post| Self { row, author, post });
        Ok(comment)
    }

    /// Reads a comment whose post was read before.
    pub(super) async fn find_of(
        post: post::Model,
        connection: &impl ConnectionTrait,
        id: CommentId,
    ) -> Result<Option<Self>, Error> {
        let found = find_row(connection, id).await?;
        Ok(found.map(|(row, author)| Self { row, author, post }))
    }

    pub(super) fn is_deleted(&self) -> bool {
        self.row.deleted_at.is_some()
    }

    pub(super) fn status(&self) -> CommentStatus {
        self.row.status.into()
    }

    /// Returns false if the comment was never published, and `user` is neither its author nor a moderator.
    pub(super) fn is_known_to(&self, user: &User) -> bool {
        self.was_published() || self.author.id == user.id || user.role == Role::Moderator
    }

    /// Returns true if readers saw it at some time.
    pub(super) fn was_published(&self) -> bool {
        self.row.added_seq.is_some()
    }

    /// Returns true if readers see it, and not only its tombstone.
    pub(super) fn is_visible(&self) -> bool {
        self.status() == CommentStatus::Published && !self.is_deleted()
    }

    /// Returns the comment as its author sees it. One that was never published is where the feed stands.
    pub(super) fn own(&self) -> Result<Comment, Error> {
        let row = &self.row;
        Ok(Comment {
            id: CommentId(row.id),
            post_id: rows::post_id(&row.post_id)?,
            parent_id: row.parent_id.map(CommentId),
            author: self.author.clone(),
            body: row.body.clone(),
            created_at: Timestamp(row.created_at),
            published_at: Timestamp(row.published_at.unwrap_or(row.created_at)),
            edited_at: row.edited_at.map(Timestamp),
            is_deleted: self.is_deleted(),
            added_seq: Seq(row.added_seq.unwrap_or(self.post.seq)),
            changed_seq: Seq(row.changed_seq.unwrap_or(self.post.seq)),
            entered_seq: row.entered_seq.map(Seq),
            depth: row.depth,
            reply_count: row.reply_count,
        })
    }

    /// Returns the latest change as readers see it.
    pub(super) fn change(&self, origin: Option<ClientId>) -> Result<Change, Error> {
        let mut comment = self.own()?;
        if !self.is_visible() {
            comment.is_deleted = true;
            comment.body = String::new();
        }
        // What its author does to it while it is withdrawn is no change of the feed.
        if self.status() != CommentStatus::Published {
            comment.edited_at = None;
        }
        Ok(Change {
            kind: self.row.change_kind.into(),
            seq: comment.changed_seq,
            origin,
            comment: Arc::new(comment),
        })
    }

    /// Returns the comment as moderators see it.
    pub(super) fn moderated(&self) -> Result<ModeratedComment, Error> {
        rows::moderated(self.row.clone(), self.author.clone())
    }

    /// Returns the result of a write that changed nothing.
    pub(super) fn unchanged(&self) -> Result<Written, Error> {
        Ok(Written {
            comment: Arc::new(self.own()?),
            status: self.status(),
            held: None,
            effects: Effects::default(),
        })
    }
}

async fn find_row(
    connection: &impl ConnectionTrait,
    id: CommentId,
) -> Result<Option<(Model, User)>, Error> {
    let found = Entity::find_by_id(id.0)
        .find_also_related(user::Entity)
        .all(connection)
        .await?;
    let Some((row, author)) = found.into_iter().next() else {
        return Ok(None);
    };
    let author = author.ok_or_else(|| rows::corrupt("author", id))?;
    Ok(Some((row, rows::user(author)?)))
}
