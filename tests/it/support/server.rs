//! A server of a test's own, which leaves nothing behind.

use std::{future::Future, net::SocketAddr, time::Duration};

use causerie::{
    auth::{Authenticator, Identity},
    cluster::backplane::{self, Connection, memory::Network},
    config::{Config, Secret},
    model::{Role, Timestamp, User, UserId},
    rooms::RoomStats,
    server::{Observer, Server},
};
use clap::{Args, FromArgMatches};
use tempfile::TempDir;
use tokio::{sync::oneshot, task::JoinHandle};

use super::{Client, Socket, database_url};

/// What tests sign tokens with.
pub(crate) const SECRET: &str = "a secret that only the tests know of";
/// How long a test waits for what must come. Nothing waits this long unless it fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// A configuration of these arguments, as the command line has them.
pub(crate) fn settings(arguments: &[&str]) -> Config {
    let command = Config::augment_args(clap::Command::new("causerie"));
    let arguments = std::iter::once("causerie").chain(arguments.iter().copied());
    let matches = command.try_get_matches_from(arguments).expect("settings");
    Config::from_arg_matches(&matches).expect("settings")
}

/// A token for this user, good for an hour.
pub(crate) fn token(sub: &str, name: &str, role: Role) -> String {
    token_until(
        sub,
        name,
        role,
        Timestamp::now().plus(Duration::from_secs(3600)),
    )
}

fn token_until(sub: &str, name: &str, role: Role, expires_at: Timestamp) -> String {
    let identity = Identity {
        user: User {
            id: UserId::parse(sub).expect("a user id"),
            name: name.into(),
            avatar: None,
        },
        role,
        expires_at,
    };
    Authenticator::with_secret(&Secret::new(SECRET))
        .sign(&identity)
        .expect("a token")
}

/// Waits until `is_so`, looking again whenever other tasks had their turn. For what no message
/// tells of; it fails where it takes too long, and never passes by waiting.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    in_time(what, async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// Waits for what must come, and fails where it does not.
pub(crate) async fn in_time<T>(what: &str, future: impl Future<Output = T>) -> T {
    let result = tokio::time::timeout(PATIENCE, future).await;
    result.unwrap_or_else(|_| panic!("waited in vain: {what}"))
}

/// A running server. [`stop`](Self::stop) it at the end of the test.
pub(crate) struct TestServer {
    address: SocketAddr,
    observer: Observer,
    stop: oneshot::Sender<()>,
    running: JoinHandle<std::io::Result<()>>,
    folder: TempDir,
}

impl TestServer {
    /// With the settings of a test, and one post, `hello`. Limits are off.
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// With these settings besides.
    pub(crate) async fn start_with(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self::start_in(folder, arguments).await
    }

    /// On the database in this folder; `hello` is made where it is not there yet.
    pub(crate) async fn start_in(folder: TempDir, arguments: &[&str]) -> Self {
        let database = database_url(folder.path());
        Self::start_on(folder, &database, arguments).await
    }

    /// On this database; `hello` is made where it is not there yet.
    pub(crate) async fn start_on(folder: TempDir, database: &str, arguments: &[&str]) -> Self {
        Self::launch(folder, database, arguments)
            .await
            .with_post()
            .await
    }

    /// With the post `hello`.
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

    /// On the database in this folder, as it is.
    pub(crate) async fn start_bare(folder: TempDir, arguments: &[&str]) -> Self {
        let database = database_url(folder.path());
        Self::launch(folder, &database, arguments).await
    }

    /// Another server on the database of this one, which lasts as long as this one does.
    pub(crate) async fn beside(&self, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self::launch(folder, &self.database(), arguments).await
    }

    /// Another node on the database of this one, in whose network it is.
    pub(crate) async fn node_beside(&self, network: &Network, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (_, connection) = network.connect();
        Self::launch_among(folder, &self.database(), arguments, connection).await
    }

