//! One node among many: tells the others what goes on in the rooms here, and takes in what they tell.
//!
//! Everything here may be lost on its way and is made up for. Changes are in the store. Who reads
//! and types is announced with a version, and each node's [`Beat`] lists the versions of
//! all its rooms: who has another one asks.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::{
    sync::{broadcast, mpsc},
    time::MissedTickBehavior,
};
use tokio_util::sync::CancellationToken;

use super::{
    backplane::{Backplane, Connection, Incoming, Reach, Subject},
    outbound::{Parcel, Queue},
    peers::{BEAT, NodeId, Nonce, Peers, SILENCE, Standing},
    wire::{Announcement, Beat, Event, Message, Name, RoomVersions, Version, Word},
};
use crate::{
    metrics::{BackplaneMetrics, Metrics},
    model::{Change, PostId, Seq, UserId},
    rooms::{Hub, hub::Abroad, presence::Told, room::Room, timers::now, viewer_id::RoomKey},
};

/// How many rooms one message lists: of 16 bytes each, 22 in base64.
const ROOMS_A_BEAT: usize = 16_384;
/// How far ahead of a room another node's change may be to be believed.
const MAX_AHEAD: i64 = 1000;
/// How many posts one message names.
const POSTS_A_MESSAGE: usize = 256;
/// How long a room's messages still come after its last member has left: most come back soon.
const LINGER: Duration = Duration::from_secs(30);
/// How many rooms linger. The next one ends the one that has for longest.
const MAX_LINGERING: usize = 4096;
/// How often it is looked whether a node has died, and whether messages were missed.
const LOOK: Duration = Duration::from_millis(500);
/// How many words about users wait for who listens to them; one who is behind looks at all.
const USERS: usize = 256;

/// The task that speaks with the other nodes.
#[derive(Debug)]
pub struct Cluster {
    hub: Hub,
    me: NodeId,
    backplane: Arc<dyn Backplane>,
    incoming: mpsc::Receiver<Incoming>,
    reach: Reach,
    peers: Peers,
    /// The announcement that was made last, of whichever room.
    version: Version,
    /// The posts whose messages come, and since when nobody is in their rooms.
    interest: HashMap<PostId, Option<Instant>>,
    /// Those in whose rooms nobody is, and some that came again, in the order of these instants.
    lingering: VecDeque<(Instant, PostId)>,
    users: broadcast::Sender<UserId>,
    /// Messages were lost, which is yet to be made up for.
    has_missed: bool,
    view: Arc<View>,
    metrics: BackplaneMetrics,
}

/// Looks at a node's connection to the others.
#[derive(Clone, Debug)]
pub struct ClusterObserver {
    reach: Reach,
    view: Arc<View>,
}

#[derive(Debug, Default)]
struct View {
    is_connected: AtomicBool,
    nodes: AtomicUsize,
}

/// How a node stands with the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// It is the only one.
    Alone,
    /// It hears them.
    Up,
    /// It does not, for now. Its own readers are served as before.
    Down,
}

impl ClusterObserver {
    /// How the node stands with the others.
    pub fn link(&self) -> Link {
        match self.reach {
            Reach::Nobody => Link::Alone,
            Reach::Nodes if self.view.is_connected.load(Ordering::Relaxed) => Link::Up,
            Reach::Nodes => Link::Down,
        }
    }

    /// How many other nodes are known to be alive.
    pub fn nodes(&self) -> usize {
        self.view.nodes.load(Ordering::Relaxed)
    }
}

impl Cluster {
    /// The rooms of a node that has this connection, and what speaks for them. Each room keeps
    /// `buffer` changes for those who listen and are behind.
    pub fn new(buffer: usize, connection: Connection, metrics: &Metrics) -> (Hub, Self) {
        let Connection {
            backplane,
            incoming,
            reach,
        } = connection;
        let hub = match reach {
            Reach::Nobody => Hub::measured(buffer, metrics.rooms.clone()),
            Reach::Nodes => Hub::among_nodes(buffer, metrics.rooms.clone()),
        };
        let cluster = Self {
            hub: hub.clone(),
            me: NodeId::new(),
            backplane,
            incoming,
            reach,
            peers: Peers::new(now()),
            version: Version::default(),
            interest: HashMap::new(),
            lingering: VecDeque::new(),
            users: broadcast::Sender::new(USERS),
            has_missed: false,
            view: Arc::default(),
            metrics: metrics.backplane.clone(),
        };
        let is_alone = reach == Reach::Nobody;
        cluster.metrics.connected.set(f64::from(u8::from(is_alone)));
        (hub, cluster)
    }

