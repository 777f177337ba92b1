//! Creating comments, in batches.
//!
//! A comment is accepted or refused before anything is written for it, so a refused one changes nothing. A
//! handful of statements inserts any number of comments: each statement is a round trip to the
//! database, and costs more than a row.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use sea_orm::{DatabaseTransaction, DbErr, EntityTrait, IntoActiveModel};
use uuid::Uuid;

use super::{
    batch_posts::read_posts,
    circumstances::{Accepted, Circumstances},
    held::{Screened, has_published},
    idempotency::{self, Claim, IdempotencyKey},
    locked::count_replies,
    parents::read_parents,
    seq::{Advance, advance},
    state::{StoredComment, Written},
};
use crate::{
    error::Error,
    model::{ClientId, CommentId, PostId, Profile, Seq, Timestamp, User, UserId},
    store::{
        Store,
        entity::{comment::Entity, post},
        group_commit::BatchInsert,
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
    /// The findings on it.
    pub screened: Screened,
    /// The current time.
    pub at: Timestamp,
    /// The client that makes the change.
    pub origin: Option<ClientId>,
    /// The key with which the request may be sent again.
    pub key: Option<IdempotencyKey>,
}

impl Store {
    /// Creates a comment, or holds it for a moderator. If an earlier request with the same key created one,
    /// returns that as it is now, and changes nothing.
    ///
    /// Fails with `NotFound` if there is no such post, and with `Forbidden` if it is closed. Fails with
    /// `BadUserInput` if the parent is not a comment of that post, or is at the maximum depth. Fails with
    /// `Conflict` if the parent is a tombstone, or if the key was used for another request.
    pub async fn create_comment(&self, new: NewComment) -> Result<Written, Error> {
        let written = self.writer.insert(new).await;
        written.inspect(|written| self.moderation.written(written.held))
    }
}

/// A comment of a batch.
enum Entry {
    /// An earlier request with the same key was for this comment.
    Repeated(Result<CommentId, Error>),
    /// A new comment.
    New(Box<NewComment>, Result<Accepted, Error>),
}

impl BatchInsert for NewComment {
    type Inserted = Written;

    async fn insert_batch(
        transaction: &DatabaseTransaction,
        mut batch: Vec<Self>,
    ) -> Result<Vec<Result<Written, Error>>, DbErr> {
        let posts = read_posts(transaction, &mut batch).await?;
        let batch: Vec<(CommentId, Self)> = batch
            .into_iter()
            .map(|new| (CommentId::new(), new))
            .collect();
        let mut repeated = idempotency::claim(transaction, claims(&batch)).await?;
        let new = || {
            let new = batch.iter().filter(|(id, _)| !repeated.contains_key(id));
            new.map(|(_, new)| new)
        };
        let circumstances = Circumstances {
            parents: read_parents(transaction, new().filter_map(|new| new.parent_id)).await?,
            published: published_authors(transaction, new(), &posts).await?,
            posts,
        };
        let entries: Vec<(CommentId, Entry)> = batch
            .into_iter()
            .map(|(id, new)| match repeated.remove(&id) {
                Some(first) => (id, Entry::Repeated(first)),
                None => {
                    let accepted = circumstances.accept(&new);
                    (id, Entry::New(Box::new(new), accepted))
                }
            })
            .collect();
        let mut seqs = take_seqs(transaction, &entries).await?;
        add_replies(transaction, &entries).await?;
        let authors = upsert_authors(transaction, &entries).await?;
        let mut rows = Vec::with_capacity(entries.len());
        let mut refused = HashSet::new();
        let mut results = Vec::with_capacity(entries.len());
        for (id, entry) in entries {
            results.push(match entry {
                Entry::Repeated(first) => first.map(Outcome::Repeated),
                Entry::New(new, Err(refusal)) => {
                    if new.key.is_some() {
                        refused.insert(id);
                    }
                    Err(refusal)
                }
                Entry::New(new, Ok(accepted)) => {
                    let written = circumstances.write(id, *new, &accepted, &mut seqs, &authors);
                    written.map(|(row, written)| {
                        rows.push(row.into_active_model());
                        Outcome::Written(written)
                    })
                }
            });
        }
        idempotency::release(transaction, &refused).await?;
        if !rows.is_empty() {
            Entity::insert_many(rows)
                .exec_without_returning(transaction)
                .await?;
        }
        answers(transaction, results).await
    }
}

/// The result of a creation before repeated comments were read.
enum Outcome {
    Written(Written),
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

/// Returns the authors who have a published comment, of those whose comments depend on it.
async fn published_authors(
    transaction: &DatabaseTransaction,
    batch: impl Iterator<Item = &NewComment>,
    posts: &HashMap<String, post::Model>,
) -> Result<HashSet<UserId>, DbErr> {
    let asked = batch.filter_map(|new| {
        let (user, post) = (&new.author.user, posts.get(new.post_id.as_str())?);
        let asks = new.screened.asks_for_history(user, post);
        asks.then(|| user.id.clone())
    });
    let mut published = HashSet::new();
    for user in asked.collect::<BTreeSet<_>>() {
        if has_published(transaction, &user).await? {
            published.insert(user);
        }
    }
    Ok(published)
}

/// Returns the comments that are created.
fn accepted(entries: &[(CommentId, Entry)]) -> impl Iterator<Item = (&NewComment, &Accepted)> {
    entries.iter().filter_map(|(_, entry)| match entry {
        Entry::New(new, Ok(accepted)) => Some((&**new, accepted)),
        Entry::New(_, Err(_)) | Entry::Repeated(_) => None,
    })
}

/// Returns the comments that are published at once.
fn published(entries: &[(CommentId, Entry)]) -> impl Iterator<Item = &NewComment> {
    let published = accepted(entries).filter(|(_, accepted)| accepted.hold.is_none());
    published.map(|(new, _)| new)
}

/// Takes a seq for each comment that is published, and returns each post's first one.
async fn take_seqs(
    transaction: &DatabaseTransaction,
    entries: &[(CommentId, Entry)],
) -> Result<HashMap<PostId, Seq>, DbErr> {
    // Ordered by id, so two transactions that take seqs at once never deadlock.
    let mut counts: BTreeMap<&PostId, (i64, Timestamp)> = BTreeMap::new();
    for new in published(entries) {
        let (count, newest) = counts.entry(&new.post_id).or_insert((0, new.at));
        *count += 1;
        *newest = new.at.max(*newest);
    }
    let mut first = HashMap::with_capacity(counts.len());
    for (post, (count, newest)) in counts {
        let counted = Advance {
            changes: count,
            comments: count,
            published_at: Some(newest),
        };
        if let Some(Seq(last)) = advance(transaction, post, counted).await? {
            first.insert(post.clone(), Seq(last - count + 1));
        }
    }
    Ok(first)
}

/// Adds the replies that are published to their parents' reply counts.
async fn add_replies(
    transaction: &DatabaseTransaction,
    entries: &[(CommentId, Entry)],
) -> Result<(), DbErr> {
    let mut replies: BTreeMap<Uuid, i64> = BTreeMap::new();
    for parent in published(entries).filter_map(|new| new.parent_id) {
        *replies.entry(parent.0).or_default() += 1;
    }
    for (parent, count) in replies {
        count_replies(transaction, Some(parent), count).await?;
    }
    Ok(())
}

/// Updates the authors of the comments that are created, and returns them as they are now.
async fn upsert_authors(
    transaction: &DatabaseTransaction,
    entries: &[(CommentId, Entry)],
) -> Result<HashMap<UserId, User>, DbErr> {
    let authors: Vec<&Profile> = accepted(entries).map(|(new, _)| &new.author).collect();
    if authors.is_empty() {
        return Ok(HashMap::new());
    }
    users::upsert(transaction, authors).await
}

/// Reads the comments of repeated requests as they are now.
async fn answers(
    transaction: &DatabaseTransaction,
    results: Vec<Result<Outcome, Error>>,
) -> Result<Vec<Result<Written, Error>>, DbErr> {
    let mut answers = Vec::with_capacity(results.len());
    for result in results {
        answers.push(match result {
            Ok(Outcome::Written(written)) => Ok(written),
            Ok(Outcome::Repeated(id)) => match StoredComment::find(transaction, id).await {
                Ok(Some(comment)) => comment.unchanged(),
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
