//! Three nodes, their database and their NATS servers.

use std::time::Duration;

use causerie::{
    auth::{Authenticator, Principal},
    config::Secret,
    model::{Role, Timestamp, User, UserId},
};
use serde_json::{Value, json};
use testkit::{
    nats::Nats,
    node::{Node, causerie},
    postgres::Postgres,
    proxy::{Network, Proxy},
    wait::wait_until,
};
use tokio::sync::{Mutex, MutexGuard};

/// The number of nodes.
pub(crate) const NODES: usize = 3;

/// The number of NATS servers.
const NATS_SERVERS: usize = 3;

/// The secret that tokens are signed with.
pub(crate) const SECRET: &str = "a secret that only the tests know of";

/// A lock on the machine. A cluster uses all of it, so only one runs at a time.
static MACHINE: Mutex<()> = Mutex::const_new(());

/// The programs of a cluster. They end with it.
pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Node>,
    pub(crate) nats: Nats,
    pub(crate) postgres: Postgres,
    /// The proxies between the first node and each NATS server.
    links: Vec<Proxy>,
    _machine: MutexGuard<'static, ()>,
}

impl Cluster {
    /// Waits until the machine is free, and starts all programs.
    pub(crate) async fn start() -> Self {
        Self::start_with(Vec::new()).await
    }

    /// Starts all programs with additional settings of the nodes.
    pub(crate) async fn start_with(settings: Vec<(String, String)>) -> Self {
        let machine = MACHINE.lock().await;
        let postgres = Postgres::start("");
        let nats = Nats::start_cluster(NATS_SERVERS);
        let mut links = Vec::new();
        for address in nats.addresses() {
            links.push(Proxy::to(address).await);
        }
        let mut cluster = Self {
            nodes: Vec::new(),
            nats,
            postgres,
            links,
            _machine: machine,
        };
        for number in 0..NODES {
            let mut all = cluster.settings(number);
            all.extend(settings.iter().cloned());
            let mut serve = causerie(env!("CARGO_BIN_EXE_causerie"), &["serve"]);
            serve.envs(all);
            cluster.nodes.push(Node::start(serve).await);
        }
        for node in &cluster.nodes {
            wait_until("the node is ready", async || node.is_ready().await).await;
        }
        cluster
    }

    /// Starts an ended node again, and waits until it is ready.
    pub(crate) async fn restart(&mut self, number: usize) {
        let node = &mut self.nodes[number];
        node.start_again().await;
        wait_until("the node is ready", async || node.is_ready().await).await;
    }

    /// Sets the state of the network between the first node and all NATS servers.
    pub(crate) fn set_network(&self, network: Network) {
        for link in &self.links {
            link.set(network);
        }
    }

    /// Creates a post and returns the cursor of its beginning.
    pub(crate) async fn open_post(&self, id: &str) -> Value {
        let query = "mutation($id: ID!) {
            createPost(input: { id: $id, title: \"A post\" }) { post { cursor } }
        }";
        let author = token("author", Role::Author);
        let client = self.nodes[0].client().with_token(&author);
        client.send(query, json!({"id": id})).await["createPost"]["post"]["cursor"].take()
    }

    /// Returns a node's settings. Only the first node reaches NATS through proxies.
    fn settings(&self, number: usize) -> Vec<(String, String)> {
        let servers = match number {
            0 => self.links.iter().map(Proxy::address).collect(),
            _ => self.nats.addresses(),
        };
        let servers: Vec<String> = servers
            .iter()
            .map(|address| format!("nats://{address}"))
            .collect();
        [
            ("DATABASE_URL", self.postgres.url("postgres")),
            ("BACKPLANE_URL", servers.join(",")),
            ("JWT_SECRET", SECRET.to_owned()),
            ("RATE_LIMITS", "off".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }
}

/// Returns a token that every node accepts, valid for an hour.
pub(crate) fn token(user: &str, role: Role) -> String {
    let identity = Principal {
        user: User {
            id: UserId::parse(user).expect("a user id"),
            name: user.into(),
            avatar: None,
            role,
        },
        issued_at: None,
        expires_at: Timestamp::now().plus(Duration::from_secs(3600)),
    };
    Authenticator::with_secret(&Secret::new(SECRET))
        .sign(&identity)
        .expect("a token")
}
