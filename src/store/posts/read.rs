//! Finding and listing posts.

use std::{collections::HashMap, sync::Arc};

use indexmap::IndexSet;

use sea_orm::{
    ColumnTrait, Condition, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect,
    QueryTrait, Select,
};

use super::old_ids::is_named;
use crate::{
    error::Error,
    model::{Post, PostId, Seq, Timestamp},
    store::{
        Allowance, Page, Slice, Store,
        entity::post::{Column, Entity, Model},
        query::{is_any_of, select_page},
        rows,
    },
};

/// The sort key of a post in the list of posts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostKey {
    /// The post's `created_at`.
    pub created_at: Timestamp,
    /// The post's id, which orders posts of the same millisecond.
    pub id: PostId,
}

/// The head of a post's feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedHead {
    /// The post, by its present id.
    pub post: PostId,
    /// The seq of its latest change.
    pub seq: Seq,
}

/// The stand of what rooms follow of a post.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PostStand {
    /// The seq of its latest change.
    pub seq: Seq,
    /// The version at the latest change of its details.
    pub detail_version: i64,
    /// The version at the latest change of a reaction; 0 before the first one.
    pub reaction_version: i64,
}

impl Store {
    /// Returns the post that `id` names.
    pub async fn post(&self, id: &PostId) -> Result<Option<Post>, Error> {
        let query = kept().filter(is_named(Column::Id, id));
        self.read(move |connection| {
            let query = query.clone();
            async move {
                // `all`, because the limit that `one` binds makes SQLite prepare the statement again.
                let rows = query.all(&connection).await?;
                rows.into_iter().next().map(rows::post).transpose()
            }
        })
        .await
    }

    /// Returns the posts with these ids, in no order. Those that do not exist are left out. The page ends
    /// early where `allowance` does.
    pub async fn posts_with(
        &self,
        ids: &[PostId],
        allowance: Arc<dyn Allowance>,
    ) -> Result<Page<Post>, Error> {
        let first = ids.len().next_power_of_two() as u64;
        let ids = ids.iter().map(|id| id.as_str().to_owned());
        let query = kept().filter(is_any_of(Column::Id, ids, self.backend()));
        self.page_of_posts(query, first, allowance).await
    }

    /// Returns the posts that these ids name, each once and in the order of the ids. Those that do not exist are
    /// left out.
    pub async fn posts_named(&self, ids: &[PostId]) -> Result<Vec<Post>, Error> {
        let moved = self.moved(ids).await?;
        let present = ids.iter().map(|id| moved.get(id).unwrap_or(id));
        let present: IndexSet<String> = present.map(ToString::to_string).collect();
        let query = kept().filter(is_any_of(Column::Id, present.clone(), self.backend()));
        let rows = self.read(move |connection| {
            let query = query.clone();
            async move { Ok(query.all(&connection).await?) }
        });
        let mut rows = rows.await?;
        rows.sort_by_key(|row| present.get_index_of(&row.id));
        let posts = rows.into_iter().map(rows::post);
        posts.collect()
    }

    /// Returns a page of posts, newest first. It ends early where `allowance` does.
    pub async fn posts(
        &self,
        slice: Slice<PostKey>,
        allowance: Arc<dyn Allowance>,
    ) -> Result<Page<Post>, Error> {
        let mut query = kept()
            .filter(Column::UnlistedSince.is_null())
            .order_by_desc(Column::CreatedAt)
            .order_by_desc(Column::Id);
        if let Some(after) = slice.after {
            let at = after.created_at.0;
            query = query.filter(
                Condition::any().add(Column::CreatedAt.lt(at)).add(
                    Condition::all()
                        .add(Column::CreatedAt.eq(at))
                        .add(Column::Id.lt(after.id.as_str())),
                ),
            );
        }
        self.page_of_posts(query, slice.first, allowance).await
    }

    async fn page_of_posts(
        &self,
        query: Select<Entity>,
        first: u64,
        allowance: Arc<dyn Allowance>,
    ) -> Result<Page<Post>, Error> {
        let query = Arc::new(query);
        self.read(move |connection| {
            let (query, allowance) = (Arc::clone(&query), Arc::clone(&allowance));
            async move {
                let query = query.as_query();
                let post = |row: &_| rows::post(Model::from_query_result(row, "")?);
                select_page(query, first, &*allowance, &connection, post, Post::bytes).await
            }
        })
        .await
    }

    /// Returns the head of the feed of the post that `id` names.
    pub async fn head(&self, id: &PostId) -> Result<Option<FeedHead>, Error> {
        let query = kept()
            .select_only()
            .columns([Column::Id, Column::Seq])
            .filter(is_named(Column::Id, id));
        self.read(move |connection| {
            let query = query.clone().into_tuple();
            async move {
                let rows: Vec<(String, i64)> = query.all(&connection).await?;
                let head = rows.into_iter().next().map(|(id, seq)| {
                    let post = rows::post_id(&id)?;
                    let seq = Seq(seq);
                    Ok(FeedHead { post, seq })
                });
                head.transpose()
            }
        })
        .await
    }

    /// Returns the stand of each post, in one query. Posts that do not exist are left out.
    pub async fn stands(&self, ids: &[PostId]) -> Result<HashMap<PostId, PostStand>, Error> {
        let ids = ids.iter().map(|id| id.as_str().to_owned());
        let query = kept()
            .select_only()
            .columns([
                Column::Id,
                Column::Seq,
                Column::DetailVersion,
                Column::ReactionVersion,
            ])
            .filter(is_any_of(Column::Id, ids, self.backend()));
        self.read(move |connection| {
            let query = query.clone().into_tuple();
            async move {
                let rows: Vec<(String, i64, i64, i64)> = query.all(&connection).await?;
                let stands = rows
                    .into_iter()
                    .map(|(id, seq, detail_version, reaction_version)| {
                        let stand = PostStand {
                            seq: Seq(seq),
                            detail_version,
                            reaction_version,
                        };
                        Ok((rows::post_id(&id)?, stand))
                    });
                stands.collect()
            }
        })
        .await
    }
}

/// Returns a query for the posts that were not deleted.
fn kept() -> Select<Entity> {
    Entity::find().filter(Column::DeletedAt.is_null())
}
