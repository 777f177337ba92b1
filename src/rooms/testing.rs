//! Values for the unit tests of rooms and the cluster.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use parking_lot::Mutex;

use super::{ending::RoomEnd, peers::Peers, room::Room};
use crate::model::{
    Change, ChangeKind, ClientId, Comment, CommentId, PostId, Role, Seq, Timestamp, User, UserId,
};

/// Returns a new comment of post `p` at `seq`.
pub(crate) fn change(seq: i64) -> Arc<Change> {
    Arc::new(Change {
        kind: ChangeKind::Added,
        seq: Seq(seq),
        origin: None,
        comment: Arc::new(Comment {
            id: CommentId::new(),
            post_id: PostId::parse("p").unwrap(),
            parent_id: None,
            author: user("author"),
            body: format!("number {seq}"),
            created_at: Timestamp(0),
            published_at: Timestamp(0),
            edited_at: None,
            is_deleted: false,
            added_seq: Seq(seq),
            changed_seq: Seq(seq),
            entered_seq: Some(Seq(seq)),
            depth: 0,
            reply_count: 0,
        }),
    })
}

/// Returns a user whose name is `id`.
pub(crate) fn user(id: &str) -> User {
    User {
        id: UserId::parse(id).unwrap(),
        name: id.into(),
        avatar: None,
        role: Role::Reader,
    }
}

/// Peers that record the rooms which report changes, in order.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    pub(super) rooms: Mutex<Vec<u64>>,
}

impl Peers for Recorder {
    fn publish(&self, _change: Arc<Change>) {}
    fn stop_typing(&self, _post: &PostId, _user: &UserId, _client: Option<&ClientId>) {}
    fn details_changed(&self, _: &PostId, _: i64) {}
    fn reactions_changed(&self, _: &PostId, _: i64) {}

    fn queue_changed(&self) {}
    fn room_ended(&self, _: &PostId, _: RoomEnd) {}

    fn user_changed(&self, _user: &UserId) {}
    fn room_changed(&self, room: &Arc<Room>) {
        self.rooms.lock().push(room.id().0);
    }
    fn viewers<'a>(&'a self, _post: &'a PostId) -> BoxFuture<'a, usize> {
        Box::pin(std::future::ready(0))
    }
}