    /// Looks at the connection while this runs.
    pub fn observer(&self) -> ClusterObserver {
        ClusterObserver {
            reach: self.reach,
            view: Arc::clone(&self.view),
        }
    }

    /// The users of whom other nodes say that something about their standing has changed.
    pub fn users_changed(&self) -> broadcast::Receiver<UserId> {
        self.users.subscribe()
    }

    /// Speaks with the other nodes until `leaving`; then says goodbye to them, so that they count the
    /// readers of this node no more, and ends the connection.
    pub async fn run(mut self, leaving: CancellationToken) {
        let hub = self.hub.clone();
        let Some(abroad) = hub.abroad() else {
            leaving.cancelled().await;
            return;
        };
        self.backplane.subscribe(&Subject::All);
        self.backplane.subscribe(&Subject::Node(self.me));
        let mut beats = tokio::time::interval(BEAT);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = leaving.cancelled() => break,
                Some(incoming) = self.incoming.recv() => self.take_in(abroad, incoming),
                () = abroad.outgoing.ready() => self.send_all(abroad),
                _ = beats.tick() => self.beat(&Subject::All, None),
                _ = looks.tick() => self.look(abroad),
            }
        }
        self.send_all(abroad);
        self.say(&Subject::All, Word::Leave);
        self.backplane.close().await;
    }

    /// Sends what waits.
    fn send_all(&mut self, abroad: &Abroad) {
        let Queue { parcels, rooms } = abroad.outgoing.take();
        for room in rooms.values() {
            self.announce(room);
        }
        let mut asked = Vec::new();
        for parcel in parcels {
            match parcel {
                Parcel::Change(change) => {
                    let word = Word::Change(Arc::new(Event::from(&*change)));
                    self.say(&Subject::Room(change.comment.post_id.clone()), word);
                }
                Parcel::StoppedTyping { post, user, client } => {
                    let word = Word::StoppedTyping {
                        post: Name(post.clone()),
                        user: Name(user),
                        client: client.map(Name),
                    };
                    self.say(&Subject::Room(post), word);
                }
                Parcel::UserChanged(user) => {
                    self.say(&Subject::All, Word::UserChanged { user: Name(user) });
                }
                Parcel::HowMany(post) => asked.push(post),
            }
        }
        // Whoever cannot be asked is not waited for.
        let is_heard = self.is_connected();
        for post in &asked {
            abroad
                .surveys
                .sent(post, self.peers.known().filter(|_| is_heard));
        }
        if self.peers.count() > 0 {
            self.name_posts(&Subject::All, asked, |posts| Word::HowMany { posts });
        }
    }

    /// Announces what is new in a room; opens it to the others where it is new itself.
    fn announce(&mut self, room: &Arc<Room>) {
        let subject = Subject::Room(room.post().clone());
        let mut version = self.version;
        let mut next = || {
            version = Version(version.0 + 1);
            version
        };
        let (is_over, is_new, announcements) = self.hub.update(room, |state| {
            let is_new = state.announced().is_none();
            (state.is_evicted, is_new, state.announce(now(), &mut next))
        });
        self.version = version;
        if is_over {
            self.linger(room.post());
        } else if is_new {
            self.interest.insert(room.post().clone(), None);
            self.backplane.subscribe(&subject);
            let posts = vec![Name(room.post().clone())];
            self.say(&subject, Word::Ask { posts });
        }
        for announcement in announcements {
            self.say_presence(&subject, room.post(), announcement);
        }
    }

    /// Takes in what has come.
    fn take_in(&mut self, abroad: &Abroad, incoming: Incoming) {
        match incoming {
            Incoming::Message(bytes) => {
                self.metrics.received.increment(1);
                match Message::decode(&bytes) {
                    Ok(message) => self.hear(abroad, message),
                    Err(error) => tracing::debug!(%error, "another node's message is left alone"),
                }
            }
            Incoming::Disconnected => self.connected(false),
            Incoming::Connected => {
                self.connected(true);
                self.beat(&Subject::All, None);
                self.make_up();
            }
            // It is said of each message that is lost, and making up for it brings more of them.
            Incoming::Missed => self.has_missed = true,
        }
    }

    fn is_connected(&self) -> bool {
        self.view.is_connected.load(Ordering::Relaxed)
    }

    fn connected(&self, is_connected: bool) {
        self.view
            .is_connected
            .store(is_connected, Ordering::Relaxed);
        self.metrics
            .connected
            .set(f64::from(u8::from(is_connected)));
    }

    /// Messages were lost: the store has the changes, and the other nodes say where they are.
    fn make_up(&mut self) {
        self.has_missed = false;
        let rooms = self.hub.rooms();
        self.hub
            .suspect(rooms.iter().map(|room| room.post().clone()));
        let nonce = self.peers.call_all(now());
        self.say(&Subject::All, Word::Call { nonce });
    }

    fn hear(&mut self, abroad: &Abroad, Message { from, word }: Message) {
        if from == self.me {
            return;
        }
        if let Word::Beat(beat) = &word
            && let Some(nonce) = beat.nonce
            && self.peers.answer(from, nonce, now())
        {
            self.count_nodes();
        }
        if let Word::Leave = word {
            if self.peers.leave(from) {
                self.forget(from);
            }
            return;
        }
        let standing = self.peers.hear(from, now());
        if let Standing::Call(nonce) = standing {
            self.say(&Subject::Node(from), Word::Call { nonce });
        }
        let is_known = standing == Standing::Known;
        match word {
            // What is in the store, or asks for something, is the same from whoever it comes.
            Word::Change(event) => self.take_change(Change::from(&*event)),
            Word::Call { nonce } => self.beat(&Subject::Node(from), Some(nonce)),
            Word::Ask { posts } => self.tell_all(from, posts),
            Word::HowMany { posts } => self.count(from, posts),
            Word::UserChanged { user } => {
                // An error says that nobody listens.
                let _ = self.users.send(user.0);
            }
            Word::StoppedTyping { post, user, client } => {
                let client = client.map(|name| name.0);
                self.hub.end_typing(&post.0, &user.0, client.as_ref());
            }
            // What a node says of itself holds only for as long as it lives.
            Word::Presence { post, announcement } if is_known => {
                self.take_presence(from, post.0, &announcement);
            }
            Word::Beat(beat) if is_known => self.compare(from, &beat),
            Word::SoMany { counts } if is_known => {
                for (post, count) in counts {
                    let count = count.map(|count| count as usize);
                    abroad.surveys.answer(&post.0, from, count);
                }
            }
            Word::Presence { .. } | Word::Beat(_) | Word::SoMany { .. } | Word::Leave => {}
        }
    }

    /// A change is a hint: one that is so far ahead that it may be wrong has the store asked.
    fn take_change(&self, change: Change) {
        let post = &change.comment.post_id;
        let is_far = |head: Seq| change.seq.0.saturating_sub(head.0) > MAX_AHEAD;
        if self.hub.head(post).is_some_and(is_far) {
            self.hub.suspect([post.clone()]);
        } else if change.seq > Seq(0) {
            self.hub.deliver(Arc::new(change));
        }
    }

    fn take_presence(&mut self, from: NodeId, post: PostId, announcement: &Announcement) {
        let Some(room) = self.hub.find(&post) else {
            return;
        };
        let told = self
            .hub
            .update(&room, |state| state.hear(from, announcement, now()));
        if told == Told::Missed {
            let posts = vec![Name(post)];
            self.say(&Subject::Node(from), Word::Ask { posts });
        }
    }

    /// Compares what this node knows of another with the list of all that there is to know.
    fn compare(&mut self, from: NodeId, beat: &Beat) {
        let listed: HashMap<RoomKey, Version> = beat.rooms.0.iter().copied().collect();
        let mut missing = Vec::new();
        for room in self.hub.rooms() {
            if room.key() < beat.first || room.key() > beat.last {
                continue;
            }
            let known = room.lock().presence.version_of(from);
            match (listed.get(&room.key()), known) {
                (Some(version), known) if known.is_none_or(|known| known < *version) => {
                    missing.push(room.post().clone());
                }
                // It has left the room, and its saying so was lost.
                (None, Some(known)) if known <= beat.version => {
                    self.hub.update(&room, |state| state.forget(from));
                }
                _ => {}
            }
        }
        self.name_posts(&Subject::Node(from), missing, |posts| Word::Ask { posts });
    }

    /// Tells a node that asks who reads and types in these rooms here.
    fn tell_all(&mut self, to: NodeId, posts: Vec<Name<PostId>>) {
        for Name(post) in posts {
            if let Some(room) = self.hub.find(&post)
                && let Some(announcement) = self.hub.update(&room, |state| state.snapshot())
            {
                self.say_presence(&Subject::Node(to), &post, announcement);
            }
        }
    }

    fn count(&mut self, to: NodeId, posts: Vec<Name<PostId>>) {
        let counts = posts
            .into_iter()
            .map(|post| {
                let count = self.hub.viewers_known(&post.0);
                let count = count.map(|count| u32::try_from(count).unwrap_or(u32::MAX));
                (post, count)
            })
            .collect();
        self.say(&Subject::Node(to), Word::SoMany { counts });
    }

    /// Says that this node is alive, and which rooms it is in.
    fn beat(&mut self, to: &Subject, nonce: Option<Nonce>) {
        let mut rooms: Vec<(RoomKey, Version)> = self
            .hub
            .rooms()
            .into_iter()
            .filter_map(|room| Some((room.key(), room.lock().announced()?)))
            .collect();
        rooms.sort_unstable();
        let mut first = RoomKey(0);
        loop {
            let rest = rooms.split_off(rooms.len().min(ROOMS_A_BEAT));
            // The last part goes to the end of all keys, and each other to before the next.
            let last = match rest.first() {
                Some(&(next, _)) => RoomKey(next.0 - 1),
                None => RoomKey(u64::MAX),
            };
            let beat = Beat {
                nonce,
                version: self.version,
                first,
                last,
                rooms: RoomVersions(rooms),
            };
            self.say(to, Word::Beat(beat));
            if rest.is_empty() {
                return;
            }
            first = RoomKey(last.0 + 1);
            rooms = rest;
        }
    }

    /// Forgets who is silent, makes up for what was missed, and ends what lingers.
    fn look(&mut self, abroad: &Abroad) {
        if self.has_missed {
            tracing::warn!("messages of other nodes came faster than they were read");
            self.make_up();
        }
        for node in self.peers.expire(now()) {
            tracing::warn!(%node, silence = ?SILENCE, "a node says nothing any more");
            self.forget(node);
        }
        abroad.surveys.sweep(now());
        let dropped = abroad.outgoing.dropped() + self.backplane.dropped();
        self.metrics.dropped.absolute(dropped);
        while let Some((since, _)) = self.lingering.front()
            && *since + LINGER <= now()
        {
            self.end_lingering();
        }
    }

    /// Nobody is in the post's room any more.
    fn linger(&mut self, post: &PostId) {
        if self.hub.find(post).is_some() {
            // It came again meanwhile.
            return;
        }
        if let Some(since) = self.interest.get_mut(post) {
            let now = now();
            *since = Some(now);
            self.lingering.push_back((now, post.clone()));
        }
        if self.lingering.len() > MAX_LINGERING {
            self.end_lingering();
        }
    }

    /// Ends what lingers for longest, where it still does.
    fn end_lingering(&mut self) {
        if let Some((since, post)) = self.lingering.pop_front()
            && self.interest.get(&post) == Some(&Some(since))
        {
            self.interest.remove(&post);
            self.backplane.unsubscribe(&Subject::Room(post));
        }
    }

    fn forget(&mut self, node: NodeId) {
        for room in self.hub.rooms() {
            self.hub.update(&room, |state| state.forget(node));
        }
        self.count_nodes();
    }

    fn count_nodes(&self) {
        let count = self.peers.count();
        self.view.nodes.store(count, Ordering::Relaxed);
        self.metrics
            .nodes
            .set(f64::from(u32::try_from(count).unwrap_or(u32::MAX)));
    }

    fn name_posts(
        &self,
        to: &Subject,
        posts: Vec<PostId>,
        word: impl Fn(Vec<Name<PostId>>) -> Word,
    ) {
        let mut posts = posts.into_iter().map(Name).peekable();
        while posts.peek().is_some() {
            self.say(to, word(posts.by_ref().take(POSTS_A_MESSAGE).collect()));
        }
    }

    fn say_presence(&self, to: &Subject, post: &PostId, announcement: Announcement) {
        let post = Name(post.clone());
        self.say(to, Word::Presence { post, announcement });
    }

    /// Says something, where anybody can hear it. What could not be said is made up for when there
    /// is a connection again.
    fn say(&self, to: &Subject, word: Word) {
        if !self.is_connected() {
            return;
        }
        let message = Message {
            from: self.me,
            word,
        };
        match message.encode() {
            Ok(bytes) => {
                self.metrics.published.increment(1);
                self.backplane.publish(to, Bytes::from(bytes));
            }
            Err(error) => tracing::error!(%error, "a message to the other nodes has no form"),
        }
    }
}
