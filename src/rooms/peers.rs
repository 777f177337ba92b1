//! The rooms' side of the cluster.

use std::{fmt::Debug, sync::Arc};

use futures_util::future::BoxFuture;

use super::{ending::RoomEnd, room::Room};
use crate::model::{Change, ClientId, PostId, UserId};

/// The other nodes, as the rooms of this node reach them.
///
/// All methods but [`viewers`](Self::viewers) queue a message and return at once. A message may be
/// lost.
pub(crate) trait Peers: Debug + Send + Sync {
    /// Queues a change that this node has committed.
    fn publish(&self, change: Arc<Change>);

    /// Queues the end of an indicator that another node may hold.
    fn stop_typing(&self, post: &PostId, user: &UserId, client: Option<&ClientId>);

    /// Queues that something about a user's status has changed in the store.
    fn user_changed(&self, user: &UserId);

    /// Queues that the post's details have this version.
    fn details_changed(&self, post: &PostId, version: i64);

    /// Queues that the post's reactions have this version.
    fn reactions_changed(&self, post: &PostId, version: i64);

    /// Queues that the post's room has ended.
    fn room_ended(&self, post: &PostId, end: RoomEnd);

    /// Queues that the lists which wait for moderators changed.
    fn queue_changed(&self);

    /// Queues a room to have its deltas taken, and sent to the other nodes. Called with the room
    /// locked, so it must not lock the room.
    fn room_changed(&self, room: &Arc<Room>);

    /// Asks the other nodes for the number of viewers of a post that has no room on this node.
    /// Cancel safe. Takes at most 0.4 s.
    fn viewers<'a>(&'a self, post: &'a PostId) -> BoxFuture<'a, usize>;
}
