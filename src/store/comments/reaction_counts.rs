//! Reading reactions: their numbers, those of one user, and the comments whose reactions changed.

use std::{collections::HashMap, sync::Arc};

use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, JoinType, QueryFilter, QueryOrder, QueryResult,
    QuerySelect, QueryTrait, RelationTrait, Select,
};

use super::visibility::{OF_KEPT_POST, PUBLISHED, holds};
use crate::{
    error::Error,
    model::{Comment, CommentId, MAX_OWN_REACTIONS, PostId, Reaction, ReactionCounts, UserId},
    store::{
        Allowance, Bodies, Page, Store,
        entity::{codes, comment, reaction, reaction_count},
        posts::is_named,
        query::{is_any_of, select_limited},
        rows,
    },
};

/// A comment whose reactions changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reacted {
    /// The comment.
    pub comment: CommentId,
    /// The post's version at the latest change.
    pub version: i64,
}

/// The reactions to a comment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reactions {
    /// Their numbers.
    pub counts: ReactionCounts,
    /// The post's version at their latest change.
    pub version: i64,
}

/// A comment whose reactions changed, in its present state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReactedComment {
    /// The comment.
    pub comment: Comment,
    /// The post's version at the latest change.
    pub version: i64,
}

impl Store {
    /// Returns the reactions to those of the comments that readers see.
    pub async fn reactions_to(
        &self,
        comments: &[CommentId],
    ) -> Result<HashMap<CommentId, Reactions>, Error> {
        use comment::{Column, Entity};
        let ids = comments.iter().map(|id| id.0);
        let query = Entity::find()
            .select_only()
            .columns([Column::Id, Column::ReactionVersion])
            .columns([
                reaction_count::Column::Content,
                reaction_count::Column::Count,
            ])
            .join(
                JoinType::LeftJoin,
                reaction_count::Relation::Comment.def().rev(),
            )
            .filter(is_any_of(Column::Id, ids, self.backend()))
            .filter(holds(PUBLISHED))
            .into_query();
        self.read(move |connection| {
            let query = query.clone();
            async move {
                let mut reactions: HashMap<CommentId, Reactions> = HashMap::new();
                for row in connection.query_all(&query).await? {
                    let version = row.try_get_by_index(1)?;
                    let id = CommentId(row.try_get_by_index(0)?);
                    let of_comment = reactions.entry(id).or_insert(Reactions {
                        counts: ReactionCounts::default(),
                        version,
                    });
                    let content: Option<codes::ReactionContent> = row.try_get_by_index(2)?;
                    let count: Option<i64> = row.try_get_by_index(3)?;
                    if let (Some(content), Some(count)) = (content, count) {
                        of_comment.counts.set(content.into(), count);
                    }
                }
                Ok(reactions)
            }
        })
        .await
    }

    /// Returns a user's newest reactions to comments of the post that `post` names, newest first and at most
    /// [`MAX_OWN_REACTIONS`].
    pub async fn reactions_of(&self, user: &UserId, post: &PostId) -> Result<Vec<Reaction>, Error> {
        use reaction::{Column, Entity, Relation};
        let query = Entity::find()
            .select_only()
            .columns([Column::CommentId, Column::Content])
            .join(JoinType::InnerJoin, Relation::Comment.def())
            .filter(Column::UserId.eq(user.as_str()))
            .filter(is_named(Column::PostId, post))
            .filter(holds(PUBLISHED))
            .filter(holds(OF_KEPT_POST))
            .order_by_desc(Column::CreatedAt)
            .order_by_desc(Column::CommentId)
            .order_by_asc(Column::Content)
            .into_query();
        self.read(move |connection| {
            let query = query.clone();
            async move {
                let rows = select_limited(&query, MAX_OWN_REACTIONS, &connection).await?;
                let reactions = rows.iter().map(|row| {
                    let content: codes::ReactionContent = row.try_get_by_index(1)?;
                    Ok(Reaction {
                        comment: CommentId(row.try_get_by_index(0)?),
                        content: content.into(),
                    })
                });
                reactions.collect()
            }
        })
        .await
    }

    /// Returns the comments of a post that readers see and whose reactions changed after `version`, in the order
    /// of their latest changes.
    pub async fn reacted_after(
        &self,
        post: &PostId,
        version: i64,
        first: usize,
    ) -> Result<Page<Reacted>, Error> {
        use comment::Column;
        let query = reacted(post, version)
            .select_only()
            .columns([Column::Id, Column::ReactionVersion])
            .into_query();
        self.read(move |connection| {
            let query = query.clone();
            async move {
                // One more, which shows that the list continues.
                let rows = select_limited(&query, first as u64 + 1, &connection).await?;
                let items = rows.iter().take(first).map(|row| {
                    Ok(Reacted {
                        comment: CommentId(row.try_get_by_index(0)?),
                        version: row.try_get_by_index(1)?,
                    })
                });
                Ok(Page {
                    items: items.collect::<Result<_, Error>>()?,
                    has_more: rows.len() > first,
                })
            }
        })
        .await
    }

    /// Returns the comments that [`reacted_after`](Self::reacted_after) does, in their present state. The page
    /// ends early where `allowance` does.
    pub async fn comments_reacted_after(
        &self,
        post: &PostId,
        version: i64,
        first: u64,
        allowance: Arc<dyn Allowance>,
    ) -> Result<Page<ReactedComment>, Error> {
        let query = rows::with_authors(reacted(post, version), Bodies::Read);
        let (item, bytes_of) = (reacted_comment, |found: &ReactedComment| {
            found.comment.bytes()
        });
        self.page(query, first, allowance, item, bytes_of).await
    }
}

/// Returns the query for a post's comments whose reactions changed after `version`.
fn reacted(post: &PostId, version: i64) -> Select<comment::Entity> {
    use comment::{Column, Entity};
    Entity::find()
        .filter(Column::PostId.eq(post.as_str()))
        .filter(holds("comment.reaction_version > 0"))
        .filter(Column::ReactionVersion.gt(version))
        .filter(holds(PUBLISHED))
        .order_by_asc(Column::ReactionVersion)
}

fn reacted_comment(row: &QueryResult) -> Result<ReactedComment, Error> {
    Ok(ReactedComment {
        comment: rows::comment(row)?,
        version: rows::reaction_version(row)?,
    })
}
