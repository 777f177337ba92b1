//! Jobs: long work that is done in batches, by any node.
//!
//! A job is written in the transaction of the mutation that asks for it, so it is there if and only if the
//! mutation was committed. Each batch is a transaction that also records the progress, so no batch is done
//! twice and none is lost, whichever node dies when. A node works on a job while it has the lease, which
//! each batch renews. After its death another node takes the job over.

mod batch;
mod delete_post;
mod lease;
mod reject_comments;

use std::time::Duration;

use sea_orm::{ActiveValue::Set, DatabaseTransaction, DbErr, EntityTrait, PaginatorTrait};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use self::{
    batch::Batch,
    lease::{JobOwner, Lease},
};
pub(super) use self::{delete_post::DeletePostJob, reject_comments::RejectCommentsJob};
use super::entity::job::{ActiveModel, Entity, Model};
use crate::{error::Error, model::Timestamp};

/// Maximum number of jobs that wait or are worked on.
const MAX_JOBS: u64 = 1_000;
/// Retry hint for a job beyond the maximum.
const RETRY_AFTER: Duration = Duration::from_secs(10);

/// The work of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Job {
    /// Rejects the comments of a user.
    RejectComments(RejectCommentsJob),
    /// Deletes a post with its comments.
    DeletePost(DeletePostJob),
}

impl Job {
    /// The kinds that this version knows. It leaves others to newer nodes.
    const KINDS: [&str; 2] = ["reject_comments", "delete_post"];

    fn kind(&self) -> &'static str {
        match self {
            Self::RejectComments(_) => Self::KINDS[0],
            Self::DeletePost(_) => Self::KINDS[1],
        }
    }
}

/// The part of a job that is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Progress {
    /// Number of comments that were handled.
    done: u64,
    /// The place after which the work goes on, in the order of the job's list.
    after: Option<(i64, Uuid)>,
}

/// Writes a job. Fails with `RateLimited` if too many wait.
pub(super) async fn enqueue(
    transaction: &DatabaseTransaction,
    job: &Job,
    at: Timestamp,
) -> Result<(), Error> {
    if Entity::find().count(transaction).await? >= MAX_JOBS {
        return Err(Error::RateLimited {
            retry_after: RETRY_AFTER,
        });
    }
    let row = ActiveModel {
        id: Set(Uuid::now_v7()),
        kind: Set(job.kind().to_owned()),
        payload: Set(json(job)?),
        progress: Set(json(&Progress::default())?),
        created_at: Set(at.0),
        owner: Set(None),
        lease_until: Set(0),
    };
    Entity::insert(row)
        .exec_without_returning(transaction)
        .await?;
    Ok(())
}

/// Reads the work of a job and its progress.
fn read(row: &Model) -> Result<(Job, Progress), DbErr> {
    let invalid = |error| DbErr::Json(format!("job {}: {error}", row.id));
    let job = serde_json::from_str(&row.payload).map_err(invalid)?;
    let progress = serde_json::from_str(&row.progress).map_err(invalid)?;
    Ok((job, progress))
}

fn json(value: &impl Serialize) -> Result<String, DbErr> {
    serde_json::to_string(value).map_err(|error| DbErr::Json(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_read_by_its_kind() {
        for (job, text) in [
            (
                Job::RejectComments(RejectCommentsJob {
                    author: "ada".to_owned(),
                    by: "mod".to_owned(),
                }),
                r#"{"kind":"reject_comments","author":"ada","by":"mod"}"#,
            ),
            (
                Job::DeletePost(DeletePostJob {
                    post: "p".to_owned(),
                }),
                r#"{"kind":"delete_post","post":"p"}"#,
            ),
        ] {
            // Nodes of several versions read these texts.
            assert_eq!(json(&job).unwrap(), text);
            assert_eq!(serde_json::from_str::<Job>(text).unwrap(), job);
            assert!(text.contains(job.kind()));
        }
    }
}
