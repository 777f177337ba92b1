//! Adding comments: those that wait together are added together.
//!
//! What a comment must fulfil is looked at before anything is changed for it, so one that is refused
//! leaves nothing behind. A handful of statements adds any number of comments: each statement is a
//! way to the database's thread and back, which costs more than the row.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait, QueryFilter,
    sea_query::{Expr, ExprTrait, OnConflict, Query},
};
use uuid::Uuid;

use super::{
    Store,
    comments::{hold_posts, take_places},
    entity::{
        comment::{ActiveModel, Column, Entity},
        post, user,
    },
    page::is_among,
};
use crate::{
    error::{Error, Kind},
    model::{
        Change, ChangeKind, ClientId, Comment, CommentId, PostId, Seq, Timestamp, User, UserId,
    },
};

/// A comment to be added.
#[derive(Clone, Debug)]
pub struct NewComment {
    /// The post that it belongs to.
    pub post_id: PostId,
    /// The comment that it answers.
    pub parent_id: Option<CommentId>,
    /// How deep it may stand below a top-level comment.
    pub deepest: u32,
    /// Who writes it; the user's row is made equal to this.
    pub author: User,
    /// Its text, trimmed and not empty.
    pub body: String,
    /// Now.
    pub at: Timestamp,
    /// The client that sends it.
    pub origin: Option<ClientId>,
}

impl Store {
    /// Adds a comment. `NotFound` where there is no such post, `BadUserInput` where the parent is
    /// not a comment of the post, or stands so deep that nothing may stand below it.
    pub async fn create_comment(&self, new: NewComment) -> Result<Change, Error> {
        self.writer.add(new).await
    }
}

/// Adds comments in this order, and returns for each what became of it, in the same order. After an
/// error of the database the transaction is to be undone.
pub(super) async fn add(
    transaction: &DatabaseTransaction,
    news: Vec<NewComment>,
) -> Result<Vec<Result<Change, Error>>, DbErr> {
    // First the posts, then comments, then users, each kind in one order: whoever adds elsewhere at
    // the same time may wait for this, and this for them, but never both.
    let posts: BTreeSet<&str> = news.iter().map(|new| new.post_id.as_str()).collect();
    let posts = posts.into_iter().map(str::to_owned);
    let posts = is_among(post::Column::Id, posts, transaction.get_database_backend());
    hold_posts(transaction, posts).await?;
    let depths = answer_parents(transaction, &news).await?;
    let mut next = reserve_places(transaction, &news, &depths).await?;
    let mut rows = Vec::with_capacity(news.len());
    let added: Vec<Result<Change, Error>> = news
        .into_iter()
        .zip(depths)
        .map(|(new, depth)| {
            let depth = depth?;
            let seq = next.get_mut(&new.post_id);
            let seq = seq.ok_or(Error::NotFound(Kind::Post))?;
            let change = change(new, *seq);
            *seq = seq.next();
            rows.push(row(&change, depth));
            Ok(change)
        })
        .collect();
    if !rows.is_empty() {
        let changes: Vec<&Change> = added.iter().flatten().collect();
        write_users(transaction, &changes).await?;
        Entity::insert_many(rows)
            .exec_without_returning(transaction)
            .await?;
    }
    Ok(added)
}

/// Counts the replies at their parents, and returns for each comment how deep it stands. Those are
/// refused whose parent is no comment of their post, or stands too deep to be answered.
async fn answer_parents(
    transaction: &DatabaseTransaction,
    news: &[NewComment],
) -> Result<Vec<Result<i64, Error>>, DbErr> {
    let mut replies: BTreeMap<(Uuid, &PostId, u32), Vec<usize>> = BTreeMap::new();
    for (place, new) in news.iter().enumerate() {
        if let Some(parent) = new.parent_id {
            replies
                .entry((parent.0, &new.post_id, new.deepest))
                .or_default()
                .push(place);
        }
    }
    let mut depths: Vec<Result<i64, Error>> = news.iter().map(|_| Ok(0)).collect();
    for ((parent, post, deepest), places) in replies {
        let count = i64::try_from(places.len()).unwrap_or(i64::MAX);
        let update = Query::update()
            .table(Entity)
            .value(Column::ReplyCount, Expr::col(Column::ReplyCount).add(count))
            .and_where(Column::Id.eq(parent))
            .and_where(Column::PostId.eq(post.as_str()))
            .and_where(Column::Depth.lt(i64::from(deepest)))
            .returning_col(Column::Depth)
            .to_owned();
        if let Some(answered) = transaction.query_one(&update).await? {
            let depth: i64 = answered.try_get_by_index(0)?;
            for place in places {
                depths[place] = Ok(depth + 1);
            }
            continue;
        }
        let why = why_unanswered(transaction, CommentId(parent), post).await?;
        for place in places {
            depths[place] = Err(match why {
                Unanswered::NoPost => Error::NotFound(Kind::Post),
                Unanswered::NoParent => {
                    Error::bad_input("parentId", "The parent must be a comment of the same post.")
                }
                Unanswered::TooDeep => {
                    let message = format!("Replies stand at most {deepest} deep.");
                    Error::bad_input("parentId", message)
                }
            });
        }
    }
    Ok(depths)
}

