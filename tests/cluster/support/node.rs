//! A node as a process.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitStatus,
    time::Duration,
};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::{
    program::{Program, command},
    waiting::wait_until,
};

/// Timeout of a request to a node.
const ANSWER: Duration = Duration::from_secs(10);

/// A node, which keeps its address and folder across restarts.
pub(crate) struct Node {
    name: String,
    folder: PathBuf,
    settings: Vec<(String, String)>,
    address: SocketAddr,
    program: Option<Program>,
    http: reqwest::Client,
}

impl Node {
    /// Starts a node with these settings on a free port.
    pub(crate) async fn start(name: &str, folder: &Path, settings: Vec<(String, String)>) -> Self {
        let mut node = Self {
            name: name.to_owned(),
            folder: folder.to_owned(),
            settings,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            program: None,
            http: reqwest::Client::builder()
                .timeout(ANSWER)
                .build()
                .expect("a client"),
        };
        node.start_again().await;
        node
    }

    /// Returns the node's address, which stays the same across restarts.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn signal(&self, signal: Signal) {
        self.program.as_ref().expect("it runs").signal(signal);
    }

    pub(crate) fn kill(&mut self) {
        self.program.take().expect("it runs").kill();
    }

    /// Waits until the process has ended.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let status = self.program.as_mut().expect("it runs").ended().await;
        self.program = None;
        status
    }

    /// Starts the process, and waits until it is ready.
    pub(crate) async fn start_again(&mut self) {
        let mut serve = command(env!("CARGO_BIN_EXE_causerie"));
        serve
            .arg("serve")
            .env_clear()
            .env("LISTEN", self.address.to_string())
            .envs(self.settings.iter().cloned())
            .current_dir(&self.folder);
        let mut program = Program::start(&self.name, &self.folder, &mut serve);
        wait_until(&format!("{} listens", self.name), || {
            program.still_runs();
            let said = program.said();
            let mut lines = said.lines();
            let address = lines.find_map(|line| line.strip_prefix("listening on http://"));
            if let Some(address) = address.and_then(|address| address.parse().ok()) {
                self.address = address;
            }
            std::future::ready(address.map(|_| ()).ok_or("it does not"))
        })
        .await;
        self.program = Some(program);
        wait_until(&format!("{} is ready", self.name), || async {
            match self.is_ready().await {
                Some(true) => Ok(()),
                other => Err(other),
            }
        })
        .await;
    }

    /// Returns true if `/readyz` succeeds, and `None` if the node does not answer.
    pub(crate) async fn is_ready(&self) -> Option<bool> {
        let url = format!("http://{}/readyz", self.address);
        let answer = self.http.get(url).send().await.ok()?;
        Some(answer.status().is_success())
    }

    /// Sends an operation and returns the answer.
    pub(crate) async fn send(
        &self,
        token: Option<&str>,
        query: &str,
        variables: Value,
    ) -> Result<Value, reqwest::Error> {
        let url = format!("http://{}/graphql", self.address);
        let mut request = self
            .http
            .post(url)
            .header("content-type", "application/json")
            .body(json!({"query": query, "variables": variables}).to_string());
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        request.send().await?.json().await
    }

    /// Returns the viewer count of a post as this node reports it.
    pub(crate) async fn viewer_count(&self, post: &str) -> Option<u64> {
        let query = "query($id: ID!) { post(id: $id) { viewerCount } }";
        let answer = self.send(None, query, json!({"id": post})).await.ok()?;
        answer.pointer("/data/post/viewerCount")?.as_u64()
    }
}
