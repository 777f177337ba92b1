//! A node of the cluster, and the questions that tests ask it.

use std::{net::SocketAddr, time::Duration};

use serde_json::{Value, json};
use testkit::{Signal, http_client::Client, node::causerie, process::Ended, wait::wait_until};

/// Timeout of a request to a node, which may be frozen.
const ANSWER: Duration = Duration::from_secs(10);

/// A node, which keeps its address across restarts.
pub(crate) struct Node(testkit::node::Node);

impl Node {
    /// Starts a node with these settings on a port of its own.
    pub(crate) async fn start(settings: Vec<(String, String)>) -> Self {
        let mut serve = causerie(env!("CARGO_BIN_EXE_causerie"), &["serve"]);
        serve.envs(settings);
        let node = Self(testkit::node::Node::start(serve).await);
        node.wait_until_ready().await;
        node
    }

    /// Returns the node's address.
    pub(crate) fn address(&self) -> SocketAddr {
        self.0.address()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        self.0.signal(signal);
    }

    pub(crate) fn kill(&mut self) {
        self.0.kill();
    }

    /// Waits until the process has ended.
    pub(crate) async fn ended(&mut self) -> Ended {
        self.0.ended().await
    }

    /// Starts the ended process again, and waits until it is ready.
    pub(crate) async fn start_again(&mut self) {
        self.0.start_again().await;
        self.wait_until_ready().await;
    }

    async fn wait_until_ready(&self) {
        wait_until("the node is ready", async || self.is_ready().await).await;
    }

    /// Returns true if `/readyz` succeeds.
    pub(crate) async fn is_ready(&self) -> bool {
        self.client().page("/readyz").await.status.is_success()
    }

    /// Returns an anonymous client of this node.
    pub(crate) fn client(&self) -> Client {
        self.0.client().within(ANSWER)
    }

    /// Returns the viewer count of a post as this node reports it, or `None` if it does not answer.
    pub(crate) async fn viewer_count(&self, post: &str) -> Option<u64> {
        let query = "query($id: ID!) { post(id: $id) { viewerCount } }";
        let answer = self.client().attempt(query, json!({"id": post})).await?;
        answer
            .pointer("/data/post/viewerCount")
            .and_then(Value::as_u64)
    }
}
