//! The real command as a process, for what a server inside the test cannot show: its output, its exit, and
//! what a kill leaves behind.

use std::{net::SocketAddr, path::Path, process::ExitStatus, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    task::JoinHandle,
};

use super::{Client, SECRET, Socket, database_url, token};

const TIMEOUT: Duration = Duration::from_secs(20);

/// Returns the command with these arguments in an empty environment, so a developer's own settings have no
/// effect.
pub(crate) fn causerie(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_causerie"));
    command.env_clear().args(arguments).kill_on_drop(true);
    command
}

/// Returns the arguments of a server on a free port with the folder's database.
pub(crate) fn serve(folder: &Path) -> Vec<String> {
    vec![
        "serve".to_owned(),
        "--listen=127.0.0.1:0".to_owned(),
        format!("--jwt-secret={SECRET}"),
        format!("--database-url={}", database_url(folder)),
        "--rate-limits=off".to_owned(),
    ]
}

/// A server as a process. Dropping it kills it.
pub(crate) struct Process {
    child: Child,
    stdout: Lines<BufReader<ChildStdout>>,
    stderr: JoinHandle<String>,
    address: SocketAddr,
}

/// The result of a process that ended by itself.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    /// The lines printed after the first.
    pub(crate) stdout: Vec<String>,
    pub(crate) stderr: String,
}

impl Process {
    /// Starts a server on the folder's database with additional settings.
    pub(crate) async fn start(folder: &Path, arguments: &[&str]) -> Self {
        let mut command = causerie(&[]);
        command.args(serve(folder)).args(arguments);
        Self::spawn(&mut command).await
    }

    /// Starts a server and waits for the first line on its standard output, which says where it listens.
    pub(crate) async fn spawn(command: &mut Command) -> Self {
        let mut child = command
            .kill_on_drop(true)
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .expect("a process");
        let mut stdout = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let mut errors = child.stderr.take().expect("a pipe");
        // Read all the time, because a full pipe would block the server.
        let stderr = tokio::spawn(async move {
            let mut text = String::new();
            errors.read_to_string(&mut text).await.expect("a text");
            text
        });
        let first = tokio::time::timeout(TIMEOUT, stdout.next_line()).await;
        let Some(line) = first.expect("a line in time").expect("a text") else {
            panic!(
                "the server did not start: {}",
                stderr.await.expect("a text")
            );
        };
        let address = line
            .strip_prefix("listening on http://")
            .and_then(|address| address.parse().ok())
            .unwrap_or_else(|| panic!("not where it listens: {line:?}"));
        Self {
            child,
            stdout,
            stderr,
            address,
        }
    }

    /// Returns the server's address.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns an anonymous client over HTTP.
    pub(crate) fn client(&self) -> Client {
        Client::new(format!("http://{}/graphql", self.address))
    }

    /// Returns a client over HTTP of this role, whose user has the role's name.
    pub(crate) fn user(&self, role: causerie::model::Role) -> Client {
        let name = format!("{role:?}");
        self.client().with_token(&token(&name, &name, role))
    }

    /// Opens an acknowledged socket of an anonymous client.
    pub(crate) async fn socket(&self) -> Socket {
        let mut socket = Socket::connect(self.address).await;
        socket.init(serde_json::json!({})).await;
        socket
    }

    /// Waits until rooms have `members` members in total.
    pub(crate) async fn wait_for_members(&self, members: usize) {
        let url = format!("http://{}/metrics", self.address);
        let wanted = format!("causerie_members {members}");
        super::within(&wanted, async {
            loop {
                let metrics = reqwest::get(&url).await.expect("an answer");
                let metrics = metrics.text().await.expect("a text");
                if metrics.lines().any(|line| line == wanted) {
                    return;
                }
            }
        })
        .await;
    }

    /// Returns the process's resident memory in kB.
    pub(crate) fn memory(&self) -> u64 {
        let id = self.child.id().expect("a process that runs");
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("a status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().next());
        number
            .and_then(|number| number.parse().ok())
            .expect("a number")
    }

    /// Sends a signal by its name.
    pub(crate) async fn signal(&self, name: &str) {
        let id = self.child.id().expect("a process that runs");
        let kill = format!("kill -{name} {id}");
        let sent = Command::new("sh").args(["-c", &kill]).status().await;
        assert!(sent.expect("a shell").success());
    }

    /// Waits until the process has ended.
    pub(crate) async fn ended(mut self) -> Ended {
        let status = tokio::time::timeout(TIMEOUT, self.child.wait()).await;
        let mut stdout = Vec::new();
        while let Some(line) = self.stdout.next_line().await.expect("a text") {
            stdout.push(line);
        }
        Ended {
            status: status.expect("an end in time").expect("a status"),
            stdout,
            stderr: self.stderr.await.expect("a text"),
        }
    }
}
