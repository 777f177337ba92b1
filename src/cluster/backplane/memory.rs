//! A backplane inside one process: for tests, simulations, and programs that run several servers.
//! Its network can be slow, more so for some subjects than for others, and can be cut.

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

use super::{Backplane, Connection, Incoming, Subject, Topology};

/// Maximum number of messages on their way to one node, per kind of subject. A further one is lost.
const MAX_IN_FLIGHT: usize = 65_536;
/// Maximum number of messages that wait to be read by a node.
const INCOMING: usize = 1024;

/// A network that connects nodes. Clones share it and are cheap.
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

/// Delivery times by kind of subject.
///
/// Messages to subjects of one kind keep their order. Those to another kind may overtake them, as
/// they may where each subscription is read by a task of its own.
#[derive(Clone, Copy, Debug)]
pub struct Delays {
    /// Delivery time to all nodes, and of connection status.
    pub all: Duration,
    /// Delivery time to one node.
    pub node: Duration,
    /// Delivery time to a room.
    pub room: Duration,
}

#[derive(Debug, Default)]
struct State {
    nodes: HashMap<u64, Node>,
    /// Number of nodes connected so far.
    connected: u64,
    traffic: Traffic,
}

#[derive(Debug)]
struct Node {
    subjects: HashSet<Subject>,
    is_cut: bool,
    /// Messages were lost, and `Missed` was not sent since.
    has_missed: bool,
    routes: Routes,
}

/// A node's routes, by kind of subject.
#[derive(Debug)]
struct Routes {
    all: Route,
    node: Route,
    room: Route,
}

#[derive(Debug)]
struct Route {
    delay: Duration,
    sender: mpsc::Sender<(Instant, Incoming)>,
}

/// Totals of what a network has carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Messages published by nodes.
    pub published: u64,
    /// Messages delivered, counted once per receiving node.
    pub messages: u64,
    /// Bytes of the messages delivered.
    pub bytes: u64,
}

/// A node's connection to the network.
#[derive(Debug)]
pub struct Link {
    number: u64,
    network: Weak<Shared>,
}

impl Network {
    /// Creates a network in which each message takes `delay`.
    pub fn new(delay: Duration) -> Self {
        Self::with_delays(Delays {
            all: delay,
            node: delay,
            room: delay,
        })
    }

    /// Creates a network in which messages to some kinds of subjects overtake others.
    pub fn with_delays(delays: Delays) -> Self {
        Self {
            shared: Arc::new(Shared {
                delays,
                state: Mutex::default(),
                tasks: TaskTracker::new(),
            }),
        }
    }

    /// Connects a node until the link is dropped or closed.
    pub fn connect(&self) -> (Arc<Link>, Connection) {
        let (sender, incoming) = mpsc::channel(INCOMING);
        let route = |delay| {
            let (route, mut in_flight) = mpsc::channel::<(Instant, Incoming)>(MAX_IN_FLIGHT);
            let node = sender.clone();
            self.shared.tasks.spawn(async move {
                while let Some((at, message)) = in_flight.recv().await {
                    tokio::time::sleep_until(at).await;
                    if node.send(message).await.is_err() {
                        return;
                    }
                }
            });
            Route {
                delay,
                sender: route,
            }
        };
        let Delays { all, node, room } = self.shared.delays;
        let routes = Routes {
            all: route(all),
            node: route(node),
            room: route(room),
        };
        let mut state = self.shared.state.lock();
        state.connected += 1;
        let number = state.connected;
        let node = Node {
            subjects: HashSet::new(),
            is_cut: false,
            has_missed: false,
            routes,
        };
        node.routes.all.send(Incoming::Connected);
        state.nodes.insert(number, node);
        drop(state);
        let link = Arc::new(Link {
            number,
            network: Arc::downgrade(&self.shared),
        });
        let connection = Connection {
            backplane: Arc::clone(&link) as Arc<dyn Backplane>,
            incoming,
            topology: Topology::Cluster,
        };
        (link, connection)
    }

    /// Returns the totals so far.
    pub fn traffic(&self) -> Traffic {
        self.shared.state.lock().traffic
    }
}

impl Routes {
    fn to(&self, subject: &Subject) -> &Route {
        match subject {
            Subject::All => &self.all,
            Subject::Node(_) => &self.node,
            Subject::Room(_) => &self.room,
        }
    }
}

impl Route {
    /// Sends `incoming` to the node. Returns false if it is lost because the route is full.
    fn send(&self, incoming: Incoming) -> bool {
        let at = Instant::now() + self.delay;
        self.sender.try_send((at, incoming)).is_ok()
    }
}

impl Link {
    /// Cuts the node off: messages to it and from it are lost. The node is notified.
    pub fn cut(&self) {
        self.with_node(|node| {
            node.is_cut = true;
            node.routes.all.send(Incoming::Disconnected);
        });
    }

    /// Reconnects the node. Messages published while it was cut off stay lost.
    pub fn heal(&self) {
        self.with_node(|node| {
            node.is_cut = false;
            node.routes.all.send(Incoming::Connected);
        });
    }

    /// Removes the node without notice, as if its process were killed.
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
        let receivers = nodes
            .iter_mut()
            .filter(|(number, _)| **number != self.number)
            .map(|(_, node)| node)
            .filter(|node| !node.is_cut && node.subjects.contains(subject));
        for node in receivers {
            let route = node.routes.to(subject);
            if node.has_missed {
                node.has_missed = !route.send(Incoming::Missed);
            }
            if route.send(Incoming::Message(message.clone())) {
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
