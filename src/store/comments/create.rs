//! Creating comments, in batches.
//!
//! A comment is validated before anything is written for it, so a refused one changes nothing. A
//! handful of statements inserts any number of comments: each statement is a round trip to the
//! database, and costs more than a row.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait, QueryFilter,
    sea_query::{Expr, ExprTrait, Query},
};
use uuid::Uuid;

use super::{
    idempotency::{self, Claim, IdempotencyKey},
    read::find,
    seq::{advance_seq, lock_posts},
};
use crate::{
    error::{Error, Kind},
    model::{
        Change, ChangeKind, ClientId, Comment, CommentId, PostId, Profile, Seq, Timestamp, User,
        UserId,
    },
    store::{
        Bodies, Store,
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
    /// The author, whose row is updated to match unless it is newer.
    pub author: Profile,
    /// The body, trimmed and not empty.
    pub body: String,
    /// The current time.
    pub at: Timestamp,
    /// The client that makes the change.
    pub origin: Option<ClientId>,
    /// The key with which the request may be sent again.
    pub key: Option<IdempotencyKey>,
}

/// The result of a creation.
#[derive(Clone, Debug)]
pub enum Creation {
    /// The comment was added.
    Added(Change),
    /// An earlier request with the same key added this comment, and nothing changed.
    Repeated(Arc<Comment>),
}

impl Creation {
    /// Returns the comment.
    pub fn comment(&self) -> &Arc<Comment> {
        match self {
            Self::Added(change) => &change.comment,
            Self::Repeated(comment) => comment,
        }
    }
}

impl Store {
    /// Creates a comment.
    ///
    /// Fails with `NotFound` if there is no such post. Fails with `BadUserInput` if the parent is not a
    /// comment of that post, or is at the maximum depth. Fails with `Conflict` if the parent was deleted, or
    /// if the key was used for another request.
    pub async fn create_comment(&self, new: NewComment) -> Result<Creation, Error> {
        self.writer.insert(new).await
    }
}

impl BatchInsert for NewComment {
    type Inserted = Creation;

    async fn insert_batch(
        transaction: &DatabaseTransaction,
        batch: Vec<Self>,
    ) -> Result<Vec<Result<Creation, Error>>, DbErr> {
        // Posts are locked first, then keys, then comments, then users, each in the order of their ids. So
        // concurrent transactions may wait for each other, but never in a circle.
        let posts: BTreeSet<&str> = batch.iter().map(|new| new.post_id.as_str()).collect();
        let posts = posts.into_iter().map(str::to_owned);
        let posts = is_any_of(post::Column::Id, posts, transaction.get_database_backend());
        lock_posts(transaction, posts).await?;
        let batch: Vec<(CommentId, Self)> = batch
            .into_iter()
            .map(|new| (CommentId::new(), new))
            .collect();
        let mut repeated = idempotency::claim(transaction, claims(&batch)).await?;
        let new: Vec<&Self> = batch
            .iter()
            .filter(|(id, _)| !repeated.contains_key(id))
            .map(|(_, new)| new)
            .collect();
        let depths = count_replies(transaction, &new).await?;
        let mut next_seqs = reserve_seqs(transaction, &new, &depths).await?;
        let authors = upsert_authors(transaction, &new, &depths, &next_seqs).await?;
        let mut depths = depths.into_iter();
        let mut rows = Vec::with_capacity(batch.len());
        let mut refused = HashSet::new();
        let mut results = Vec::with_capacity(batch.len());
        for (id, new) in batch {
            let result = match repeated.remove(&id) {
                Some(first) => first.map(Outcome::Repeated),
                None => {
                    let has_key = new.key.is_some();
                    let added = match depths.next().unwrap_or(Ok(0)) {
                        Ok(depth) => add(id, new, depth, &mut next_seqs, &authors),
                        Err(refusal) => Err(refusal),
                    };
                    match &added {
                        Ok(change) => rows.push(row(change)),
                        Err(_) if has_key => {
                            refused.insert(id);
                        }
                        Err(_) => {}
                    }
                    added.map(Outcome::Added)
                }
            };
            results.push(result);
        }
        idempotency::release(transaction, &refused).await?;
        insert(transaction, rows).await?;
        answers(transaction, results).await
    }
}

/// The result of a creation before repeated comments were read.
enum Outcome {
    Added(Change),
    Repeated(CommentId),
}

fn claims(batch: &[(CommentId, NewComment)]) -> Vec<Claim<'_>> {
    let claims = batch.iter().filter_map(|(id, new)| {
        Some(Claim {
            user: &new.author.user.id,
            key: new.key.as_ref()?,
            comment: *id,
            at: new.at,
        })
    });
    claims.collect()
}

