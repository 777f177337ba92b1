//! Batches of jobs.

use sea_orm::{ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter, sea_query::Expr};

use super::{Job, Progress, delete_post, json, lease::Lease, read, reject_comments};
use crate::{
    error::Error,
    model::Timestamp,
    store::{
        Effects, ModerationAction, Store,
        entity::job::{Column, Entity},
    },
};

/// Maximum number of comments in a batch.
pub(super) const BATCH: u64 = 500;

/// A batch that was committed.
#[derive(Debug, Default)]
pub struct Batch {
    /// The effects that others are to hear of.
    pub effects: Vec<Effects>,
    /// Number of comments that it rejected.
    pub(super) rejected: u64,
    /// True if no batch follows now.
    pub is_last: bool,
}

/// A batch that is to be committed.
pub(super) struct Done {
    /// The effects that others are to hear of.
    pub(super) effects: Vec<Effects>,
    /// Number of comments that it rejects.
    pub(super) rejected: u64,
    /// The continuation of the job.
    pub(super) next: Next,
}

/// The continuation of a job after a batch.
pub(super) enum Next {
    /// Nothing: the job is done.
    Nothing,
    /// A batch.
    Batch(Progress),
    /// A batch that is due at a time.
    Later(Progress, Timestamp),
}

impl Store {
    /// Does the next batch of a job and renews the lease on it. Returns `None` if another node has taken the
    /// job over.
    pub async fn do_batch(&self, lease: Lease, now: Timestamp) -> Result<Option<Batch>, Error> {
        let batch = self
            .writer
            .write(move |transaction| Box::pin(async move { apply(transaction, lease, now).await }))
            .await?;
        let rejected = batch.as_ref().map_or(0, |batch| batch.rejected);
        self.moderation.decided(ModerationAction::Reject, rejected);
        Ok(batch)
    }
}

async fn apply(
    transaction: &DatabaseTransaction,
    lease: Lease,
    now: Timestamp,
) -> Result<Option<Batch>, Error> {
    // The job's row is locked first. A node that has lost the lease finds out before it does anything.
    let Some(row) = lease.renew(transaction, now).await? else {
        return Ok(None);
    };
    let (job, progress) = read(&row)?;
    let done = match job {
        Job::RejectComments(job) => {
            let banned_at = Timestamp(row.created_at);
            reject_comments::batch(transaction, &job, progress, banned_at, now).await?
        }
        Job::DeletePost(job) => delete_post::batch(transaction, &job, progress).await?,
    };
    let is_last = !matches!(done.next, Next::Batch(_));
    let update = Entity::update_many().filter(Column::Id.eq(row.id));
    match done.next {
        Next::Nothing => {
            Entity::delete_by_id(row.id).exec(transaction).await?;
        }
        Next::Batch(progress) => {
            let update = update.col_expr(Column::Progress, Expr::val(json(&progress)?));
            update.exec(transaction).await?;
        }
        Next::Later(progress, due) => {
            // A lease until then keeps all nodes from it.
            let update = update
                .col_expr(Column::Progress, Expr::val(json(&progress)?))
                .col_expr(Column::LeaseUntil, Expr::val(due.0));
            update.exec(transaction).await?;
        }
    }
    Ok(Some(Batch {
        effects: done.effects,
        rejected: done.rejected,
        is_last,
    }))
}
