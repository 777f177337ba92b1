//! The store: the log of every post's feed, and the truth. The only place that names `sea_orm`.
//!
//! It knows nothing of rooms: it never publishes. What it returns was committed; a caller that was
//! given an error may rely on nothing having been changed, but for `OutcomeUnknown`.

mod additions;
mod bans;
mod comments;
mod connect;
mod convert;
mod db_error;
mod entity;
mod error;
mod feed;
mod health;
mod page;
mod pool;
mod postgres;
mod posts;
mod sqlite;
mod statements;
mod writer;

use sea_orm::{DatabaseConnection, DbBackend};

use tokio_util::task::TaskTracker;

pub use self::{
    additions::NewComment,
    bans::{BanChange, BanPlace, NewBan},
    comments::{DeleteComment, Deletion, EditComment},
    error::OpenError,
    feed::Recorded,
    page::{Order, Page, Slice},
    posts::{NewPost, PostsAfter},
};
use self::{pool::Connections, statements::StatementCounter, writer::Writer};
use crate::error::Error;

/// A handle on the database; cloning it is cheap and gives the same database.
#[derive(Clone, Debug)]
pub struct Store {
    /// Does what is written.
    writer: Writer,
    /// Those of the writer, and several that never wait for it.
    connections: Connections,
    statements: StatementCounter,
    tasks: TaskTracker,
}

impl Store {
    /// How many SQL statements were run so far, those of transactions included.
    pub fn statements(&self) -> u64 {
        self.statements.get()
    }

    /// How many writes wait for the one writer.
    pub fn waiting_writes(&self) -> usize {
        self.writer.waiting()
    }

    /// How many transactions were committed so far, those at least of which a caller was told.
    /// Writers who wait together share one.
    pub fn commits(&self) -> u64 {
        self.writer.commits()
    }

    /// The state that is read from now on, as far as it can be known. Of a database that other
    /// nodes write to nothing is known here.
    pub fn state(&self) -> Option<State> {
        match self.connections {
            Connections::Sqlite(_) => Some(State(self.commits())),
            Connections::Postgres(_) => None,
        }
    }

    fn backend(&self) -> DbBackend {
        self.connections.pools().read.get_database_backend()
    }

    /// Runs a reading to its end, whether or not anybody still waits for it.
    ///
    /// A stream is polled only as fast as its client reads. Were its reading part of the stream, a
    /// few clients that read nothing would hold all connections.
    ///
    /// `reading` may be called twice: where a connection turns out to be dead, another is taken.
    async fn read<T, Reading>(
        &self,
        reading: impl Fn(DatabaseConnection) -> Reading + Send + Sync + 'static,
    ) -> Result<T, Error>
    where
        T: Send + 'static,
        Reading: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let reading = match self.connections.clone() {
            Connections::Sqlite(pools) => self.tasks.spawn(reading(pools.read.clone())),
            Connections::Postgres(supervisor) => self
                .tasks
                .spawn(async move { supervisor.read(reading).await }),
        };
        reading
            .await
            .unwrap_or_else(|panic| Err(Error::Internal(Box::new(panic))))
    }
}

/// A state of what is stored, of a database that this process alone writes. While it stays the same,
/// so does what is read, unless another program writes into the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State(u64);
