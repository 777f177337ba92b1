//! The store: every query, and the only place that names `sea_orm`.
//!
//! It knows nothing of rooms and never publishes. `Ok` from a write means committed. An error means
//! that nothing changed, except `OutcomeUnknown`.

mod bans;
mod comments;
mod connect;
mod db_error;
mod entity;
mod epoch;
mod error;
mod feed;
mod group_commit;
mod guest_addresses;
mod hash_key;
mod health;
mod jobs;
mod metrics;
mod page;
mod pool;
mod postgres;
mod posts;
mod query;
mod restore;
mod rows;
mod sqlite;
mod statements;
mod users;
mod versions;

use std::sync::Arc;

use sea_orm::{DatabaseConnection, DbBackend};
use tokio_util::task::TaskTracker;

pub use self::{
    bans::{BanChange, BanKey, BanSeq, BannedComments, NewBan},
    comments::{
        ChangedDetails, ChangedReactions, CommentFilter, DeleteComment, EditComment, Effects,
        IdempotencyKey, Listed, ModerateComment, Moderated, ModerationAction, NewComment,
        NewReport, ParticipantsOf, Pin, PinComment, PublishedAt, React, Reacted, ReactedComment,
        ReactionState, Reactions, Screened, SearchedPage, Written, WrittenAt,
    },
    error::OpenError,
    feed::{FeedEntry, Reason},
    jobs::{Batch, JobOwner, Lease},
    page::{Allowance, Bodies, Levels, Order, Page, Slice, TopPlace},
    posts::{
        DeletePost, EnsureOutcome, EnsurePost, Ensured, EnsuredTitle, FeedHead, Field, MovePost,
        Moved, NewPost, PostKey, PostStand, UpdatePost,
    },
    restore::{RestoreError, restore},
    versions::Versions,
};
use self::{
    comments::ModerationMetrics, group_commit::Writer, hash_key::HashKey, pool::Connections,
    statements::StatementCounter,
};
use crate::{error::Error, model::Epoch};

/// A handle to the database. Clones are cheap and share it.
#[derive(Clone, Debug)]
pub struct Store {
    writer: Writer<NewComment>,
    connections: Connections,
    statements: StatementCounter,
    epoch: Epoch,
    hash_key: HashKey,
    moderation: Arc<ModerationMetrics>,
    /// The workers of the writer, and running reads.
    tasks: TaskTracker,
}

impl Store {
    /// Returns the number of SQL statements so far, including those inside transactions.
    pub fn statements(&self) -> u64 {
        self.statements.get()
    }

    /// Returns the number of writes that wait for a worker.
    pub fn waiting_writes(&self) -> usize {
        self.writer.queued()
    }

    /// Returns the number of committed transactions, which grouped writes share.
    ///
    /// A commit counts before its writers are answered.
    pub fn commits(&self) -> u64 {
        self.writer.commits()
    }

    /// Returns the current version of the data, or `None` if other nodes can write to the database.
    /// Later reads see this version or a newer one.
    pub fn data_version(&self) -> Option<DataVersion> {
        match self.connections {
            Connections::Sqlite(_) => Some(DataVersion(self.commits())),
            Connections::Postgres(_) => None,
        }
    }

    fn backend(&self) -> DbBackend {
        self.connections.pools().read.get_database_backend()
    }

    /// Runs `query` on a read-only connection, to its end even if the caller is dropped.
    ///
    /// A stream is polled only as fast as its client reads. If its query were part of the stream, a
    /// few clients that read nothing would hold all connections.
    ///
    /// `query` is called again if the first connection turns out to be dead.
    async fn read<T, Query>(
        &self,
        query: impl Fn(DatabaseConnection) -> Query + Send + Sync + 'static,
    ) -> Result<T, Error>
    where
        T: Send + 'static,
        Query: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let reading = match self.connections.clone() {
            Connections::Sqlite(pools) => self.tasks.spawn(query(pools.read.clone())),
            Connections::Postgres(supervisor) => self
                .tasks
                .spawn(async move { supervisor.read(query).await }),
        };
        reading
            .await
            .unwrap_or_else(|panic| Err(Error::Internal(Box::new(panic))))
    }
}

/// A version of the data in a database that only this process writes.
///
/// While it stays the same, so do the results of reads, unless another program writes to the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataVersion(u64);
