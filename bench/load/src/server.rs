//! The measured servers: their start, and their protocols.

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use serde::{Deserialize, Serialize};
use serde_json::json;
use tempfile::TempDir;
use testkit::{
    node::Node,
    process::{Failure, command},
};

use crate::{
    comment::{self, AUTHOR, AVATAR, POST, Publication},
    http::{Connection, HttpError},
    protocol::{Protocol, Stream},
};

/// A measured server, in the order of the turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Server {
    /// A bare write(2) of a ready frame to each socket.
    Floor,
    Causerie,
    Socketioxide,
    SocketIo,
    AsyncGraphqlAxum,
    Mercurius,
    Apollo,
    Yoga,
    /// The database without a server: the floor of writes and reads.
    Bare,
}

impl Server {
    /// All servers with subscribers.
    pub const ALL: [Self; 8] = [
        Self::Floor,
        Self::Causerie,
        Self::Socketioxide,
        Self::SocketIo,
        Self::AsyncGraphqlAxum,
        Self::Mercurius,
        Self::Apollo,
        Self::Yoga,
    ];

    /// Returns the name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::Causerie => "causerie",
            Self::Socketioxide => "socketioxide",
            Self::SocketIo => "socket.io",
            Self::AsyncGraphqlAxum => "async-graphql-axum",
            Self::Mercurius => "mercurius",
            Self::Apollo => "apollo",
            Self::Yoga => "yoga",
            Self::Bare => "bare",
        }
    }

    /// Returns the name in a report.
    pub fn title(self) -> &'static str {
        match self {
            Self::Floor => "floor: bare write(2)",
            Self::Causerie => "Causerie",
            Self::Socketioxide => "socketioxide",
            Self::SocketIo => "Socket.IO",
            Self::AsyncGraphqlAxum => "async-graphql-axum",
            Self::Mercurius => "Mercurius",
            Self::Apollo => "Apollo Server + graphql-ws",
            Self::Yoga => "GraphQL Yoga + graphql-ws",
            Self::Bare => "floor: bare database",
        }
    }

    /// Returns true if others are compared with it.
    pub fn is_floor(self) -> bool {
        matches!(self, Self::Floor | Self::Bare)
    }

    /// Describes the streams that each client holds open.
    pub fn streams(self) -> &'static str {
        match self {
            Self::Floor | Self::Bare => "nothing",
            Self::Causerie => "three subscriptions: `commentAdded`, `typing`, `viewerCount`",
            Self::Socketioxide | Self::SocketIo => "the post's room",
            Self::AsyncGraphqlAxum | Self::Mercurius | Self::Apollo | Self::Yoga => {
                "one subscription: `commentAdded`"
            }
        }
    }

    /// Returns the protocol of its clients.
    pub fn protocol(self) -> Protocol {
        let path = match self {
            Self::AsyncGraphqlAxum => "/ws",
            _ => "/graphql",
        };
        match self {
            Self::Floor | Self::Bare => Protocol::Bare,
            Self::Socketioxide | Self::SocketIo => Protocol::SocketIo,
            Self::Causerie => Protocol::GraphqlWs {
                path,
                streams: &[Stream::CommentAdded, Stream::Typing, Stream::ViewerCount],
            },
            Self::AsyncGraphqlAxum | Self::Mercurius | Self::Apollo | Self::Yoga => {
                Protocol::GraphqlWs {
                    path,
                    streams: &[Stream::CommentAdded],
                }
            }
        }
    }

    fn publication(self) -> Publication {
        match self {
            Self::Floor | Self::Bare => Publication::Message,
            Self::Socketioxide | Self::SocketIo => Publication::Endpoint,
            _ => Publication::Mutation { token: None },
        }
    }
}

/// The error of starting a server.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    #[error("{0}")]
    Program(#[from] Failure),
    #[error("{0}")]
    Http(#[from] HttpError),
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("`causerie token` failed: {0}")]
    Token(String),
}

