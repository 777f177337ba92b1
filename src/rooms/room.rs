//! A post's room on this node: its state behind one lock, and the channels that listeners read.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{broadcast, watch};

use super::{
    conflate::Verdict, ending::RoomEnd, state::State, typing::Typists, viewer_id::RoomKey,
};
use crate::model::{Change, PostId, Seq};

/// Time for which a change waits for an earlier one, before the store is read. The earlier one may be
/// on its way in another task or from another node.
const GAP_TIMEOUT: Duration = Duration::from_millis(250);

/// An event of a room's feed.
#[derive(Clone, Debug)]
pub enum FeedEvent {
    /// A change. If its seq does not follow the last one, the changes in between must be read from
    /// the store.
    Change(Arc<Change>),
    /// This node has missed changes up to this seq. They must be read from the store.
    Missed(Seq),
}

/// The identity of a room. A later room of the same post has another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RoomId(pub(super) u64);

impl RoomId {
    /// Creates the id of the room with this number. A room that no hub has created needs a number of
    /// its own.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }
}

/// A value of a room, with its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published<T> {
    /// Number of values published up to this one. A value that was looked up in between has the
    /// version of the last published one.
    pub version: i64,
    /// The value.
    pub value: T,
}

impl<T> Published<T> {
    fn first(value: T) -> Self {
        Self { version: 0, value }
    }
}

/// Follow-up work after a change of a room's state.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FollowUp {
    /// Time at which the room must be settled again.
    pub(super) wake_at: Option<Instant>,
    /// Deltas are due.
    pub(super) has_deltas: bool,
    /// The room must be compared with the store.
    pub(super) needs_reconcile: bool,
}

/// The live side of one post.
///
/// Everything is sent with the state locked, so members receive events in the order in which they
/// happened. Sending never blocks, and no task awaits with the lock held.
#[derive(Debug)]
pub(crate) struct Room {
    id: RoomId,
    /// Cached, because it is a hash and each heartbeat needs it.
    key: RoomKey,
    post: PostId,
    state: Mutex<State>,
    /// A ring buffer of the newest changes, shared by all listeners. A listener that was overtaken
    /// reads what it missed from the store. So no listener has a queue of its own, and a slow one
    /// costs the others nothing.
    feed: broadcast::Sender<FeedEvent>,
    counts: watch::Sender<Published<usize>>,
    typists: watch::Sender<Published<Typists>>,
    /// The greatest known version of the post's details.
    details: watch::Sender<i64>,
    /// The greatest known version of the post's reactions.
    reactions: watch::Sender<Option<i64>>,
    /// The reason for which the room has ended, if it has.
    end: watch::Sender<Option<RoomEnd>>,
}

impl Room {
    /// Creates an empty room of a standalone node. Its ring keeps `buffer` changes for slow
    /// listeners.
    pub(super) fn new(id: RoomId, post: PostId, buffer: usize) -> Self {
        Self::with_state(id, post, buffer, State::new())
    }

    /// Creates an empty room that reports to other nodes.
    ///
    /// It is compared with the store soon: changes that others publish before they know of this room
    /// are not sent here.
    pub(super) fn with_peers(id: RoomId, post: PostId, buffer: usize, now: Instant) -> Self {
        Self::with_state(id, post, buffer, State::with_deltas(now + GAP_TIMEOUT))
    }

    fn with_state(id: RoomId, post: PostId, buffer: usize, state: State) -> Self {
        Self {
            id,
            key: RoomKey::of(&post),
            post,
            state: Mutex::new(state),
            feed: broadcast::Sender::new(buffer),
            counts: watch::Sender::new(Published::first(0)),
            typists: watch::Sender::new(Published::first(Typists::default())),
            details: watch::Sender::new(0),
            reactions: watch::Sender::new(None),
            end: watch::Sender::new(None),
        }
    }

    pub(crate) fn id(&self) -> RoomId {
        self.id
    }

    pub(crate) fn key(&self) -> RoomKey {
        self.key
    }

