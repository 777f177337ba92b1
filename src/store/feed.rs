//! The log of a post's feed, as a reader that was away reads it.

use std::sync::Arc;

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QueryResult};

use super::{
    Store, convert,
    entity::comment::{Column, Entity},
    page::rows,
};
use crate::{
    error::Error,
    model::{ClientId, Comment, PostId, Seq},
};

/// A comment's latest state, and which clients made it.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// The comment as it is now.
    pub comment: Arc<Comment>,
    /// The client that added it, where it named itself.
    pub added_by: Option<ClientId>,
    /// The client that made its latest change, where it named itself.
    pub changed_by: Option<ClientId>,
}

impl Store {
    /// The first `limit` comments that were added behind `after`, in the order in which they were
    /// added, each in its latest state.
    pub async fn added_after(
        &self,
        post: &PostId,
        after: Seq,
        limit: u64,
    ) -> Result<Vec<Recorded>, Error> {
        self.recorded(post, Column::AddedSeq, after, limit).await
    }

    /// The first `limit` comments whose latest change is behind `after`, in the order of those
    /// changes, each in its latest state.
    pub async fn changed_after(
        &self,
        post: &PostId,
        after: Seq,
        limit: u64,
    ) -> Result<Vec<Recorded>, Error> {
        self.recorded(post, Column::ChangedSeq, after, limit).await
    }

    async fn recorded(
        &self,
        post: &PostId,
        place: Column,
        after: Seq,
        limit: u64,
    ) -> Result<Vec<Recorded>, Error> {
        let query = Entity::find()
            .filter(Column::PostId.eq(post.as_str()))
            .filter(place.gt(after.0))
            .order_by_asc(place);
        let query = Arc::new(convert::with_authors(query));
        self.read(move |readers| {
            let query = Arc::clone(&query);
            async move {
                let rows = rows(&query, limit, &readers).await?;
                rows.iter().map(recorded).collect()
            }
        })
        .await
    }
}

fn recorded(row: &QueryResult) -> Result<Recorded, Error> {
    let [added_by, changed_by] = convert::origins(row)?;
    Ok(Recorded {
        comment: Arc::new(convert::comment(row)?),
        added_by,
        changed_by,
    })
}
