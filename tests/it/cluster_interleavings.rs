//! Interleavings of joining, leaving and typing on several nodes that are cut off, killed, restarted and shut
//! down. Afterwards each node knows the readers of each post. The oracle is a set.

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
    time::Duration,
};

use causerie::{
    cluster::{
        ClusterNode,
        backplane::memory::{Delays, Link, Network},
    },
    model::{ClientId, PostId, Role, User, UserId},
    rooms::{Hub, Membership, Participant, RoomStats, SentAway},
    telemetry::Registry,
};
use proptest::prelude::*;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const NODES: usize = 3;
const POSTS: usize = 2;
/// The time within which the nodes agree, whatever happened before.
const AGREEMENT: Duration = Duration::from_secs(10);
/// Waits that end before, within and after the nodes' own intervals.
const WAITS: [u64; 8] = [1, 3, 5, 10, 40, 250, 2100, 9000];

#[derive(Clone, Debug)]
enum Step {
    /// A signed-in user or an anonymous client opens a post.
    Join {
        node: usize,
        post: usize,
        reader: usize,
    },
    /// A reader leaves.
    Leave(usize),
    /// A user types. The request may reach any node.
    Type {
        node: usize,
        post: usize,
        reader: usize,
    },
    /// A user stops typing. The request may reach any node.
    Stop {
        node: usize,
        post: usize,
        reader: usize,
    },
    /// A node is cut off in both directions.
    Cut(usize),
    /// The node is connected again.
    Heal(usize),
    /// A process is killed and replaced.
    Kill(usize),
    /// A process shuts down in order and is replaced.
    Restart(usize),
    /// Time passes.
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let place = || (0..NODES, 0..POSTS, 0..6_usize);
    let step = prop_oneof![
        8 => place().prop_map(|(node, post, reader)| Step::Join { node, post, reader }),
        7 => any::<usize>().prop_map(Step::Leave),
        2 => place().prop_map(|(node, post, reader)| Step::Type { node, post, reader }),
        1 => place().prop_map(|(node, post, reader)| Step::Stop { node, post, reader }),
        1 => (0..NODES).prop_map(Step::Cut),
        1 => (0..NODES).prop_map(Step::Heal),
        1 => (0..NODES).prop_map(Step::Kill),
        1 => (0..NODES).prop_map(Step::Restart),
        12 => prop::sample::select(WAITS.to_vec()).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 1..50)
}

/// Returns delays with which messages to rooms, to all and to one node overtake each other.
fn delays() -> impl Strategy<Value = Delays> {
    let delay = || prop::sample::select(vec![2, 30, 150]).prop_map(Duration::from_millis);
    (delay(), delay(), delay()).prop_map(|(all, node, room)| Delays { all, node, room })
}

struct Node {
    hub: Hub,
    link: Arc<Link>,
    leaving: CancellationToken,
    cluster: JoinHandle<()>,
    timers: JoinHandle<()>,
}

impl Node {
    fn start(network: &Network) -> Self {
        let (link, connection) = network.connect();
        let (hub, cluster) = ClusterNode::new(16, connection, &Registry::new());
        let leaving = CancellationToken::new();
        let timers = hub.clone();
        Self {
            hub,
            link,
            leaving: leaving.clone(),
            cluster: tokio::spawn(cluster.run(leaving)),
            timers: tokio::spawn(async move { timers.run().await }),
        }
    }

    fn kill(self) {
        self.link.kill();
        self.cluster.abort();
        self.timers.abort();
    }

    async fn leave(self) {
        self.leaving.cancel();
        self.cluster.await.expect("no panic");
        self.timers.abort();
    }
}

/// A reader's membership of a room.
struct Reader {
    node: usize,
    post: usize,
    /// The identity that counts once, however many tabs it has.
    reader: usize,
    membership: Membership,
}

struct World {
    network: Network,
    nodes: Vec<Node>,
    readers: Vec<Reader>,
}

