//! Hearing what goes on in a room, without being in it.

use std::sync::Arc;

use tokio::sync::{
    broadcast::{self, error::RecvError, error::TryRecvError},
    watch,
};

use super::{
    room::{Live, Published, Room, RoomId},
    typing::Typists,
};
use crate::model::{Change, PostId, Seq, User};

/// Listens to one room and looks at it. Cloning it is cheap and gives the same.
#[derive(Clone, Debug)]
pub struct Listener {
    room: Arc<Room>,
}

/// Somebody started or stopped typing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypingEvent {
    /// Who.
    pub user: User,
    /// Started or stopped.
    pub is_typing: bool,
}

/// What comes next in a room's feed.
#[derive(Clone, Debug)]
pub enum Next {
    /// The next change. Where it is not the one behind the last, those in between were missed.
    Change(Arc<Change>),
    /// This node was not told of the changes up to this place.
    Missed(Seq),
}

/// The changes of a room's feed from some moment on.
#[derive(Debug)]
pub struct Changes {
    receiver: broadcast::Receiver<Live>,
    head: Seq,
}

/// The values that a room publishes from some moment on. One who is behind hears the latest only.
#[derive(Debug)]
pub struct Values<T> {
    receiver: watch::Receiver<Published<T>>,
}

impl Listener {
    pub(crate) fn new(room: Arc<Room>) -> Self {
        Self { room }
    }

    /// Which room this is.
    pub fn room(&self) -> RoomId {
        self.room.id()
    }

    /// Whose room it is.
    pub fn post(&self) -> &PostId {
        self.room.post()
    }

    /// The changes of the room's feed from now on; `None` where the feed was not established.
    pub fn changes(&self) -> Option<Changes> {
        // With the state locked: nothing is sent between the two.
        let state = self.room.lock();
        let head = state.sequencer.head()?;
        Some(Changes {
            receiver: self.room.changes(),
            head,
        })
    }

    /// The counts of viewers that are published from now on.
    pub fn counts(&self) -> Values<usize> {
        let receiver = self.room.counts();
        Values { receiver }
    }

    /// How many viewers there are now. What is published behind its version is later.
    pub fn count_now(&self) -> Published<usize> {
        self.room.count_now()
    }

    /// The lists of who is typing that are published from now on.
    pub fn typists(&self) -> Values<Typists> {
        let receiver = self.room.typists();
        Values { receiver }
    }

    /// Who is typing now. What is published behind its version is later.
    pub fn typists_now(&self) -> Published<Typists> {
        self.room.typists_now()
    }
}

impl Changes {
    /// Where the room's feed stood when these began: the first of them is the next one.
    pub fn head(&self) -> Seq {
        self.head
    }

    /// Waits for what comes next; `None` where nothing comes any more. Cancelling loses nothing.
    pub async fn next(&mut self) -> Option<Next> {
        loop {
            match self.receiver.recv().await {
                Ok(live) => return Some(live.into()),
                // What was overtaken shows in the place of the next one.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    }

    /// What came already, without waiting.
    pub fn ready(&mut self) -> Option<Next> {
        loop {
            match self.receiver.try_recv() {
                Ok(live) => return Some(live.into()),
                Err(TryRecvError::Lagged(_)) => {}
                Err(TryRecvError::Empty | TryRecvError::Closed) => return None,
            }
        }
    }
}

impl From<Live> for Next {
    fn from(live: Live) -> Self {
        match live {
            Live::Change(change) => Self::Change(change),
            Live::Missed(seq) => Self::Missed(seq),
        }
    }
}

impl<T: Clone> Values<T> {
    /// What was published last; it counts as heard.
    pub fn current(&mut self) -> Published<T> {
        self.receiver.borrow_and_update().clone()
    }

    /// Waits for a value that was not heard yet; `None` where nothing comes any more.
    pub async fn next(&mut self) -> Option<Published<T>> {
        self.receiver.changed().await.ok()?;
        Some(self.receiver.borrow_and_update().clone())
    }
}

/// What leads from one list of typing users to another: first who stopped, then who started.
pub fn differences(before: &Typists, after: &Typists) -> Vec<TypingEvent> {
    let missing = |from: &Typists, to: &Typists, is_typing: bool| {
        from.iter()
            .filter(|user| !to.iter().any(|other| other.id == user.id))
            .map(|user| TypingEvent {
                user: user.clone(),
                is_typing,
            })
            .collect::<Vec<_>>()
    };
    let mut events = missing(before, after, false);
    events.extend(missing(after, before, true));
    events
}
