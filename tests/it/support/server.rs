//! A test's own server, which asserts at its end that it leaves nothing behind.

use std::{future::Future, net::SocketAddr, time::Duration};

use causerie::{
    auth::{Authenticator, Principal},
    cluster::backplane::{self, Connection, memory::Network},
    config::{Config, Secret},
    model::{Role, Timestamp, User, UserId},
    rooms::RoomStats,
    server::{Observer, Server},
};
use clap::{Args, FromArgMatches};
use tempfile::TempDir;
use tokio::{sync::oneshot, task::JoinHandle};

use super::{Client, Socket, database_url, wait_until, within};

/// The secret that tests sign tokens with.
pub(crate) const SECRET: &str = "a secret that only the tests know of";
/// Lifetime of a token that expires while a test waits. A busy machine must have used it before.
pub(crate) const BRIEFLY: Duration = Duration::from_secs(5);

/// Adds the settings of every server of a test to `arguments`, unless these have them.
pub(crate) fn with_defaults<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    const DEFAULTS: [[&str; 2]; 4] = [
        ["--jwt-secret", SECRET],
        // A test's user does in a second what people do in an hour.
        ["--rate-limits", "off"],
        // On a busy machine only what hangs takes this long.
        ["--database-timeout", "1m"],
        ["--ws-init-timeout", "1m"],
    ];
    let missing = DEFAULTS.iter().filter(|[name, _]| !has(arguments, name));
    arguments.iter().chain(missing.flatten()).copied().collect()
}

fn has(arguments: &[&str], name: &str) -> bool {
    arguments.iter().any(|argument| argument.starts_with(name))
}

/// Parses a configuration from command-line arguments.
pub(crate) fn settings(arguments: &[&str]) -> Config {
    let command = Config::augment_args(clap::Command::new("causerie"));
    let arguments = std::iter::once("causerie").chain(arguments.iter().copied());
    let matches = command.try_get_matches_from(arguments).expect("settings");
    Config::from_arg_matches(&matches).expect("settings")
}

/// Returns a token for this user, valid for an hour.
pub(crate) fn token(sub: &str, name: &str, role: Role) -> String {
    token_until(
        sub,
        name,
        role,
        Timestamp::now().plus(Duration::from_secs(3600)),
    )
}

fn token_until(sub: &str, name: &str, role: Role, expires_at: Timestamp) -> String {
    let identity = Principal {
        user: User {
            id: UserId::parse(sub).expect("a user id"),
            name: name.into(),
            avatar: None,
            role,
        },
        issued_at: None,
        expires_at,
    };
    Authenticator::with_secret(&Secret::new(SECRET))
        .sign(&identity)
        .expect("a token")
}

/// A running server. [`stop`](Self::stop) it at the end of the test.
pub(crate) struct TestServer {
    address: SocketAddr,
    observer: Observer,
    stop: oneshot::Sender<()>,
    running: JoinHandle<std::io::Result<()>>,
    folder: TempDir,
    database: String,
}

impl TestServer {
    /// Starts a server with the settings of a test and one post, `hello`. Rate limits are off.
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts a server with additional settings.
    pub(crate) async fn start_with(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self::start_in(folder, arguments).await
    }

    /// Starts a server on the folder's database. `hello` is created if needed.
    pub(crate) async fn start_in(folder: TempDir, arguments: &[&str]) -> Self {
        let database = database_url(folder.path());
        Self::start_on(folder, &database, arguments).await
    }

    /// Starts a server on this database. `hello` is created if needed.
    pub(crate) async fn start_on(folder: TempDir, database: &str, arguments: &[&str]) -> Self {
        Self::launch(folder, database, arguments)
            .await
            .with_post()
            .await
    }

    /// Creates the post `hello` if needed.
    async fn with_post(self) -> Self {
        let author = self
            .client()
            .with_token(&token("author", "Author", Role::Author));
        let create =
            "mutation { createPost(input: { id: \"hello\", title: \"Hello\" }) { post { id } } }";
        let reply = author.try_send(create, serde_json::Value::Null).await;
        let code = reply.body.pointer("/errors/0/extensions/code");
        assert!(code.is_none_or(|code| code == "CONFLICT"), "{reply:?}");
        self
    }

    /// Starts a server on the folder's database as it is.
    pub(crate) async fn start_bare(folder: TempDir, arguments: &[&str]) -> Self {
        let database = database_url(folder.path());
        Self::launch(folder, &database, arguments).await
    }

    /// Starts another server on the same database, which lives as long as this server's folder.
    pub(crate) async fn beside(&self, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self::launch(folder, &self.database(), arguments).await
    }