/// Why a comment cannot be answered.
#[derive(Clone, Copy)]
enum Unanswered {
    NoPost,
    NoParent,
    TooDeep,
}

async fn why_unanswered(
    transaction: &impl ConnectionTrait,
    parent: CommentId,
    post: &PostId,
) -> Result<Unanswered, DbErr> {
    let parent = Entity::find_by_id(parent.0).filter(Column::PostId.eq(post.as_str()));
    if parent.one(transaction).await?.is_some() {
        return Ok(Unanswered::TooDeep);
    }
    let post = post::Entity::find_by_id(post.as_str());
    Ok(match post.one(transaction).await? {
        Some(_) => Unanswered::NoParent,
        None => Unanswered::NoPost,
    })
}

/// Takes a place in its post's feed for each comment that was not refused; returns the first of each
/// post's. Posts that do not exist are left out.
async fn reserve_places(
    transaction: &DatabaseTransaction,
    news: &[NewComment],
    depths: &[Result<i64, Error>],
) -> Result<HashMap<PostId, Seq>, DbErr> {
    // In one order for all: two transactions that take places at once must not wait for each other.
    let mut counts: BTreeMap<&PostId, i64> = BTreeMap::new();
    for (new, depth) in news.iter().zip(depths) {
        if depth.is_ok() {
            *counts.entry(&new.post_id).or_default() += 1;
        }
    }
    let mut first = HashMap::with_capacity(counts.len());
    for (post, count) in counts {
        if let Some(Seq(last)) = take_places(transaction, post, count, count).await? {
            first.insert(post.clone(), Seq(last - count + 1));
        }
    }
    Ok(first)
}

/// Makes the authors' rows what their tokens say, and writes nothing where they are that already.
async fn write_users(transaction: &DatabaseTransaction, changes: &[&Change]) -> Result<(), DbErr> {
    use user::{ActiveModel, Column, Entity};
    // Of one who writes twice, what the later token says.
    let authors = changes.iter().map(|change| &change.comment.author);
    let authors: BTreeMap<&UserId, &User> = authors.map(|author| (&author.id, author)).collect();
    let rows = authors.into_values().map(|author| ActiveModel {
        id: Set(author.id.to_string()),
        name: Set(author.name.to_string()),
        avatar: Set(author.avatar.as_deref().map(str::to_owned)),
    });
    let stored = |column: Column| Expr::col((Entity, column));
    let told = |column: Column| Expr::col(("excluded", column));
    let differs = stored(Column::Name)
        .ne(told(Column::Name))
        .or(stored(Column::Avatar)
            .is_null()
            .ne(told(Column::Avatar).is_null()))
        .or(stored(Column::Avatar).ne(told(Column::Avatar)));
    Entity::insert_many(rows)
        .on_conflict(
            OnConflict::column(Column::Id)
                .update_columns([Column::Name, Column::Avatar])
                .action_and_where(differs)
                .to_owned(),
        )
        .exec_without_returning(transaction)
        .await?;
    Ok(())
}

fn change(new: NewComment, seq: Seq) -> Change {
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
            reply_count: 0,
        }),
    }
}

fn row(change: &Change, depth: i64) -> ActiveModel {
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
        added_by: Set(origin.clone()),
        changed_by: Set(origin),
        reply_count: Set(0),
        depth: Set(depth),
    }
}