impl World {
    fn new(delays: Delays) -> Self {
        let network = Network::with_delays(delays);
        let nodes = (0..NODES).map(|_| Node::start(&network)).collect();
        Self {
            network,
            nodes,
            readers: Vec::new(),
        }
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::Join { node, post, reader } => {
                let membership = self.nodes[node].hub.join(&post_id(post), &visitor(reader));
                self.readers.push(Reader {
                    node,
                    post,
                    reader,
                    membership,
                });
            }
            Step::Leave(which) => {
                if !self.readers.is_empty() {
                    self.readers.swap_remove(which % self.readers.len());
                }
            }
            Step::Type { node, post, reader } => {
                let hub = &self.nodes[node].hub;
                hub.start_typing(&post_id(post), &user(reader), Some(&client(reader)));
            }
            Step::Stop { node, post, reader } => {
                let hub = &self.nodes[node].hub;
                hub.stop_typing(&post_id(post), &user(reader), Some(&client(reader)));
            }
            Step::Cut(node) => self.nodes[node].link.cut(),
            Step::Heal(node) => self.nodes[node].link.heal(),
            Step::Kill(node) => self.replace(node).kill(),
            Step::Restart(node) => self.replace(node).leave().await,
            Step::Wait(millis) => tokio::time::sleep(Duration::from_millis(millis)).await,
        }
    }

    /// Replaces the node with a new one. Its readers are gone when it is.
    fn replace(&mut self, node: usize) -> Node {
        let another = Node::start(&self.network);
        self.readers.retain(|reader| reader.node != node);
        std::mem::replace(&mut self.nodes[node], another)
    }

    /// Asserts that all nodes report the viewers that the oracle has.
    async fn agree(&self) -> Result<(), TestCaseError> {
        for post in 0..POSTS {
            let there = self.readers.iter().filter(|reader| reader.post == post);
            let count = there
                .clone()
                .map(|reader| reader.reader)
                .collect::<HashSet<_>>()
                .len();
            for (number, node) in self.nodes.iter().enumerate() {
                let said = node.hub.viewers(&post_id(post)).await;
                prop_assert_eq!(said, count, "post {} on node {}", post, number);
            }
            for reader in there {
                let listener = reader.membership.listener();
                let told = listener.counts().current().value;
                prop_assert_eq!(told, count, "members on node {}", reader.node);
                let typists = listener.typists_now().value;
                prop_assert!(typists.is_empty(), "{:?} type for ever", typists);
            }
        }
        for (number, node) in self.nodes.iter().enumerate() {
            let here = self.readers.iter().filter(|reader| reader.node == number);
            let rooms: BTreeSet<_> = here.clone().map(|reader| reader.post).collect();
            let members: BTreeSet<_> = here.map(|reader| (reader.post, reader.reader)).collect();
            let expected = RoomStats {
                rooms: rooms.len(),
                members: members.len(),
            };
            prop_assert_eq!(node.hub.stats(), expected, "on node {}", number);
        }
        Ok(())
    }
}

/// Returns a visitor, signed in if `reader` is even.
fn visitor(reader: usize) -> Participant {
    Participant {
        client: client(reader),
        user: reader.is_multiple_of(2).then(|| user(reader)),
        sent_away: SentAway::default(),
    }
}

fn client(reader: usize) -> ClientId {
    ClientId::parse(&format!("tab{reader}")).expect("an id")
}

fn user(reader: usize) -> User {
    User {
        id: UserId::parse(&format!("user{reader}")).expect("an id"),
        name: "A user".into(),
        avatar: None,
        role: Role::Reader,
    }
}

fn post_id(post: usize) -> PostId {
    PostId::parse(&format!("post{post}")).expect("an id")
}

async fn run(delays: Delays, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let mut world = World::new(delays);
    for step in steps {
        world.take(step).await;
    }
    for node in &world.nodes {
        node.link.heal();
    }
    tokio::time::sleep(AGREEMENT).await;
    world.agree().await?;
    world.readers.clear();
    tokio::time::sleep(AGREEMENT).await;
    world.agree().await
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 256,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn nodes_agree_on_readers_after_any_interleaving(
        delays in delays(),
        steps in steps(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime");
        runtime.block_on(run(delays, steps))?;
    }
}
