//! The leases of nodes on jobs.

use std::time::Duration;

use sea_orm::{
    ColumnTrait, Condition, DatabaseTransaction, DbErr, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect, QueryTrait, sea_query::Expr,
};
use uuid::Uuid;

use super::Job;
use crate::{
    error::Error,
    model::Timestamp,
    store::{
        Store,
        entity::job::{Column, Entity, Model},
        query::select_limited,
    },
};

/// Time for which a node alone works on a job after it began a batch. Longer than a batch takes.
const LEASE: Duration = Duration::from_secs(6);

/// A node, as the owner of jobs. Each start is another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobOwner(Uuid);

impl JobOwner {
    /// Creates an owner of no job.
    pub fn new() -> Self {
        Self(Uuid::new_v4())
    }
}

impl Default for JobOwner {
    fn default() -> Self {
        Self::new()
    }
}

/// A node's lease on a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    pub(super) job: Uuid,
    pub(super) owner: JobOwner,
}

impl Store {
    /// Takes the lease on the oldest job that no node works on. Returns `None` if there is none.
    pub async fn lease_job(&self, owner: JobOwner, now: Timestamp) -> Result<Option<Lease>, Error> {
        // Most of the time there is none, and a reader finds that out.
        let Some(job) = self.due_job(now).await? else {
            return Ok(None);
        };
        let lease = Lease { job, owner };
        let is_taken = self.writer.write(move |transaction| {
            Box::pin(async move { Ok(lease.take(transaction, now).await?) })
        });
        Ok(is_taken.await?.then_some(lease))
    }

    /// Ends a lease, so that another node may go on with the job at once.
    pub async fn release_job(&self, lease: Lease) -> Result<(), Error> {
        self.writer
            .write(move |transaction| {
                Box::pin(async move {
                    Entity::update_many()
                        .col_expr(Column::LeaseUntil, Expr::val(0))
                        .filter(lease.is_held())
                        .exec(transaction)
                        .await?;
                    Ok(())
                })
            })
            .await
    }

    async fn due_job(&self, now: Timestamp) -> Result<Option<Uuid>, Error> {
        let query = Entity::find()
            .select_only()
            .column(Column::Id)
            .filter(is_due(now))
            .order_by_asc(Column::CreatedAt)
            .into_query();
        self.read(move |connection| {
            let query = query.clone();
            async move {
                let rows = select_limited(&query, 1, &connection).await?;
                let id = rows.first().map(|row| row.try_get_by_index(0));
                Ok(id.transpose()?)
            }
        })
        .await
    }
}

impl Lease {
    /// Takes the lease, unless another node has taken it. Returns true if it is held now.
    async fn take(self, transaction: &DatabaseTransaction, now: Timestamp) -> Result<bool, DbErr> {
        let taken = Entity::update_many()
            .col_expr(Column::Owner, Expr::val(self.owner.0))
            .col_expr(Column::LeaseUntil, Expr::val(now.plus(LEASE).0))
            .filter(Column::Id.eq(self.job))
            .filter(is_due(now))
            .exec(transaction)
            .await?;
        Ok(taken.rows_affected > 0)
    }

    /// Renews the lease and locks the job until the transaction ends. Returns `None` if another node has
    /// taken it over.
    pub(super) async fn renew(
        self,
        transaction: &DatabaseTransaction,
        now: Timestamp,
    ) -> Result<Option<Model>, DbErr> {
        let renewed = Entity::update_many()
            .col_expr(Column::LeaseUntil, Expr::val(now.plus(LEASE).0))
            .filter(self.is_held())
            .exec_with_returning(transaction)
            .await?;
        Ok(renewed.into_iter().next())
    }

    fn is_held(self) -> Condition {
        Condition::all()
            .add(Column::Id.eq(self.job))
            .add(Column::Owner.eq(self.owner.0))
    }
}

/// Returns the condition that a job of a known kind has no lease at `now`.
fn is_due(now: Timestamp) -> Condition {
    Condition::all()
        .add(Column::LeaseUntil.lt(now.0))
        .add(Column::Kind.is_in(Job::KINDS))
}
