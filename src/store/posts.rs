//! Posts: opening, finding and listing them.

use std::{collections::HashMap, sync::Arc};

use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, EntityTrait, FromQueryResult, QueryFilter,
    QueryOrder, QuerySelect, QueryTrait, SqlErr,
};

use super::{
    Page, Slice, Store, convert,
    entity::post::{ActiveModel, Column, Entity, Model},
    page::{is_among, rows},
};
use crate::{
    error::Error,
    model::{Post, PostId, Seq, Timestamp},
};

/// A post to be opened to comments.
#[derive(Clone, Debug)]
pub struct NewPost {
    /// The host site's own id.
    pub id: PostId,
    /// As the host site names it.
    pub title: String,
    /// Where it can be read.
    pub url: Option<String>,
    /// Now.
    pub at: Timestamp,
}

/// A place in the list of posts: that of the post with this instant and id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostsAfter {
    /// The post's `created_at`.
    pub created_at: Timestamp,
    /// The post's id, which decides where two were opened in one millisecond.
    pub id: PostId,
}

impl Store {
    /// Opens a post to comments. `Conflict` where there is one with its id.
    pub async fn create_post(&self, new: NewPost) -> Result<Post, Error> {
        let row = ActiveModel {
            id: Set(new.id.to_string()),
            title: Set(new.title),
            url: Set(new.url),
            created_at: Set(new.at.0),
            comment_count: Set(0),
            seq: Set(0),
        };
        self.writer
            .write(move |transaction| {
                let insertion = Entity::insert(row.clone());
                Box::pin(async move {
                    match insertion.exec_with_returning(transaction).await {
                        Ok(row) => convert::post(row),
                        Err(error) => match error.sql_err() {
                            Some(SqlErr::UniqueConstraintViolation(_)) => {
                                Err(Error::Conflict("There is a post with this id already."))
                            }
                            _ => Err(error.into()),
                        },
                    }
                })
            })
            .await
    }

    /// The post with this id.
    pub async fn post(&self, id: &PostId) -> Result<Option<Post>, Error> {
        let query = Entity::find_by_id(id.as_str());
        self.read(move |readers| {
            let query = query.clone();
            async move {
                // No `one`: the limit that it binds has SQLite prepare the statement each time.
                let rows = query.all(&readers).await?;
                rows.into_iter().next().map(convert::post).transpose()
            }
        })
        .await
    }

    /// Posts, the newest first.
    pub async fn posts(&self, slice: Slice<PostsAfter>) -> Result<Page<Post>, Error> {
        let mut query = Entity::find()
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
        let query = Arc::new(query);
        self.read(move |readers| {
            let query = Arc::clone(&query);
            async move {
                let rows = rows(query.as_query(), slice.first + 1, &readers).await?;
                let posts: Result<Vec<Post>, Error> = rows
                    .iter()
                    .map(|row| convert::post(Model::from_query_result(row, "")?))
                    .collect();
                Ok(Page::of(posts?, slice.first))
            }
        })
        .await
    }

    /// Where the post's feed stands; `None` where there is no such post.
    pub async fn seq(&self, id: &PostId) -> Result<Option<Seq>, Error> {
        let query = Entity::find_by_id(id.as_str())
            .select_only()
            .column(Column::Seq);
        self.read(move |readers| {
            let query = query.clone().into_tuple();
            async move { Ok(query.all(&readers).await?.into_iter().next().map(Seq)) }
        })
        .await
    }

    /// Where the feeds of many posts stand, in one query. Posts that do not exist are left out.
    pub async fn seqs(&self, ids: &[PostId]) -> Result<HashMap<PostId, Seq>, Error> {
        let query = Entity::find()
            .select_only()
            .columns([Column::Id, Column::Seq])
            .filter(is_among(
                Column::Id,
                ids.iter().map(|id| id.as_str().to_owned()),
                self.backend(),
            ));
        self.read(move |readers| {
            let query = query.clone().into_tuple();
            async move {
                let rows: Vec<(String, i64)> = query.all(&readers).await?;
                Ok(rows
                    .into_iter()
                    .filter_map(|(id, seq)| Some((PostId::parse(&id)?, Seq(seq))))
                    .collect())
            }
        })
        .await
    }
}
