//! A node: the server as a process. It prints `listening on http://…` once it accepts connections. The peers
//! that the benchmark compares it with print that too.

use std::{net::SocketAddr, process::Command};

use nix::sys::signal::Signal;

use crate::{
    port::free_port,
    process::{Failure, Program, command},
    wait::block_until,
};

/// A node, which keeps its command and its address across restarts. Dropping it kills it.
#[derive(Debug)]
pub struct Node {
    command: Command,
    address: SocketAddr,
    program: Option<Program>,
}

/// Returns a command that runs the server `binary` in an empty environment, so a developer's own settings
/// have no effect. Cargo tells the path of the binary only to the tests of its package.
pub fn causerie(binary: &str, arguments: &[&str]) -> Command {
    let mut causerie = command(binary);
    causerie.env_clear().args(arguments);
    causerie
}

impl Node {
    /// Starts a server that may be missing, and blocks until it listens. It has a port of its own, unless the
    /// command has one.
    pub fn try_start(command: Command) -> Result<Self, Failure> {
        let mut node = Self::new(command);
        node.spawn()?;
        let mut listens = Ok(false);
        let _ = block_until(|| {
            listens = node.listens();
            !matches!(listens, Ok(false))
        });
        match listens? {
            true => Ok(node),
            false => Err(Failure("the server does not listen".to_owned())),
        }
    }

    fn new(mut command: Command) -> Self {
        let listen = "LISTEN";
        if !command.get_envs().any(|(name, _)| name == listen) {
            command.env(listen, format!("127.0.0.1:{}", free_port()));
        }
        Self {
            command,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            program: None,
        }
    }

    fn spawn(&mut self) -> Result<(), Failure> {
        self.program = Some(Program::try_start("the server", &mut self.command)?);
        Ok(())
    }

    /// Returns true once the server has said where it listens, and fails if it has ended.
    fn listens(&mut self) -> Result<bool, Failure> {
        let program = self.program.as_mut().expect("it runs");
        let said = program.stdout();
        let mut lines = said.lines();
        let address = lines.find_map(|line| line.strip_prefix("listening on http://"));
        let Some(Ok(address)) = address.map(str::parse) else {
            return program.check_running().map(|()| false);
        };
        self.address = address;
        Ok(true)
    }

    /// Returns the node's address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the running process.
    pub fn program(&self) -> &Program {
        self.program.as_ref().expect("it runs")
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        self.program().signal(signal);
    }

    /// Kills the process and waits until it is gone.
    pub fn kill(&mut self) {
        self.program.take().expect("it runs").kill();
    }

    /// Shuts the server down, and blocks until it has ended.
    pub fn stop(mut self) {
        self.program.take().expect("it runs").stop();
    }
}

#[cfg(feature = "clients")]
mod on_tokio {
    use std::process::Command;

    use serde_json::json;

    use super::Node;
    use crate::{http_client::Client, process::Ended, wait::wait_until, ws_client::Socket};

    impl Node {
        /// Starts a server and waits until it listens. It has a port of its own, unless the command has one.
        pub async fn start(command: Command) -> Self {
            let mut node = Self::new(command);
            node.start_again().await;
            node
        }

        /// Starts the ended process again with the same command, and waits until it listens.
        pub async fn start_again(&mut self) {
            self.spawn().expect("a server");
            let listens = async || self.listens().expect("a server");
            wait_until("the server listens", listens).await;
        }

        /// Waits until the process has ended by itself.
        pub async fn ended(&mut self) -> Ended {
            let mut program = self.program.take().expect("it runs");
            program.ended().await
        }

        /// Returns an anonymous client over HTTP.
        pub fn client(&self) -> Client {
            Client::new(format!("http://{}/graphql", self.address()))
        }

        /// Opens an acknowledged socket of an anonymous client.
        pub async fn socket(&self) -> Socket {
            let mut socket = Socket::connect(self.address()).await;
            socket.init(json!({})).await;
            socket
        }

        /// Returns true if the server says that it is ready.
        pub async fn is_ready(&self) -> bool {
            self.client().page("/readyz").await.status.is_success()
        }

        /// Returns the viewer count of a post as this node reports it, or `None` if it does not answer.
        pub async fn viewer_count(&self, post: &str) -> Option<u64> {
            let query = "query($id: ID!) { post(id: $id) { viewerCount } }";
            let answer = self.client().attempt(query, json!({"id": post})).await?;
            answer.pointer("/data/post/viewerCount")?.as_u64()
        }

        /// Waits until rooms have `members` members in total.
        pub async fn wait_for_members(&self, members: usize) {
            let wanted = format!("causerie_members {members}");
            let client = self.client();
            wait_until(&wanted, async || {
                let metrics = client.page("/metrics").await.body;
                let metrics = metrics.as_str().expect("a text");
                metrics.lines().any(|line| line == wanted)
            })
            .await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut shell = command("sh");
        shell.args(["-c", script]);
        shell
    }

    #[test]
    fn address_is_read_from_the_output() {
        let script = "echo starting; echo listening on http://127.0.0.1:1; exec sleep 60";
        let node = Node::try_start(shell(script)).expect("a server");
        assert_eq!(node.address().port(), 1);
    }

    #[test]
    fn failed_start_quotes_standard_error() {
        let failure = Node::try_start(shell("echo no such port >&2; exit 1"));
        let failure = failure.expect_err("no server").to_string();
        assert!(failure.contains("no such port"), "{failure}");
    }
}
