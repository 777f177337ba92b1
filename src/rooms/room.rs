//! One post's room on this node: its state behind one lock, and the channels that are
//! listened on.

use std::{sync::Arc, time::Instant};

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{broadcast, watch};

use super::{
    conflate::{Conflated, Verdict},
    presence::Presence,
    sequencer::Sequencer,
    typing::{Typing, Typists},
};
use crate::model::{Change, PostId, Seq};

/// What a room tells those who follow its feed.
#[derive(Clone, Debug)]
pub(super) enum Live {
    /// The next change.
    Change(Arc<Change>),
    /// Changes up to this place that this node was not told of: read them from the store.
    Missed(Seq),
}

/// Tells rooms apart. A post's room that came again after its last member left is another room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RoomId(pub(super) u64);

/// A value that holds in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published<T> {
    /// How many values were published up to this one, or, for a value that was looked up, before it.
    pub version: i64,
    /// The value.
    pub value: T,
}

impl<T> Published<T> {
    fn first(value: T) -> Self {
        Self { version: 0, value }
    }
}

/// The live side of one post.
///
/// Everything is sent with the state locked, so that members hear of things in the order in which
/// they happened. No lock is ever held while waiting for anything: sending here never waits.
#[derive(Debug)]
pub(super) struct Room {
    id: RoomId,
    post: PostId,
    state: Mutex<State>,
    /// A ring that all who listen read at their own pace. It keeps the newest changes; a listener
    /// that was overtaken finds those in between missing, and has them read from the store. So none
    /// has a queue of its own, and a slow one costs the others nothing.
    feed: broadcast::Sender<Live>,
    counts: watch::Sender<Published<usize>>,
    typists: watch::Sender<Published<Typists>>,
}

/// What the lock guards.
#[derive(Debug)]
pub(super) struct State {
    pub(super) presence: Presence,
    pub(super) typing: Typing,
    pub(super) sequencer: Sequencer,
    /// The hub has dropped the room; whoever holds it must ask the hub for the new one.
    pub(super) is_evicted: bool,
    /// When the timers will look at the room again.
    pub(super) wake_at: Option<Instant>,
    count: Conflated<usize>,
    typists: Conflated<Typists>,
}

impl Room {
    /// An empty room, whose feed keeps `buffer` changes for those who listen and are behind.
    pub(super) fn new(id: RoomId, post: PostId, buffer: usize) -> Self {
        Self {
            id,
            post,
            state: Mutex::new(State {
                presence: Presence::default(),
                typing: Typing::default(),
                sequencer: Sequencer::default(),
                is_evicted: false,
                wake_at: None,
                count: Conflated::new(0),
                typists: Conflated::new(Typists::default()),
            }),
            feed: broadcast::Sender::new(buffer),
            counts: watch::Sender::new(Published::first(0)),
            typists: watch::Sender::new(Published::first(Typists::default())),
        }
    }

    /// Which room of the post it is.
    pub(super) fn id(&self) -> RoomId {
        self.id
    }

    /// Whose room it is.
    pub(super) fn post(&self) -> &PostId {
        &self.post
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// What comes from now on.
    pub(super) fn changes(&self) -> broadcast::Receiver<Live> {
        self.feed.subscribe()
    }

    /// The counts of viewers that are published from now on.
    pub(super) fn counts(&self) -> watch::Receiver<Published<usize>> {
        self.counts.subscribe()
    }

    /// The lists of who is typing that are published from now on.
    pub(super) fn typists(&self) -> watch::Receiver<Published<Typists>> {
        self.typists.subscribe()
    }

    /// How many viewers there are now; those published behind its version are later.
    pub(super) fn count_now(&self) -> Published<usize> {
        let state = self.lock();
        Published {
            version: self.counts.borrow().version,
            value: state.presence.viewers(),
        }
    }

    /// Who is typing now; those published behind its version are later.
    pub(super) fn typists_now(&self) -> Published<Typists> {
        let state = self.lock();
        Published {
            version: self.typists.borrow().version,
            value: Arc::clone(state.typing.users()),
        }
    }

    /// Sends changes to everybody who follows the feed. `_state` is the proof of the lock.
    pub(super) fn send(&self, _state: &mut State, changes: Vec<Arc<Change>>) {
        for change in changes {
            // An error says that nobody follows the feed, which is none.
            let _ = self.feed.send(Live::Change(change));
        }
    }

    /// Tells everybody who follows the feed to read the store, where this room has missed changes
    /// up to `seq`; true where it has.
    pub(super) fn catch_up_to(&self, state: &mut State, seq: Seq) -> bool {
        let has_missed = state.sequencer.jump(seq);
        if has_missed {
            let _ = self.feed.send(Live::Missed(seq));
            let ready = state.sequencer.drain();
            self.send(state, ready);
        }
        has_missed
    }

    /// Publishes what has changed and may be published; returns when to look again.
    pub(super) fn settle(&self, state: &mut State, now: Instant) -> Option<Instant> {
        state.typing.expire(now);
        let viewers = state.presence.viewers();
        let count_due = match state.count.offer(&viewers, now) {
            Verdict::Publish => {
                publish(&self.counts, viewers);
                None
            }
            Verdict::Wait(until) => Some(until),
            Verdict::Unchanged => None,
        };
        let typists_due = match state.typists.offer(state.typing.users(), now) {
            Verdict::Publish => {
                publish(&self.typists, Arc::clone(state.typing.users()));
                None
            }
            Verdict::Wait(until) => Some(until),
            Verdict::Unchanged => None,
        };
        [count_due, typists_due, state.typing.next_expiry()]
            .into_iter()
            .flatten()
            .min()
    }
}

fn publish<T>(channel: &watch::Sender<Published<T>>, value: T) {
    channel.send_modify(|published| {
        published.version += 1;
        published.value = value;
    });
}

impl State {
    /// Whether nothing would be lost with the room.
    pub(super) fn is_empty(&self) -> bool {
        self.presence.members() == 0 && self.typing.is_empty()
    }
}