/// The paths of the programs.
#[derive(Debug)]
pub struct Programs {
    /// The output folder of the benchmark's own workspace.
    pub folder: PathBuf,
    pub causerie: PathBuf,
    /// The folder of the Node servers.
    pub node: PathBuf,
}

const SECRET: &str = "a secret of this benchmark alone, 32 bytes or more";

impl Programs {
    /// Starts a server, and creates the post if it needs one.
    pub fn start(&self, server: Server) -> Result<Started, ServerError> {
        // Next to the programs and not in /tmp, which may be in memory: commits must reach a disk.
        let folder = tempfile::Builder::new()
            .prefix("run-")
            .tempdir_in(&self.folder)?;
        let command = match server {
            Server::Floor | Server::Bare => command(self.folder.join("floor")),
            Server::Causerie => self.causerie(&sqlite(&folder.path().join(DATABASE))),
            Server::Socketioxide => command(self.folder.join("peer-socketioxide")),
            Server::AsyncGraphqlAxum => command(self.folder.join("peer-async-graphql-axum")),
            Server::SocketIo => self.node("socketio.mjs"),
            Server::Mercurius => self.node("mercurius.mjs"),
            Server::Apollo => self.node("apollo.mjs"),
            Server::Yoga => self.node("yoga.mjs"),
        };
        let node = Node::try_start(command)?;
        let mut publication = server.publication();
        if server == Server::Causerie {
            let token = self.token(1)?;
            create_post(node.address(), &token)?;
            publication = Publication::Mutation { token: Some(token) };
        }
        Ok(Started {
            node,
            protocol: server.protocol(),
            publication,
            folder,
        })
    }

    /// Returns a token of one of several users. They share their name and picture, as the comments of all
    /// servers do.
    pub fn token(&self, user: usize) -> Result<String, ServerError> {
        let output = Command::new(&self.causerie)
            .args([
                "token",
                "--name",
                AUTHOR,
                "--picture",
                AVATAR,
                "--role",
                "author",
            ])
            .args(["--expires-in", "1day", "--sub", &user.to_string()])
            .env("JWT_SECRET", SECRET)
            .output()?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        } else {
            Err(ServerError::Token(
                String::from_utf8_lossy(&output.stderr).into_owned(),
            ))
        }
    }

    /// Returns the command that runs Causerie on this database, with all other settings at their defaults.
    pub fn causerie(&self, database: &str) -> Command {
        let mut command = command(&self.causerie);
        command
            .args([
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--rate-limits",
                "off",
                "--log",
                "warn",
            ])
            .args(["--database-url", database])
            .env("JWT_SECRET", SECRET);
        command
    }

    fn node(&self, file: &str) -> Command {
        let mut command = command("node");
        command
            .arg(self.node.join(file))
            .env("NODE_ENV", "production");
        command
    }
}

const DATABASE: &str = "causerie.db";

/// A running server.
#[derive(Debug)]
pub struct Started {
    pub node: Node,
    pub protocol: Protocol,
    pub publication: Publication,
    folder: TempDir,
}

impl Started {
    /// Shuts it down, and keeps its database.
    pub fn stop(self) -> Stopped {
        self.node.stop();
        Stopped {
            folder: self.folder,
        }
    }
}

/// The files of a stopped server, deleted when this is dropped.
#[derive(Debug)]
pub struct Stopped {
    folder: TempDir,
}

impl Stopped {
    /// Returns the path of its database.
    pub fn database(&self) -> PathBuf {
        self.folder.path().join(DATABASE)
    }
}

fn sqlite(file: &Path) -> String {
    format!("sqlite://{}?mode=rwc", file.display())
}

/// Creates the post that all clients have open.
pub fn create_post(address: SocketAddr, token: &str) -> Result<(), ServerError> {
    let document =
        "mutation($input: CreatePostInput!) { createPost(input: $input) { post { id } } }";
    let variables = json!({ "input": { "id": POST, "title": "A post that everybody reads" } });
    let mut connection = Connection::open(address)?;
    connection.call(&comment::mutation(Some(token), document, &variables))?;
    Ok(())
}
