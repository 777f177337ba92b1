//! One post's room on this node: its state behind one lock, and the channels that are
//! listened on.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{broadcast, watch};

use super::{
    conflate::{Conflated, Verdict},
    delta::{Announcer, Here},
    presence::{Presence, Told},
    resequencer::Sequencer,
    typing::{Typing, Typists},
    viewer_id::{RoomKey, ViewerId},
};
use crate::{
    cluster::{
        NodeId,
        wire::{Announcement, Version},
    },
    model::{Change, ClientId, PostId, Seq, User, UserId},
};

/// How long a change waits for an earlier one, which is under way in another task or from another
/// node, before the store is read.
const PATIENCE: Duration = Duration::from_millis(250);

/// What a room tells those who follow its feed.
#[derive(Clone, Debug)]
pub(crate) enum Live {
    /// The next change.
    Change(Arc<Change>),
    /// Changes up to this place that this node was not told of: read them from the store.
    Missed(Seq),
}

/// Tells rooms apart. A post's room that came again after its last member left is another room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RoomId(pub(crate) u64);

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

/// What follows from a change of a room's state.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Settled {
    /// When the room wants to be looked at again.
    pub(crate) wake_at: Option<Instant>,
    /// Other nodes are to be told of something now.
    pub(crate) has_news: bool,
    /// It is time to compare the room with the store.
    pub(crate) is_suspect: bool,
}

