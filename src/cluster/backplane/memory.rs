//! A cluster inside one process: for tests, for the simulation, and for programs that run several
//! servers. Its network can be slow, more so for some subjects than for others, and be cut.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Weak},
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::{sync::mpsc, time::Instant};
use tokio_util::task::TaskTracker;

use super::{Backplane, Connection, Incoming, Reach, Subject};

/// How many messages are under way to one node. One more is missed.
const MAX_UNDER_WAY: usize = 65_536;
/// How many messages wait to be read by a node.
const INCOMING: usize = 1024;

/// What the nodes are connected to. Cloning it is cheap and gives the same.
#[derive(Clone, Debug)]
pub struct Network {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    delays: Delays,
    state: Mutex<State>,
    tasks: TaskTracker,
}

/// How long messages are under way. What goes to subjects of one kind keeps its order; what goes to
/// others may overtake it, as it may where each subscription is read by itself.
#[derive(Clone, Copy, Debug)]
pub struct Delays {
    /// To every node; also what a node is told of its connection.
    pub all: Duration,
    /// To one node.
    pub node: Duration,
    /// To a room.
    pub room: Duration,
}

#[derive(Debug, Default)]
struct State {
    nodes: HashMap<u64, Node>,
    made: u64,
    traffic: Traffic,
}

#[derive(Debug)]
struct Node {
    subjects: HashSet<Subject>,
    is_cut: bool,
    /// What was dropped on the way here since it was said.
    has_missed: bool,
    ways: Ways,
}

/// One for each kind of subject.
#[derive(Debug)]
struct Ways {
    all: Way,
    node: Way,
    room: Way,
}

#[derive(Debug)]
struct Way {
    delay: Duration,
    sender: mpsc::Sender<(Instant, Incoming)>,
}

/// What was carried so far, counted once for each node that it came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Messages that nodes have published.
    pub published: u64,
    /// Messages that have come to nodes.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// One node's way into the network.
#[derive(Debug)]
pub struct Link {
    number: u64,
    network: Weak<Shared>,
}

impl Network {
    /// A network without nodes. Each message takes `delay`.
    pub fn new(delay: Duration) -> Self {
        Self::uneven(Delays {
            all: delay,
            node: delay,
            room: delay,
        })
    }

    /// A network without nodes, in which messages to some subjects overtake others.
    pub fn uneven(delays: Delays) -> Self {
        Self {
            shared: Arc::new(Shared {
                delays,
                state: Mutex::default(),
                tasks: TaskTracker::new(),
            }),
        }
    }

    /// Connects another node; its connection ends when this link is dropped or closed.
    pub fn connect(&self) -> (Arc<Link>, Connection) {
        let (sender, incoming) = mpsc::channel(INCOMING);
        let way = |delay| {
            let (way, mut arriving) = mpsc::channel::<(Instant, Incoming)>(MAX_UNDER_WAY);
            let node = sender.clone();
            self.shared.tasks.spawn(async move {
                while let Some((at, message)) = arriving.recv().await {
                    tokio::time::sleep_until(at).await;
                    if node.send(message).await.is_err() {
                        return;
                    }
                }
            });
            Way { delay, sender: way }
        };
        let Delays { all, node, room } = self.shared.delays;
        let ways = Ways {
            all: way(all),
            node: way(node),
            room: way(room),
        };
        let mut state = self.shared.state.lock();
        state.made += 1;
        let number = state.made;
        let node = Node {
            subjects: HashSet::new(),
            is_cut: false,
            has_missed: false,
            ways,
        };
        node.ways.all.say(Incoming::Connected);
        state.nodes.insert(number, node);
        drop(state);
        let link = Arc::new(Link {
            number,
            network: Arc::downgrade(&self.shared),
        });
        let connection = Connection {
            backplane: Arc::clone(&link) as Arc<dyn Backplane>,
            incoming,
            reach: Reach::Nodes,
        };
        (link, connection)
    }

    /// What was carried so far.
    pub fn traffic(&self) -> Traffic {
        self.shared.state.lock().traffic
    }
}

impl Ways {
    fn to(&self, subject: &Subject) -> &Way {
        match subject {
            Subject::All => &self.all,
            Subject::Node(_) => &self.node,
            Subject::Room(_) => &self.room,
        }
    }
}

impl Way {
    /// Puts something on the way to the node; true where it fits.
    fn say(&self, incoming: Incoming) -> bool {
        let at = Instant::now() + self.delay;
        self.sender.try_send((at, incoming)).is_ok()
    }
}

impl Link {
    /// Cuts the node off: nothing comes to it and nothing from it. It notices.
    pub fn cut(&self) {
        self.with_node(|node| {
            node.is_cut = true;
            node.ways.all.say(Incoming::Disconnected);
        });
    }

    /// Connects the node again. What was published meanwhile is lost.
    pub fn heal(&self) {
        self.with_node(|node| {
            node.is_cut = false;
            node.ways.all.say(Incoming::Connected);
        });
    }

    /// Takes the node away without a word, as a process is killed.
    pub fn kill(&self) {
        if let Some(network) = self.network.upgrade() {
            network.state.lock().nodes.remove(&self.number);
        }
    }

    fn with_node(&self, change: impl FnOnce(&mut Node)) {
        if let Some(network) = self.network.upgrade()
            && let Some(node) = network.state.lock().nodes.get_mut(&self.number)
        {
            change(node);
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Backplane for Link {
    fn publish(&self, subject: &Subject, message: Bytes) {
        let Some(network) = self.network.upgrade() else {
            return;
        };
        let mut state = network.state.lock();
        let State { nodes, traffic, .. } = &mut *state;
        if nodes.get(&self.number).is_none_or(|node| node.is_cut) {
            return;
        }
        traffic.published += 1;
        let others = nodes
            .iter_mut()
            .filter(|(number, _)| **number != self.number)
            .map(|(_, node)| node)
            .filter(|node| !node.is_cut && node.subjects.contains(subject));
        for node in others {
            let way = node.ways.to(subject);
            if node.has_missed {
                node.has_missed = !way.say(Incoming::Missed);
            }
            if way.say(Incoming::Message(message.clone())) {
                traffic.messages += 1;
                traffic.bytes += message.len() as u64;
            } else {
                node.has_missed = true;
            }
        }
    }

    fn subscribe(&self, subject: &Subject) {
        self.with_node(|node| {
            node.subjects.insert(subject.clone());
        });
    }

    fn unsubscribe(&self, subject: &Subject) {
        self.with_node(|node| {
            node.subjects.remove(subject);
        });
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.kill();
        Box::pin(std::future::ready(()))
    }

    fn dropped(&self) -> u64 {
        0
    }
}