    /// Starts another node on the same database and in `network`.
    pub(crate) async fn node_beside(&self, network: &Network, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (_, connection) = network.connect();
        Self::launch_among(folder, &self.database(), arguments, connection).await
    }

    /// Starts a node in `network`.
    pub(crate) async fn start_node(network: &Network, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let database = database_url(folder.path());
        let (_, connection) = network.connect();
        let node = Self::launch_among(folder, &database, arguments, connection).await;
        node.with_post().await
    }

    async fn launch(folder: TempDir, database: &str, arguments: &[&str]) -> Self {
        Self::launch_among(folder, database, arguments, backplane::none()).await
    }

    async fn launch_among(
        folder: TempDir,
        database: &str,
        arguments: &[&str],
        connection: Connection,
    ) -> Self {
        let mut all = with_defaults(arguments);
        all.extend(["--listen=127.0.0.1:0", "--database-url", database]);
        // Most tests shut a server down while clients are connected, and need no drain window.
        if !has(arguments, "--drain-window") {
            all.push("--drain-window=0s");
        }
        let server = Server::bind_with_backplane(settings(&all), connection).await;
        let server = server.expect("a server");
        let (stop, stopped) = oneshot::channel();
        Self {
            address: server.address(),
            observer: server.observer(),
            stop,
            running: tokio::spawn(server.run(async move {
                // An error means that the test is over, which is a reason to stop too.
                let _ = stopped.await;
            })),
            folder,
            database: database.to_owned(),
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn observer(&self) -> &Observer {
        &self.observer
    }

    /// Returns the URL of the database.
    pub(crate) fn database(&self) -> String {
        self.database.clone()
    }

    /// Returns an anonymous client over HTTP.
    pub(crate) fn client(&self) -> Client {
        Client::new(self.url("/graphql"))
    }

    /// Returns a client over HTTP that is signed in as a reader.
    pub(crate) fn reader(&self, name: &str) -> Client {
        self.client().with_token(&token(name, name, Role::Reader))
    }

    /// Opens a socket without initialising it.
    pub(crate) async fn connect(&self) -> Socket {
        Socket::connect(self.address).await
    }

    /// Opens an acknowledged socket of an anonymous client.
    pub(crate) async fn socket(&self) -> Socket {
        let mut socket = self.connect().await;
        socket.init(serde_json::json!({})).await;
        socket
    }

    /// Opens an acknowledged socket of a client and reader that both have this name.
    pub(crate) async fn reader_socket(&self, name: &str) -> Socket {
        let mut socket = self.connect().await;
        let authorization = format!("Bearer {}", token(name, name, Role::Reader));
        let payload = serde_json::json!({"authorization": authorization, "clientId": name});
        socket.init(payload).await;
        socket
    }

    /// Waits until there are exactly `rooms` rooms with `members` members.
    pub(crate) async fn wait_for_members(&self, rooms: usize, members: usize) {
        let expected = RoomStats { rooms, members };
        wait_until(&format!("{expected:?}"), async || {
            self.observer.rooms() == expected
        })
        .await;
    }

    /// Stops the server. Before shutdown, all clients must have left: no member, room or task may remain.
    pub(crate) async fn stop(self) {
        self.wait_for_members(0, 0).await;
        wait_until("no task is left", async || self.observer.tasks() == 0).await;
        self.shut_down().await;
    }

    /// Stops the server while clients are connected, and returns its folder for another server.
    pub(crate) async fn shut_down(self) -> TempDir {
        let _ = self.stop.send(());
        let ended = within("the end of the server", self.running).await;
        ended.expect("no panic").expect("no error");
        assert_eq!(self.observer.rooms(), RoomStats::default());
        assert_eq!(self.observer.tasks(), 0);
        assert_eq!(self.observer.memory().used(), 0);
        self.folder
    }

    /// Tells the server to shut down, and returns a future that waits for its end.
    pub(crate) fn begin_to_stop(self) -> impl Future<Output = ()> {
        let Self {
            stop,
            running,
            folder,
            ..
        } = self;
        let _ = stop.send(());
        async move {
            let ended = within("the end of the server", running).await;
            // The database is needed until then.
            drop(folder);
            ended.expect("no panic").expect("no error");
        }
    }
}

/// Returns a token that expires after `lifetime`, to the second.
pub(crate) fn token_for(sub: &str, lifetime: Duration) -> String {
    token_until(sub, sub, Role::Reader, Timestamp::now().plus(lifetime))
}