    pub(crate) fn post(&self) -> &PostId {
        &self.post
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    pub(super) fn changes(&self) -> broadcast::Receiver<FeedEvent> {
        self.feed.subscribe()
    }

    pub(super) fn counts(&self) -> watch::Receiver<Published<usize>> {
        self.counts.subscribe()
    }

    pub(super) fn typists(&self) -> watch::Receiver<Published<Typists>> {
        self.typists.subscribe()
    }

    pub(super) fn ended(&self) -> watch::Receiver<Option<RoomEnd>> {
        self.end.subscribe()
    }

    /// Tells the listeners that the room has ended.
    pub(super) fn end(&self, end: RoomEnd) {
        self.end.send_replace(Some(end));
    }

    pub(super) fn details(&self) -> watch::Receiver<i64> {
        self.details.subscribe()
    }

    /// Announces a version of the post's details. No-op if a later one is known.
    pub(super) fn announce_details(&self, version: i64) {
        self.details.send_if_modified(|known| {
            let is_new = version > *known;
            *known = version.max(*known);
            is_new
        });
    }

    pub(super) fn reactions(&self) -> watch::Receiver<Option<i64>> {
        self.reactions.subscribe()
    }

    /// Announces a version of the post's reactions. No-op if a later one is known.
    pub(super) fn announce_reactions(&self, version: i64) {
        self.reactions.send_if_modified(|known| {
            let is_new = known.is_none_or(|known| version > known);
            if is_new {
                *known = Some(version);
            }
            is_new
        });
    }

    /// Returns the current number of viewers. Values published later have a greater version.
    pub(super) fn count_now(&self) -> Published<usize> {
        let state = self.lock();
        Published {
            version: self.counts.borrow().version,
            value: state.local.presence.viewers(),
        }
    }

    /// Returns the users who are typing now. Values published later have a greater version.
    pub(super) fn typists_now(&self) -> Published<Typists> {
        let state = self.lock();
        Published {
            version: self.typists.borrow().version,
            value: Arc::clone(state.local.typing.users()),
        }
    }

    /// Sends changes to the feed's listeners. `_state` proves that the room is locked.
    pub(super) fn send(&self, _state: &mut State, changes: Vec<Arc<Change>>) {
        for change in changes {
            // The error means that there is no listener.
            let _ = self.feed.send(FeedEvent::Change(change));
        }
    }

    /// Makes the feed's listeners read the store up to `seq`, if this room has missed changes.
    /// Returns true if it has.
    pub(super) fn catch_up_to(&self, state: &mut State, seq: Seq) -> bool {
        let has_missed = state.resequencer.jump(seq);
        if has_missed {
            let _ = self.feed.send(FeedEvent::Missed(seq));
            let ready = state.resequencer.drain();
            self.send(state, ready);
        }
        has_missed
    }

    /// Publishes the values that have changed and are due, and returns the work that is left.
    pub(super) fn settle(&self, state: &mut State, now: Instant) -> FollowUp {
        state.expire_grace(now);
        state.change_typing(|typing| typing.expire(now));
        self.close_gap(state, now);
        let viewers = state.local.presence.viewers();
        let count_due = match state.count.offer(&viewers, now) {
            Verdict::Publish => {
                publish(&self.counts, viewers);
                None
            }
            Verdict::Wait(until) => Some(until),
            Verdict::Unchanged => None,
        };
        let typists = state.local.typing.users();
        let typists_due = match state.typists.offer(typists, now) {
            Verdict::Publish => {
                publish(&self.typists, Arc::clone(typists));
                None
            }
            Verdict::Wait(until) => Some(until),
            Verdict::Unchanged => None,
        };
        let needs_reconcile = state.reconcile_at.is_some_and(|at| at <= now);
        if needs_reconcile {
            state.reconcile_at = None;
        }
        let deltas_due = state.deltas_due(now);
        let has_deltas = deltas_due.is_some_and(|due| due <= now);
        let wake_at = [
            count_due,
            typists_due,
            state.local.presence.next_expiry(),
            state.local.typing.next_expiry(),
            state.gap_deadline,
            state.reconcile_at,
            deltas_due.filter(|_| !has_deltas),
        ];
        FollowUp {
            wake_at: wake_at.into_iter().flatten().min(),
            has_deltas,
            needs_reconcile,
        }
    }

    /// Skips a gap that was not filled within [`GAP_TIMEOUT`], and has it read from the store.
    fn close_gap(&self, state: &mut State, now: Instant) {
        state.gap_deadline = match (state.resequencer.gap(), state.gap_deadline) {
            (None, _) => None,
            (Some(_), None) => Some(now + GAP_TIMEOUT),
            (Some(_), Some(deadline)) if now < deadline => Some(deadline),
            (Some(missing), Some(_)) => {
                self.catch_up_to(state, missing);
                state.resequencer.gap().map(|_| now + GAP_TIMEOUT)
            }
        };
    }
}

fn publish<T>(channel: &watch::Sender<Published<T>>, value: T) {
    channel.send_modify(|published| {
        published.version += 1;
        published.value = value;
    });
}