/// The live side of one post.
///
/// Everything is sent with the state locked, so that members hear of things in the order in which
/// they happened. No lock is ever held while waiting for anything: sending here never waits.
#[derive(Debug)]
pub(crate) struct Room {
    id: RoomId,
    key: RoomKey,
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
pub(crate) struct State {
    pub(crate) presence: Presence,
    pub(crate) sequencer: Sequencer,
    typing: Typing,
    /// What other nodes are told; `None` where there are none.
    announcer: Option<Announcer>,
    /// When the changes that are missing are read from the store.
    gap_until: Option<Instant>,
    /// When the room is to be compared with the store, besides the times at which all rooms are.
    compare_at: Option<Instant>,
    /// The hub has dropped the room; whoever holds it must ask the hub for the new one.
    pub(crate) is_evicted: bool,
    /// When the timers will look at the room again.
    pub(crate) wake_at: Option<Instant>,
    count: Conflated<usize>,
    typists: Conflated<Typists>,
}

impl Room {
    /// An empty room, whose feed keeps `buffer` changes for those who listen and are behind.
    pub(crate) fn new(id: RoomId, post: PostId, buffer: usize) -> Self {
        Self {
            id,
            key: RoomKey::of(&post),
            post,
            state: Mutex::new(State {
                presence: Presence::default(),
                sequencer: Sequencer::default(),
                typing: Typing::default(),
                announcer: None,
                gap_until: None,
                compare_at: None,
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

    /// As [`new`](Self::new), where there are other nodes. Until they know that this one listens,
    /// what they commit may go unheard: the room is compared with the store soon after.
    pub(crate) fn among_nodes(id: RoomId, post: PostId, buffer: usize, now: Instant) -> Self {
        let room = Self::new(id, post, buffer);
        {
            let mut state = room.lock();
            state.announcer = Some(Announcer::default());
            state.compare_at = Some(now + PATIENCE);
        }
        room
    }

    /// Which room of the post it is.
    pub(crate) fn id(&self) -> RoomId {
        self.id
    }

    /// How nodes name it to each other.
    pub(crate) fn key(&self) -> RoomKey {
        self.key
    }

    /// Whose room it is.
    pub(crate) fn post(&self) -> &PostId {
        &self.post
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// What comes from now on.
    pub(crate) fn changes(&self) -> broadcast::Receiver<Live> {
        self.feed.subscribe()
    }

    /// The counts of viewers that are published from now on.
    pub(crate) fn counts(&self) -> watch::Receiver<Published<usize>> {
        self.counts.subscribe()
    }

    /// The lists of who is typing that are published from now on.
    pub(crate) fn typists(&self) -> watch::Receiver<Published<Typists>> {
        self.typists.subscribe()
    }

    /// How many viewers there are now; those published behind its version are later.
    pub(crate) fn count_now(&self) -> Published<usize> {
        let state = self.lock();
        Published {
            version: self.counts.borrow().version,
            value: state.presence.viewers(),
        }
    }

    /// Who is typing now; those published behind its version are later.
    pub(crate) fn typists_now(&self) -> Published<Typists> {
        let state = self.lock();
        Published {
            version: self.typists.borrow().version,
            value: Arc::clone(state.typing.users()),
        }
    }

    /// Sends changes to everybody who follows the feed. `_state` is the proof of the lock.
    pub(crate) fn send(&self, _state: &mut State, changes: Vec<Arc<Change>>) {
        for change in changes {
            // An error says that nobody follows the feed, which is none.
            let _ = self.feed.send(Live::Change(change));
        }
    }

    /// Tells everybody who follows the feed to read the store, where this room has missed changes
    /// up to `seq`; true where it has.
    pub(crate) fn catch_up_to(&self, state: &mut State, seq: Seq) -> bool {
        let has_missed = state.sequencer.jump(seq);
        if has_missed {
            let _ = self.feed.send(Live::Missed(seq));
            let ready = state.sequencer.drain();
            self.send(state, ready);
        }
        has_missed
    }

    /// Publishes what has changed and may be published, and says what else is to be done.
    pub(crate) fn settle(&self, state: &mut State, now: Instant) -> Settled {
        state.expire_typing(now);
        self.close_gap(state, now);
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
        let is_suspect = state.compare_at.is_some_and(|at| at <= now);
        if is_suspect {
            state.compare_at = None;
        }
        let news_due = state.news_due(now);
        let has_news = news_due.is_some_and(|due| due <= now);
        let wake_at = [
            count_due,
            typists_due,
            state.typing.next_expiry(),
            state.gap_until,
            state.compare_at,
            news_due.filter(|_| !has_news),
        ];
        Settled {
            wake_at: wake_at.into_iter().flatten().min(),
            has_news,
            is_suspect,
        }
    }

    /// Has what is missing read from the store, where it has not come in time.
    fn close_gap(&self, state: &mut State, now: Instant) {
        state.gap_until = match (state.sequencer.gap(), state.gap_until) {
            (None, _) => None,
            (Some(_), None) => Some(now + PATIENCE),
            (Some(_), Some(until)) if now < until => Some(until),
            (Some(missing), Some(_)) => {
                self.catch_up_to(state, missing);
                state.sequencer.gap().map(|_| now + PATIENCE)
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

impl State {
    /// Whether nothing would be lost with the room.
    pub(crate) fn is_empty(&self) -> bool {
        self.presence.members() == 0 && !self.typing.is_anybody_here()
    }

    /// Counts a stream in.
    pub(crate) fn join(&mut self, client: &ClientId, viewer: ViewerId) {
        if self.presence.join(client, viewer)
            && let Some(announcer) = &mut self.announcer
        {
            announcer.joined(viewer);
        }
    }

    /// Counts a stream out. Names the users who typed in this client on other nodes: it has left,
    /// and those must be told.
    pub(crate) fn leave(&mut self, client: &ClientId, viewer: ViewerId) -> Vec<UserId> {
        let left = self.presence.leave(client, viewer);
        if left.is_viewer_gone
            && let Some(announcer) = &mut self.announcer
        {
            announcer.left(viewer);
        }
        if !left.is_client_gone {
            return Vec::new();
        }
        let is_news = self.typing.left(client);
        self.typing_news(is_news);
        let elsewhere = self.typing.elsewhere_in(client);
        for user in &elsewhere {
            self.typing.stop(user, Some(client));
        }
        elsewhere
    }

    /// Starts or refreshes a user's indicator.
    pub(crate) fn start_typing(&mut self, user: &User, client: Option<&ClientId>, now: Instant) {
        let is_news = self.typing.start(user, client, now);
        self.typing_news(is_news);
    }

    /// Ends a user's indicator in this client; true where it was on this node.
    pub(crate) fn stop_typing(&mut self, user: &UserId, client: Option<&ClientId>) -> bool {
        let was_here = self.typing.stop(user, client);
        self.typing_news(was_here);
        was_here
    }

    /// Ends the indicators of one who has posted.
    pub(crate) fn posted(&mut self, user: &UserId) {
        let is_news = self.typing.posted(user);
        self.typing_news(is_news);
    }

    /// Takes in what another node announces.
    pub(crate) fn hear(&mut self, node: NodeId, told: &Announcement, now: Instant) -> Told {
        let taken = self.presence.hear(node, told);
        if let (Told::New, Some(typists)) = (taken, &told.typists) {
            self.typing.hear(node, typists, now);
        }
        taken
    }

    /// Forgets what another node has announced.
    pub(crate) fn forget(&mut self, node: NodeId) {
        self.presence.forget(node);
        self.typing.forget(node);
    }

    /// The last announcement that was made of this room.
    pub(crate) fn announced(&self) -> Option<Version> {
        self.announcer.as_ref()?.version()
    }

    /// What is to be announced now; `next` numbers announcements.
    pub(crate) fn announce(
        &mut self,
        now: Instant,
        next: impl FnMut() -> Version,
    ) -> Vec<Announcement> {
        let here = Here {
            presence: &self.presence,
            typing: &self.typing,
        };
        match &mut self.announcer {
            None => Vec::new(),
            Some(announcer) if self.is_evicted => announcer.last(next).into_iter().collect(),
            Some(announcer) => announcer.take(here, now, next),
        }
    }

    /// All that was announced, for a node that asks.
    pub(crate) fn snapshot(&mut self) -> Option<Announcement> {
        let here = Here {
            presence: &self.presence,
            typing: &self.typing,
        };
        self.announcer.as_mut()?.snapshot(here)
    }

    fn typing_news(&mut self, is_news: bool) {
        if let Some(announcer) = self.announcer.as_mut().filter(|_| is_news) {
            announcer.typing_changed();
        }
    }

    fn expire_typing(&mut self, now: Instant) {
        let is_news = self.typing.expire(now);
        self.typing_news(is_news);
    }

    fn news_due(&self, now: Instant) -> Option<Instant> {
        if self.is_evicted {
            // It has had its last word.
            return None;
        }
        let here = Here {
            presence: &self.presence,
            typing: &self.typing,
        };
        self.announcer.as_ref()?.due(here, now)
    }
}
