//! Lists of comments whatever their status: for moderators, and for their authors.

use std::sync::Arc;

use futures_util::TryStreamExt;
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DatabaseConnection, EntityTrait, FromQueryResult,
    QueryFilter, QueryOrder, QueryResult, QuerySelect, QueryTrait, StreamTrait,
    sea_query::{Expr, SelectStatement},
};

use super::visibility::{KEPT, OF_KEPT_POST, PENDING, PUBLISHED, REJECTED, holds};
use crate::{
    error::Error,
    model::{CommentId, CommentStatus, ModeratedComment, PostId, QueueStatus, Timestamp, UserId},
    store::{
        Allowance, Page, Slice, Store,
        entity::{
            comment::{self, Column, Entity},
            user,
        },
        posts::is_named,
        query::{Taken, limited, select_page},
        rows,
    },
    text::folded,
};

/// Maximum number of comments that a search reads for one page.
const SEARCHED: u64 = 5_000;

/// The place of a comment in a list by time of writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WrittenAt {
    /// The time at which the comment was written.
    pub created_at: Timestamp,
    /// The comment's id, which orders comments of the same millisecond.
    pub id: CommentId,
}

impl From<&ModeratedComment> for WrittenAt {
    fn from(comment: &ModeratedComment) -> Self {
        Self {
            created_at: comment.created_at,
            id: comment.id,
        }
    }
}

/// The conditions of a list of comments. Deleted ones are in none.
#[derive(Clone, Debug, Default)]
pub struct CommentFilter {
    /// Keeps those of one status.
    pub status: Option<CommentStatus>,
    /// Keeps those that are not published.
    pub unpublished_only: bool,
    /// Keeps those with unresolved reports.
    pub reported_only: bool,
    /// Keeps those of one post.
    pub post: Option<PostId>,
    /// Keeps those of one author.
    pub author: Option<UserId>,
    /// Keeps those whose body contains this text, ignoring case.
    pub search: Option<String>,
}

/// A page of comments, and the place up to which the list was searched for them.
#[derive(Clone, Debug)]
pub struct SearchedPage {
    /// The page.
    pub page: Page<ModeratedComment>,
    /// The place after which the list goes on, if that is not the last item of the page.
    pub end: Option<WrittenAt>,
}

impl Store {
    /// Returns a page of comments, newest first. It ends early where `allowance` does, and where a search
    /// read as much as it may.
    pub async fn comments_where(
        &self,
        filter: CommentFilter,
        slice: Slice<WrittenAt>,
        allowance: Arc<dyn Allowance>,
    ) -> Result<SearchedPage, Error> {
        let filter = Arc::new(filter);
        self.read(move |connection| {
            let (filter, allowance) = (Arc::clone(&filter), Arc::clone(&allowance));
            async move {
                match &filter.search {
                    Some(text) => search(&filter, text, slice, &*allowance, &connection).await,
                    None => {
                        let query = select(&filter, slice.after);
                        let bytes_of = ModeratedComment::bytes;
                        let page = select_page(
                            &query,
                            slice.first,
                            &*allowance,
                            &connection,
                            moderated,
                            bytes_of,
                        );
                        let page = page.await?;
                        Ok(SearchedPage { page, end: None })
                    }
                }
            }
        })
        .await
    }

    /// Returns the lengths of the lists that wait for moderators.
    pub async fn moderation_queue(&self) -> Result<QueueStatus, Error> {
        self.read(move |connection| async move {
            let pending = count(Entity::find().filter(holds(PENDING)), &connection).await?;
            let reported = Entity::find()
                .filter(holds(PUBLISHED))
                .filter(holds(REPORTED));
            let reported = count(reported, &connection).await?;
            Ok(QueueStatus { pending, reported })
        })
        .await
    }
}

/// Holds for a comment with unresolved reports.
const REPORTED: &str =
    "comment.id IN (SELECT report.comment_id FROM report WHERE report.resolved_at IS NULL)";
/// Holds for a comment that is not published.
const UNPUBLISHED: &str = "comment.status <> 0 AND comment.deleted_at IS NULL";

async fn count(
    query: sea_orm::Select<Entity>,
    connection: &DatabaseConnection,
) -> Result<u64, Error> {
    let query = query
        .filter(holds(OF_KEPT_POST))
        .select_only()
        .expr(Expr::cust("COUNT(*)"));
    let row = connection.query_one(&query.into_query()).await?;
    let count: i64 = row.map_or(Ok(0), |row| row.try_get_by_index(0))?;
    Ok(count.unsigned_abs())
}

/// Reads the list up to `SEARCHED` comments, and keeps those that contain `text`.
async fn search(
    filter: &CommentFilter,
    text: &str,
    slice: Slice<WrittenAt>,
    allowance: &dyn Allowance,
    connection: &DatabaseConnection,
) -> Result<SearchedPage, Error> {
    let text = folded(text);
    let backend = ConnectionTrait::get_database_backend(connection);
    let statement = limited(&select(filter, slice.after), SEARCHED, backend);
    let mut rows = connection.stream_raw(statement).await?;
    let max = usize::try_from(slice.first).unwrap_or(usize::MAX);
    let (mut items, mut taken) = (Vec::new(), Taken::new(allowance));
    let (mut end, mut read) = (slice.after, 0);
    let mut is_full = false;
    while let Some(row) = rows.try_next().await? {
        let comment = moderated(&row)?;
        let contains = folded(&comment.body).contains(&text);
        if contains && (items.len() == max || !taken.take(comment.bytes())?) {
            is_full = true;
            break;
        }
        end = Some((&comment).into());
        read += 1;
        if contains {
            items.push(comment);
        }
    }
    taken.keep();
    let has_more = is_full || read == SEARCHED;
    Ok(SearchedPage {
        page: Page { items, has_more },
        end: end.filter(|_| has_more),
    })
}

fn select(filter: &CommentFilter, after: Option<WrittenAt>) -> SelectStatement {
    let mut query = Entity::find()
        .find_also_related(user::Entity)
        .filter(holds(match filter.status {
            Some(CommentStatus::Published) => PUBLISHED,
            Some(CommentStatus::Pending) => PENDING,
            Some(CommentStatus::Rejected) => REJECTED,
            None if filter.unpublished_only => UNPUBLISHED,
            None => KEPT,
        }))
        .filter(holds(OF_KEPT_POST));
    if filter.reported_only {
        query = query.filter(holds(REPORTED));
    }
    if let Some(post) = &filter.post {
        query = query.filter(is_named(Column::PostId, post));
    }
    if let Some(author) = &filter.author {
        query = query.filter(Column::AuthorId.eq(author.as_str()));
    }
    if let Some(WrittenAt { created_at, id }) = after {
        let same_time = Condition::all()
            .add(Column::CreatedAt.eq(created_at.0))
            .add(Column::Id.lt(id.0));
        let earlier = Condition::any()
            .add(Column::CreatedAt.lt(created_at.0))
            .add(same_time);
        query = query.filter(earlier);
    }
    query
        .order_by_desc(Column::CreatedAt)
        .order_by_desc(Column::Id)
        .into_query()
}

fn moderated(row: &QueryResult) -> Result<ModeratedComment, Error> {
    let comment = comment::Model::from_query_result(row, "A_")?;
    let author = user::Model::from_query_result(row, "B_")?;
    rows::moderated(comment, rows::user(author)?)
}
