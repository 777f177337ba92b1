//! The handle through which the rooms of this node reach the others.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::{
    outbound::{Outbound, OutboundQueue},
    remote_count::{Query, RemoteCounts, TIMEOUT},
};
use crate::{
    model::{Change, ClientId, PostId, UserId},
    rooms::{Peers, Room, RoomEnd, now},
};

/// The queue and the questions that rooms share with the cluster task.
#[derive(Debug, Default)]
pub(super) struct RemoteHandle {
    pub(super) outbound: OutboundQueue,
    pub(super) counts: RemoteCounts,
}

impl Peers for RemoteHandle {
    fn publish(&self, change: Arc<Change>) {
        self.outbound.push(Outbound::Change(change));
    }

    fn stop_typing(&self, post: &PostId, user: &UserId, client: Option<&ClientId>) {
        self.outbound.push(Outbound::TypingStopped {
            post: post.clone(),
            user: user.clone(),
            client: client.cloned(),
        });
    }

    fn user_changed(&self, user: &UserId) {
        self.outbound.push(Outbound::UserChanged(user.clone()));
    }

    fn details_changed(&self, post: &PostId, version: i64) {
        self.outbound.push(Outbound::DetailsChanged {
            post: post.clone(),
            version,
        });
    }

    fn reactions_changed(&self, post: &PostId, version: i64) {
        self.outbound.push(Outbound::ReactionsChanged {
            post: post.clone(),
            version,
        });
    }

    fn room_ended(&self, post: &PostId, end: RoomEnd) {
        let post = post.clone();
        self.outbound.push(Outbound::RoomEnded { post, end });
    }

    fn queue_changed(&self) {
        self.outbound.push_queue_change();
    }

    fn room_changed(&self, room: &Arc<Room>) {
        self.outbound.push_room(room);
    }

    fn viewers<'a>(&'a self, post: &'a PostId) -> BoxFuture<'a, usize> {
        Box::pin(async move {
            let mut answer = match self.counts.query(post, now()) {
                Query::Rejected => return 0,
                Query::Joined(answer) => answer,
                Query::Started(answer) => {
                    self.outbound.push(Outbound::CountRequest(post.clone()));
                    answer
                }
            };
            match tokio::time::timeout(TIMEOUT, answer.wait_for(Option::is_some)).await {
                Ok(Ok(count)) => count.unwrap_or_default(),
                _ => 0,
            }
        })
    }
}
