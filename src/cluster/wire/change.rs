//! Changes and users in their wire form.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::ValidId;
use crate::model::{
    Change, ChangeKind, ClientId, Comment, CommentId, PostId, Role, Seq, Timestamp, User, UserId,
};

/// A committed change, with the comment as it is after it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::cluster) struct WireChange {
    kind: WireChangeKind,
    seq: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    origin: Option<ValidId<ClientId>>,
    id: Uuid,
    post: ValidId<PostId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parent: Option<Uuid>,
    author: WireUser,
    body: String,
    created_at: i64,
    /// Absent if it is `created_at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    published_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    edited_at: Option<i64>,
    is_deleted: bool,
    added_seq: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    entered_seq: Option<i64>,
    depth: i64,
    reply_count: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WireChangeKind {
    Added,
    Edited,
    Deleted,
    Restored,
}

/// A user's public profile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct WireUser {
    id: ValidId<UserId>,
    name: Arc<str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    avatar: Option<Arc<str>>,
    #[serde(default = "reader", skip_serializing_if = "is_reader")]
    role: Role,
}

/// Returns the role of users in messages that do not name one.
fn reader() -> Role {
    Role::Reader
}

fn is_reader(role: &Role) -> bool {
    *role == reader()
}

impl From<&Change> for WireChange {
    fn from(change: &Change) -> Self {
        let comment = &change.comment;
        Self {
            kind: match change.kind {
                ChangeKind::Added => WireChangeKind::Added,
                ChangeKind::Edited => WireChangeKind::Edited,
                ChangeKind::Deleted => WireChangeKind::Deleted,
                ChangeKind::Restored => WireChangeKind::Restored,
            },
            seq: change.seq.0,
            origin: change.origin.clone().map(ValidId),
            id: comment.id.0,
            post: ValidId(comment.post_id.clone()),
            parent: comment.parent_id.map(|id| id.0),
            author: WireUser::from(&comment.author),
            body: comment.body.clone(),
            created_at: comment.created_at.0,
            published_at: (comment.published_at != comment.created_at)
                .then_some(comment.published_at.0),
            edited_at: comment.edited_at.map(|at| at.0),
            is_deleted: comment.is_deleted,
            added_seq: comment.added_seq.0,
            entered_seq: comment.entered_seq.map(|seq| seq.0),
            depth: comment.depth,
            reply_count: comment.reply_count,
        }
    }
}

impl From<&WireChange> for Change {
    fn from(change: &WireChange) -> Self {
        Self {
            kind: match change.kind {
                WireChangeKind::Added => ChangeKind::Added,
                WireChangeKind::Edited => ChangeKind::Edited,
                WireChangeKind::Deleted => ChangeKind::Deleted,
                WireChangeKind::Restored => ChangeKind::Restored,
            },
            seq: Seq(change.seq),
            origin: change.origin.clone().map(|id| id.0),
            comment: Arc::new(Comment {
                id: CommentId(change.id),
                post_id: change.post.0.clone(),
                parent_id: change.parent.map(CommentId),
                author: User::from(&change.author),
                body: change.body.clone(),
                created_at: Timestamp(change.created_at),
                published_at: Timestamp(change.published_at.unwrap_or(change.created_at)),
                edited_at: change.edited_at.map(Timestamp),
                is_deleted: change.is_deleted,
                added_seq: Seq(change.added_seq),
                changed_seq: Seq(change.seq),
                entered_seq: change.entered_seq.map(Seq),
                depth: change.depth,
                reply_count: change.reply_count,
            }),
        }
    }
}

impl From<&User> for WireUser {
    fn from(user: &User) -> Self {
        Self {
            id: ValidId(user.id.clone()),
            name: Arc::clone(&user.name),
            avatar: user.avatar.clone(),
            role: user.role,
        }
    }
}

impl From<&WireUser> for User {
    fn from(user: &WireUser) -> Self {
        Self {
            id: user.id.0.clone(),
            name: Arc::clone(&user.name),
            avatar: user.avatar.clone(),
            role: user.role,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rooms::testing::change;

    #[test]
    fn change_survives_its_wire_form() {
        let before = change(3);
        assert_eq!(Change::from(&WireChange::from(&*before)), *before);
    }
}
