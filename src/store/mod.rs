//! The store: the log of every post's feed, and the truth. The only place that names `sea_orm`.
//!
//! It knows nothing of rooms: it never publishes. What it returns was committed; a caller that was
//! given an error may rely on nothing having been changed.

mod additions;
mod bans;
mod comments;
mod connect;
mod convert;
mod entity;
mod feed;
mod page;
mod posts;
mod writer;

use sea_orm::{DatabaseConnection, DbErr};

use tokio_util::task::TaskTracker;

use self::writer::Writer;
pub use self::{
    additions::NewComment,
    bans::{BanChange, BanPlace, NewBan},
    comments::{DeleteComment, Deletion, EditComment},
    connect::OpenError,
    feed::Recorded,
    page::{Order, Page, Slice},
    posts::{NewPost, PostsAfter},
};
use crate::error::Error;

/// A handle on the database; cloning it is cheap and gives the same database.
#[derive(Clone, Debug)]
pub struct Store {
    /// Does what is written, in the order in which it is brought.
    writer: Writer,
    /// The writer's connection. There is one: SQLite has one writer at a time, and waiting for it
    /// here is fair, where waiting inside SQLite is polling.
    connection: DatabaseConnection,
    /// Several connections that never wait for the writer (WAL).
    readers: DatabaseConnection,
    statements: connect::StatementCounter,
    tasks: TaskTracker,
}

impl Store {
    /// How many SQL statements were run so far, those of transactions included.
    pub fn statements(&self) -> u64 {
        self.statements.get()
    }

    /// How many transactions were committed so far, those at least of which a caller was told.
    /// Writers who wait together share one. While this stays the same, so does what is read, unless
    /// another program writes into the database.
    pub fn commits(&self) -> u64 {
        self.writer.commits()
    }

    /// Runs a reading to its end, whether or not anybody still waits for it.
    ///
    /// A stream is polled only as fast as its client reads. Were its reading part of the stream, a
    /// few clients that read nothing would hold all connections.
    async fn read<T, Reading>(
        &self,
        reading: impl FnOnce(DatabaseConnection) -> Reading,
    ) -> Result<T, Error>
    where
        T: Send + 'static,
        Reading: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let reading = self.tasks.spawn(reading(self.readers.clone()));
        reading
            .await
            .unwrap_or_else(|panic| Err(Error::Internal(Box::new(panic))))
    }
}

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        Self::Internal(Box::new(error))
    }
}