/// Gives a comment its seq, the next of its post.
fn add(
    id: CommentId,
    new: NewComment,
    depth: i64,
    next_seqs: &mut HashMap<PostId, Seq>,
    authors: &HashMap<UserId, User>,
) -> Result<Change, Error> {
    let seq = next_seqs.get_mut(&new.post_id);
    let seq = seq.ok_or(Error::NotFound(Kind::Post))?;
    let author = authors.get(&new.author.user.id);
    let author = author.unwrap_or(&new.author.user).clone();
    let change = change(id, new, author, *seq, depth);
    *seq = seq.next();
    Ok(change)
}

/// Updates the authors of the comments that are created, and returns them as they are now.
async fn upsert_authors(
    transaction: &DatabaseTransaction,
    batch: &[&NewComment],
    depths: &[Result<i64, Error>],
    next_seqs: &HashMap<PostId, Seq>,
) -> Result<HashMap<UserId, User>, DbErr> {
    let is_created = |(new, depth): &(&&NewComment, &Result<_, _>)| {
        depth.is_ok() && next_seqs.contains_key(&new.post_id)
    };
    let created = batch.iter().zip(depths).filter(is_created);
    let authors: Vec<&Profile> = created.map(|(new, _)| &new.author).collect();
    if authors.is_empty() {
        return Ok(HashMap::new());
    }
    users::upsert_returning(transaction, &authors).await
}

async fn insert(transaction: &DatabaseTransaction, rows: Vec<ActiveModel>) -> Result<(), DbErr> {
    if !rows.is_empty() {
        Entity::insert_many(rows)
            .exec_without_returning(transaction)
            .await?;
    }
    Ok(())
}

/// Reads the comments of repeated requests as they are now.
async fn answers(
    transaction: &DatabaseTransaction,
    results: Vec<Result<Outcome, Error>>,
) -> Result<Vec<Result<Creation, Error>>, DbErr> {
    let mut answers = Vec::with_capacity(results.len());
    for result in results {
        answers.push(match result {
            Ok(Outcome::Added(change)) => Ok(Creation::Added(change)),
            Ok(Outcome::Repeated(id)) => match find(transaction, id, Bodies::Read).await {
                Ok(Some(comment)) => Ok(Creation::Repeated(Arc::new(comment))),
                // Both requests were in this batch.
                Ok(None) => Err(Error::Conflict(
                    "The first request with this key was refused.",
                )),
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
        });
    }
    Ok(answers)
}

/// Adds the replies of `batch` to their parents' reply counts, and returns each comment's depth.
/// Refuses a reply whose parent is not a comment of its post, was deleted, or is at the maximum depth.
async fn count_replies(
    transaction: &DatabaseTransaction,
    batch: &[&NewComment],
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
    batch: &[&NewComment],
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

fn change(id: CommentId, new: NewComment, author: User, seq: Seq, depth: i64) -> Change {
    Change {
        kind: ChangeKind::Added,
        seq,
        origin: new.origin,
        comment: Arc::new(Comment {
            id,
            post_id: new.post_id,
            parent_id: new.parent_id,
            author,
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
