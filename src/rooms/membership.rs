//! Being in a room, and what one hears there.

use std::sync::Arc;

use async_stream::stream;
use futures_util::Stream;
use tokio::sync::broadcast::{self, error::RecvError};

use super::{
    hub::Hub,
    presence::Viewer,
    room::{Live, Room},
    typing::Typists,
};
use crate::model::{Change, ClientId, Seq, User, UserId};

/// One stream's place in a room. Dropping it is the only way to leave; the streams that it turns
/// into own it, so that being in the room is the lifetime of the stream.
#[derive(Debug)]
pub struct Membership {
    hub: Hub,
    room: Arc<Room>,
    client: ClientId,
    viewer: Viewer,
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
    /// The next change.
    Change(Arc<Change>),
    /// This member or this node missed changes: read the store from the last one that was seen,
    /// then go on here, leaving out what was read.
    Missed,
}

/// The changes of a room's feed, from the moment of [`Membership::changes`] on.
#[derive(Debug)]
pub struct Changes {
    membership: Membership,
    receiver: broadcast::Receiver<Live>,
    /// Where the room's feed stood when these began; unknown where nobody had established it.
    head: Option<Seq>,
}

impl Membership {
    pub(super) fn new(hub: Hub, room: Arc<Room>, client: ClientId, viewer: Viewer) -> Self {
        Self {
            hub,
            room,
            client,
            viewer,
        }
    }

    /// Where the room's feed stands. Unknown until somebody has [established](Self::establish) it;
    /// until then no change goes out.
    pub fn head(&self) -> Option<Seq> {
        self.room.lock().sequencer.head()
    }

    /// Tells the room where the post's feed stood in the store at some moment after this joining.
    pub fn establish(&self, seq: Seq) {
        self.hub.update(&self.room, |state| {
            let ready = state.sequencer.establish(seq);
            self.room.send(state, ready);
        });
    }

    /// Turns into the changes of the room's feed from now on.
    pub fn changes(self) -> Changes {
        // With the state locked: nothing is sent between the two.
        let state = self.room.lock();
        let (receiver, head) = (self.room.changes(), state.sequencer.head());
        drop(state);
        Changes {
            membership: self,
            receiver,
            head,
        }
    }

    /// Turns into the counts of viewers: the exact one at once, then each that is published and
    /// differs from the one before.
    pub fn viewer_counts(self) -> impl Stream<Item = usize> + Send + 'static {
        // Listen first, then look: what changes in between is heard.
        let mut published = self.room.counts();
        let mut last = self.room.lock().presence.viewers();
        stream! {
            let _membership = self;
            yield last;
            while published.changed().await.is_ok() {
                let count = *published.borrow_and_update();
                if count != last {
                    last = count;
                    yield count;
                }
            }
        }
    }

    /// Turns into who starts and stops typing, those who type already first, leaving out `myself`.
    /// A member that is behind hears what holds, not all that happened.
    pub fn typing(
        self,
        myself: Option<UserId>,
    ) -> impl Stream<Item = TypingEvent> + Send + 'static {
        let mut published = self.room.typists();
        let now = Arc::clone(self.room.lock().typing.users());
        stream! {
            let _membership = self;
            let mut known = Typists::default();
            let mut current = now;
            loop {
                for event in differences(&known, &current, myself.as_ref()) {
                    yield event;
                }
                known = current;
                if published.changed().await.is_err() {
                    break;
                }
                current = Arc::clone(&published.borrow_and_update());
            }
        }
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.hub.update(&self.room, |state| {
            if state.presence.leave(&self.client, &self.viewer) {
                state.typing.left(&self.client);
            }
        });
    }
}

impl Changes {
    /// Whose changes these are to be.
    pub fn membership(&self) -> &Membership {
        &self.membership
    }

    /// Where the room's feed stood when these changes began: the first of them is the next one.
    /// `None` where the room was not established yet.
    pub fn head(&self) -> Option<Seq> {
        self.head
    }

    /// Waits for what comes next; `None` where the room is no more. Cancelling loses nothing.
    pub async fn next(&mut self) -> Option<Next> {
        match self.receiver.recv().await {
            Ok(Live::Change(change)) => Some(Next::Change(change)),
            Ok(Live::Missed) | Err(RecvError::Lagged(_)) => Some(Next::Missed),
            Err(RecvError::Closed) => None,
        }
    }
}

/// What leads from one list of typing users to another: first who stopped, then who started.
fn differences(before: &Typists, after: &Typists, myself: Option<&UserId>) -> Vec<TypingEvent> {
    let missing = |from: &Typists, to: &Typists, is_typing: bool| {
        from.iter()
            .filter(|user| Some(&user.id) != myself)
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
