//! The servers that are measured: how each is started, and how it is spoken to.

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use serde::{Deserialize, Serialize};
use serde_json::json;
use tempfile::TempDir;

use crate::{
    comment::{self, AUTHOR, AVATAR, POST, Publication},
    http::{Connection, HttpError},
    process::{Process, ProcessError},
    protocol::{Protocol, Stream},
};

/// Who is measured, in the order in which they take their turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Server {
    /// One bare write(2) of a ready frame to each socket.
    Floor,
    Causerie,
    Socketioxide,
    SocketIo,
    AsyncGraphqlAxum,
    Mercurius,
    Apollo,
    Yoga,
    /// The database without a server: what writes and reads cannot go below.
    Bare,
}

impl Server {
    /// All that have subscribers.
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

    /// The name on the command line.
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

    /// The name in a report.
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

    /// Whether it is what others are compared with.
    pub fn is_floor(self) -> bool {
        matches!(self, Self::Floor | Self::Bare)
    }

    /// What each client holds open there.
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

    /// How its clients speak.
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

/// Why a server cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    #[error("{0}")]
    Process(#[from] ProcessError),
    #[error("{0}")]
    Http(#[from] HttpError),
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("`causerie token` failed: {0}")]
    Token(String),
}

/// Where the programs are.
#[derive(Debug)]
pub struct Programs {
    /// The folder of what the benchmark's own workspace builds.
    pub folder: PathBuf,
    pub causerie: PathBuf,
    /// The folder of the servers for Node.
    pub node: PathBuf,
}

const SECRET: &str = "a secret of this benchmark alone, 32 bytes or more";

impl Programs {
    /// Starts a server, with the post there if it needs one.
    pub fn start(&self, server: Server) -> Result<Started, ServerError> {
        // Beside the programs and not in /tmp, which may be memory: commits must reach a disk.
        let folder = tempfile::Builder::new()
            .prefix("run-")
            .tempdir_in(&self.folder)?;
        let command = match server {
            Server::Floor | Server::Bare => Command::new(self.folder.join("floor")),
            Server::Causerie => self.causerie(&sqlite(&folder.path().join(DATABASE))),
            Server::Socketioxide => Command::new(self.folder.join("peer-socketioxide")),
            Server::AsyncGraphqlAxum => Command::new(self.folder.join("peer-async-graphql-axum")),
            Server::SocketIo => self.node("socketio.mjs"),
            Server::Mercurius => self.node("mercurius.mjs"),
            Server::Apollo => self.node("apollo.mjs"),
            Server::Yoga => self.node("yoga.mjs"),
        };
        let (process, address) = Process::start(&command, folder.path())?;
        let mut publication = server.publication();
        if server == Server::Causerie {
            let token = self.token(1)?;
            create_post(address, &token)?;
            publication = Publication::Mutation { token: Some(token) };
        }
        Ok(Started {
            address,
            protocol: server.protocol(),
            publication,
            process,
            folder,
        })
    }

    /// A token of one of several users; they share their name and picture, as the comments of all servers do.
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

    /// Causerie on the database with this URL, and all else as by default.
    pub fn causerie(&self, database: &str) -> Command {
        let mut command = Command::new(&self.causerie);
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
        let mut command = Command::new("node");
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
    pub process: Process,
    pub address: SocketAddr,
    pub protocol: Protocol,
    pub publication: Publication,
    folder: TempDir,
}

impl Started {
    /// Ends it in good order, and leaves its database.
    pub fn stop(self) -> Stopped {
        self.process.stop();
        Stopped {
            folder: self.folder,
        }
    }
}

/// What a server left behind; gone when this is dropped.
#[derive(Debug)]
pub struct Stopped {
    folder: TempDir,
}

impl Stopped {
    /// Its database.
    pub fn database(&self) -> PathBuf {
        self.folder.path().join(DATABASE)
    }
}

fn sqlite(file: &Path) -> String {
    format!("sqlite://{}?mode=rwc", file.display())
}

/// Makes the post that everybody has open.
pub fn create_post(address: SocketAddr, token: &str) -> Result<(), ServerError> {
    let document =
        "mutation($input: CreatePostInput!) { createPost(input: $input) { post { id } } }";
    let variables = json!({ "input": { "id": POST, "title": "A post that everybody reads" } });
    let mut connection = Connection::open(address)?;
    connection.call(&comment::mutation(Some(token), document, &variables))?;
    Ok(())
}
