//! The store: the log of every post's feed, and the truth. The only place that names `sea_orm`.
//!
//! It knows nothing of rooms: it never publishes. What it returns was committed; a caller that was
//! given an error may rely on nothing having been changed.

mod comments;
mod connect;
mod convert;
mod entity;
mod feed;
mod page;
mod posts;

use sea_orm::{DatabaseConnection, DatabaseTransaction, DbErr, TransactionTrait};

use tokio_util::task::TaskTracker;

pub use self::{
    comments::{DeleteComment, Deletion, EditComment, NewComment},
    connect::OpenError,
    feed::Recorded,
    page::{Order, Page, Slice},
    posts::{NewPost, PostsAfter},
};
use crate::error::Error;

/// A handle on the database; cloning it is cheap and gives the same database.
#[derive(Clone, Debug)]
pub struct Store {
    /// One connection: SQLite has one writer at a time, and waiting for it here is fair, where
    /// waiting inside SQLite is polling.
    writer: DatabaseConnection,
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

    async fn begin(&self) -> Result<DatabaseTransaction, Error> {
        let begun = self.writer.begin_with_options(connect::immediate()).await;
        begun.map_err(Error::from)
    }
}

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        Self::Internal(Box::new(error))
    }
}