    /// A node in this network.
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
        let mut all = vec![
            "--listen=127.0.0.1:0",
            "--jwt-secret",
            SECRET,
            "--database-url",
            database,
        ];
        // Most tests end a server while clients are there, and have nothing to say of how long that takes.
        if !arguments
            .iter()
            .any(|argument| argument.starts_with("--drain-window"))
        {
            all.push("--drain-window=0s");
        }
        all.extend(arguments);
        // A user of a test does in a second what people do in an hour.
        if !arguments
            .iter()
            .any(|argument| argument.starts_with("--rate-limits"))
        {
            all.push("--rate-limits=off");
        }
        let server = Server::bind_among(settings(&all), connection).await;
        let server = server.expect("a server");
        let (stop, stopped) = oneshot::channel();
        Self {
            address: server.address(),
            observer: server.observer(),
            stop,
            running: tokio::spawn(server.run(async move {
                // An error says that the test is over, which is a reason to stop as well.
                let _ = stopped.await;
            })),
            folder,
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

    /// The URL of its database.
    pub(crate) fn database(&self) -> String {
        database_url(self.folder.path())
    }

    /// An anonymous client over HTTP.
    pub(crate) fn client(&self) -> Client {
        Client::new(self.url("/graphql"))
    }

    /// A client over HTTP that is signed in as a reader.
    pub(crate) fn reader(&self, name: &str) -> Client {
        self.client().with_token(&token(name, name, Role::Reader))
    }

    /// A socket that was not initialised.
    pub(crate) async fn connect(&self) -> Socket {
        Socket::connect(self.address).await
    }

    /// An acknowledged socket of an anonymous client.
    pub(crate) async fn socket(&self) -> Socket {
        let mut socket = self.connect().await;
        socket.init(serde_json::json!({})).await;
        socket
    }

    /// An acknowledged socket of a client of this name, signed in as a reader of the same name.
    pub(crate) async fn reader_socket(&self, name: &str) -> Socket {
        let mut socket = self.connect().await;
        let authorization = format!("Bearer {}", token(name, name, Role::Reader));
        let payload = serde_json::json!({"authorization": authorization, "clientId": name});
        socket.init(payload).await;
        socket
    }

    /// Waits until so many members are in so many rooms.
    pub(crate) async fn until_census(&self, rooms: usize, members: usize) {
        let expected = RoomStats { rooms, members };
        until(&format!("{expected:?}"), || {
            self.observer.census() == expected
        })
        .await;
    }

    /// Ends the server. Every client must have gone: nobody may be left in a room, no room, and no
    /// task, before it is told to go down.
    pub(crate) async fn stop(self) {
        self.until_census(0, 0).await;
        until("no task is left", || self.observer.tasks() == 0).await;
        self.shut_down().await;
    }

    /// Ends the server while clients are there; returns its folder, for another to start in.
    pub(crate) async fn shut_down(self) -> TempDir {
        let _ = self.stop.send(());
        let ended = tokio::time::timeout(PATIENCE, self.running).await;
        ended
            .expect("in time")
            .expect("no panic")
            .expect("no error");
        assert_eq!(self.observer.census(), RoomStats::default());
        assert_eq!(self.observer.tasks(), 0);
        self.folder
    }

    /// Tells the server to go down, and returns what waits for its end.
    pub(crate) fn begin_to_stop(self) -> impl Future<Output = ()> {
        let Self {
            stop,
            running,
            folder,
            ..
        } = self;
        let _ = stop.send(());
        async move {
            let ended = tokio::time::timeout(PATIENCE, running).await;
            // The database is needed until then.
            drop(folder);
            ended
                .expect("in time")
                .expect("no panic")
                .expect("no error");
        }
    }
}

/// A token whose end is this far away, to the second.
pub(crate) fn token_for(sub: &str, lifetime: Duration) -> String {
    token_until(sub, sub, Role::Reader, Timestamp::now().plus(lifetime))
}
