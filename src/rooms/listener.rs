//! Reading a room's channels without being its member.

use std::sync::Arc;

use tokio::sync::{
    broadcast::{self, error::RecvError, error::TryRecvError},
    watch,
};

use super::{
    ending::RoomEnd,
    room::{FeedEvent, Published, Room, RoomId},
    typing::Typists,
};
use crate::model::{PostId, Seq};

/// A read handle to one room. Clones share the room and are cheap.
#[derive(Clone, Debug)]
pub struct Listener {
    room: Arc<Room>,
}

/// A stream of the changes of a room's feed.
#[derive(Debug)]
pub struct Changes {
    receiver: broadcast::Receiver<FeedEvent>,
    head: Seq,
}

/// A stream of the values that a room publishes. A slow reader receives only the latest.
#[derive(Debug)]
pub struct Values<T> {
    receiver: watch::Receiver<Published<T>>,
}

impl Listener {
    pub(super) fn new(room: Arc<Room>) -> Self {
        Self { room }
    }

    /// Returns the room's id. A later room of the same post has another.
    pub fn room(&self) -> RoomId {
        self.room.id()
    }

    /// Returns the post that the room belongs to.
    pub fn post(&self) -> &PostId {
        self.room.post()
    }

    /// Returns the seq of the room's newest delivered change, or `None` if its head is not
    /// established.
    pub fn head(&self) -> Option<Seq> {
        self.room.lock().resequencer.head()
    }

    /// Subscribes to the feed's changes. Returns `None` if the room's head is not established.
    pub fn changes(&self) -> Option<Changes> {
        // The lock keeps changes from being sent between reading the head and subscribing.
        let state = self.room.lock();
        let head = state.resequencer.head()?;
        Some(Changes {
            receiver: self.room.changes(),
            head,
        })
    }

    /// Subscribes to the number of viewers.
    pub fn counts(&self) -> Values<usize> {
        let receiver = self.room.counts();
        Values { receiver }
    }

    /// Returns the current number of viewers. Values published later have a greater version.
    pub fn count_now(&self) -> Published<usize> {
        self.room.count_now()
    }

    /// Subscribes to the list of typing users.
    pub fn typists(&self) -> Values<Typists> {
        let receiver = self.room.typists();
        Values { receiver }
    }

    /// Waits until the post was moved or deleted, and the room has ended for that. Cancel safe.
    pub async fn ended(&self) -> RoomEnd {
        let mut end = self.room.ended();
        loop {
            if let Some(end) = *end.borrow_and_update() {
                return end;
            }
            if end.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Subscribes to the versions of the post's details. Each announces that the post is to be read again.
    pub fn details(&self) -> watch::Receiver<i64> {
        self.room.details()
    }

    /// Subscribes to the versions of the post's reactions. Each announces that comments are to be read. `None`
    /// before the first one.
    pub fn reactions(&self) -> watch::Receiver<Option<i64>> {
        self.room.reactions()
    }

    /// Returns the users who are typing now. Values published later have a greater version.
    pub fn typists_now(&self) -> Published<Typists> {
        self.room.typists_now()
    }
}

impl Changes {
    /// Returns the feed's seq at the time of subscribing. The first change has the next one.
    pub fn head(&self) -> Seq {
        self.head
    }

    /// Waits for the next event. Returns `None` when the room is gone. Cancel safe.
    pub async fn next(&mut self) -> Option<FeedEvent> {
        loop {
            match self.receiver.recv().await {
                Ok(event) => return Some(event),
                // The next change's seq shows the gap.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    }

    /// Returns the next event if it has arrived already.
    pub fn ready(&mut self) -> Option<FeedEvent> {
        loop {
            match self.receiver.try_recv() {
                Ok(event) => return Some(event),
                Err(TryRecvError::Lagged(_)) => {}
                Err(TryRecvError::Empty | TryRecvError::Closed) => return None,
            }
        }
    }
}

impl<T: Clone> Values<T> {
    /// Returns the latest value and marks it as seen.
    pub fn current(&mut self) -> Published<T> {
        self.receiver.borrow_and_update().clone()
    }

    /// Waits for a value that was not seen yet. Returns `None` when the room is gone. Cancel safe.
    pub async fn next(&mut self) -> Option<Published<T>> {
        self.receiver.changed().await.ok()?;
        Some(self.receiver.borrow_and_update().clone())
    }
}
