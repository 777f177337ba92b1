//! The comments of all posts, by the time at which they were published.

use std::sync::Arc;

use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder};

use super::visibility::{OF_KEPT_POST, PUBLISHED, holds};
use crate::{
    error::Error,
    model::{Comment, CommentId, Timestamp},
    store::{
        Allowance, Bodies, Page, Slice, Store,
        entity::comment::{Column, Entity},
        rows,
    },
};

/// The place of a comment in the list by time of publication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublishedAt {
    /// The time at which the comment was first published.
    pub at: Timestamp,
    /// The comment's id, which orders comments of the same millisecond.
    pub id: CommentId,
}

impl Store {
    /// Returns a page of the published comments of all posts, newest first. It ends early where `allowance`
    /// does.
    pub async fn recent_comments(
        &self,
        slice: Slice<PublishedAt>,
        bodies: Bodies,
        allowance: Arc<dyn Allowance>,
    ) -> Result<Page<Comment>, Error> {
        let mut query = Entity::find()
            .filter(holds(PUBLISHED))
            .filter(holds(OF_KEPT_POST))
            .order_by_desc(Column::PublishedAt)
            .order_by_desc(Column::Id);
        if let Some(PublishedAt { at, id }) = slice.after {
            let same_time = Condition::all()
                .add(Column::PublishedAt.eq(at.0))
                .add(Column::Id.lt(id.0));
            let earlier = Condition::any()
                .add(Column::PublishedAt.lt(at.0))
                .add(same_time);
            // The first condition is where the index is entered.
            query = query.filter(Column::PublishedAt.lte(at.0)).filter(earlier);
        }
        let query = rows::with_authors(query, bodies);
        self.comments(query, slice.first, allowance).await
    }
}
