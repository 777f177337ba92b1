//! Creating comments, in batches.
//!
//! A comment is validated before anything is written for it, so a refused one changes nothing. A
//! handful of statements inserts any number of comments: each statement is a round trip to the
//! database, and costs more than a row.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait, QueryFilter,
    sea_query::{Expr, ExprTrait, Query},
};
use uuid::Uuid;

use super::seq::{advance_seq, lock_posts};
use crate::{
    error::{Error, Kind},
    model::{Change, ChangeKind, ClientId, Comment, CommentId, PostId, Seq, Timestamp, User},
    store::{
        Store,
        entity::{
            comment::{ActiveModel, Column, Entity},
            post,
        },
        group_commit::BatchInsert,
        query::is_any_of,
        users,
    },
};

/// A comment to create.
#[derive(Clone, Debug)]
pub struct NewComment {
    /// The id of its post.
    pub post_id: PostId,
    /// The comment that it replies to.
    pub parent_id: Option<CommentId>,
    /// The maximum depth of replies; a top-level comment has depth 0.
    pub max_depth: u32,
    /// The author, whose row is updated to match.
    pub author: User,
    /// The body, trimmed and not empty.
    pub body: String,
    /// The current time.
    pub at: Timestamp,
    /// The client that makes the change.
    pub origin: Option<ClientId>,
}

impl Store {
    /// Creates a comment.
    ///
    /// Fails with `NotFound` if there is no such post. Fails with `BadUserInput` if the parent is not a
    /// comment of that post, or is at the maximum depth, and with `Conflict` if it was deleted.
    pub async fn create_comment(&self, new: NewComment) -> Result<Change, Error> {
        self.writer.insert(new).await
    }
}

impl BatchInsert for NewComment {
    type Inserted = Change;

    async fn insert_batch(
        transaction: &DatabaseTransaction,
        batch: Vec<Self>,
    ) -> Result<Vec<Result<Change, Error>>, DbErr> {
        // Posts are locked first, then comments, then users, each in the order of their ids. So
        // concurrent transactions may wait for each other, but never in a circle.
        let posts: BTreeSet<&str> = batch.iter().map(|new| new.post_id.as_str()).collect();
        let posts = posts.into_iter().map(str::to_owned);
        let posts = is_any_of(post::Column::Id, posts, transaction.get_database_backend());
        lock_posts(transaction, posts).await?;
        let depths = count_replies(transaction, &batch).await?;
        let mut next_seqs = reserve_seqs(transaction, &batch, &depths).await?;
        let mut rows = Vec::with_capacity(batch.len());
        let results: Vec<Result<Change, Error>> = batch
            .into_iter()
            .zip(depths)
            .map(|(new, depth)| {
                let depth = depth?;
                let seq = next_seqs.get_mut(&new.post_id);
                let seq = seq.ok_or(Error::NotFound(Kind::Post))?;
                let change = change(new, *seq, depth);
                *seq = seq.next();
                rows.push(row(&change));
                Ok(change)
            })
            .collect();
        if !rows.is_empty() {
            let changes = results.iter().flatten();
            let authors: Vec<&User> = changes.map(|change| &change.comment.author).collect();
            users::upsert(transaction, &authors).await?;
            Entity::insert_many(rows)
                .exec_without_returning(transaction)
                .await?;
        }
        Ok(results)
    }
}

/// Adds the replies of `batch` to their parents' reply counts, and returns each comment's depth.
/// Refuses a reply whose parent is not a comment of its post, was deleted, or is at the maximum depth.
async fn count_replies(
    transaction: &DatabaseTransaction,
    batch: &[NewComment],
) -> Result<Vec<Result<i64, Error>>, DbErr> {
    let mut replies: BTreeMap<(Uuid, &PostId, u32), Vec<usize>> = BTreeMap::new();
    for (index, new) in batch.iter().enumerate() {
        if let Some(parent) = new.parent_id {
            replies
                .entry((parent.0, &new.post_id, new.max_depth))
                .or_default()
                .push(index);
        }
    }
    let mut depths: Vec<Result<i64, Error>> = batch.iter().map(|_| Ok(0)).collect();
    for ((parent, post, max_depth), indexes) in replies {
        let count = i64::try_from(indexes.len()).unwrap_or(i64::MAX);
        let update = Query::update()
            .table(Entity)
            .value(Column::ReplyCount, Expr::col(Column::ReplyCount).add(count))
            .and_where(Column::Id.eq(parent))
            .and_where(Column::PostId.eq(post.as_str()))
            .and_where(Column::Depth.lt(i64::from(max_depth)))
            .and_where(Column::DeletedAt.is_null())
            .returning_col(Column::Depth)
            .to_owned();
        if let Some(updated) = transaction.query_one(&update).await? {
            let depth: i64 = updated.try_get_by_index(0)?;
            for index in indexes {
                depths[index] = Ok(depth + 1);
            }
            continue;
        }
        let refusal = find_refusal(transaction, CommentId(parent), post).await?;
        for index in indexes {
            depths[index] = Err(refusal.error(max_depth));
        }
    }
    Ok(depths)
}

/// The reason why a comment cannot be replied to.
#[derive(Clone, Copy)]
enum Refusal {
    NoPost,
    NoParent,
    DeletedParent,
    TooDeep,
}

impl Refusal {
    fn error(self, max_depth: u32) -> Error {
        match self {
            Self::NoPost => Error::NotFound(Kind::Post),
            Self::NoParent => {
                Error::bad_input("parentId", "The parent must be a comment of the same post.")
            }
            Self::DeletedParent => Error::Conflict("The comment to reply to was deleted."),
            Self::TooDeep => {
                let message = format!("The depth of replies is at most {max_depth}.");
                Error::bad_input("parentId", message)
            }
        }
    }
}

async fn find_refusal(
    transaction: &impl ConnectionTrait,
    parent: CommentId,
    post: &PostId,
) -> Result<Refusal, DbErr> {
    let parent = Entity::find_by_id(parent.0).filter(Column::PostId.eq(post.as_str()));
    if let Some(parent) = parent.one(transaction).await? {
        return Ok(match parent.deleted_at {
            Some(_) => Refusal::DeletedParent,
            None => Refusal::TooDeep,
        });
    }
    let post = post::Entity::find_by_id(post.as_str());
    Ok(match post.one(transaction).await? {
        Some(_) => Refusal::NoParent,
        None => Refusal::NoPost,
    })
}

/// Takes a seq for each comment that was not refused, and returns each post's first one. Posts that do
/// not exist are left out.
async fn reserve_seqs(
    transaction: &DatabaseTransaction,
    batch: &[NewComment],
    depths: &[Result<i64, Error>],
) -> Result<HashMap<PostId, Seq>, DbErr> {
    // Ordered by id, so two transactions that take seqs at once never deadlock.
    let mut counts: BTreeMap<&PostId, i64> = BTreeMap::new();
    for (new, depth) in batch.iter().zip(depths) {
        if depth.is_ok() {
            *counts.entry(&new.post_id).or_default() += 1;
        }
    }
    let mut first = HashMap::with_capacity(counts.len());
    for (post, count) in counts {
        if let Some(Seq(last)) = advance_seq(transaction, post, count, count).await? {
            first.insert(post.clone(), Seq(last - count + 1));
        }
    }
    Ok(first)
}

fn change(new: NewComment, seq: Seq, depth: i64) -> Change {
    Change {
        kind: ChangeKind::Added,
        seq,
        origin: new.origin,
        comment: Arc::new(Comment {
            id: CommentId::new(),
            post_id: new.post_id,
            parent_id: new.parent_id,
            author: new.author,
            body: new.body,
            created_at: new.at,
            edited_at: None,
            is_deleted: false,
            added_seq: seq,
            changed_seq: seq,
            entered_seq: Some(seq),
            depth,
            reply_count: 0,
        }),
    }
}

fn row(change: &Change) -> ActiveModel {
    let comment = &change.comment;
    let origin = change.origin.as_ref().map(ToString::to_string);
    ActiveModel {
        id: Set(comment.id.0),
        post_id: Set(comment.post_id.to_string()),
        parent_id: Set(comment.parent_id.map(|parent| parent.0)),
        author_id: Set(comment.author.id.to_string()),
        body: Set(comment.body.clone()),
        created_at: Set(comment.created_at.0),
        edited_at: Set(None),
        deleted_at: Set(None),
        added_seq: Set(comment.added_seq.0),
        changed_seq: Set(comment.changed_seq.0),
        entered_seq: Set(comment.entered_seq.map(|seq| seq.0)),
        entered_by: Set(origin.clone()),
        changed_by: Set(origin),
        change_kind: Set(change.kind.into()),
        reply_count: Set(0),
        depth: Set(comment.depth),
    }
}
