//! Idempotent creation: a request that is sent again with its key makes no second comment.
//!
//! A key is claimed in the transaction that makes the comment. So it is there if and only if the comment is,
//! also after a lost answer, a crash, or on another node.

use std::collections::{HashMap, HashSet};

use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, Condition, ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, EntityTrait,
    QueryFilter, QueryOrder, QuerySelect, QueryTrait,
    sea_query::{LockBehavior, LockType, OnConflict},
};
use uuid::Uuid;

use crate::{
    error::Error,
    model::{CommentId, Timestamp, UserId},
    store::{
        Store,
        entity::idempotency_key::{ActiveModel, Column, Entity, Model},
    },
};

/// The time for which keys are kept, at least.
const KEPT_MILLIS: i64 = 7 * 24 * 60 * 60 * 1000;
/// Maximum number of expired keys that a write deletes. Each write adds fewer.
const MAX_DELETED: u64 = 1_000;

/// The key of a request that may be sent again, and a hash of what it asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// The key that the client made: 1 to 64 characters.
    pub key: String,
    /// The hash of the request. A request with the same key and another hash is refused.
    pub request: [u8; 32],
}

/// A comment to be created with a key.
pub(super) struct Claim<'a> {
    pub(super) user: &'a UserId,
    pub(super) key: &'a IdempotencyKey,
    pub(super) comment: CommentId,
    pub(super) at: Timestamp,
}

impl Store {
    /// Returns the comment that this user's first request with this key made, if there was one.
    ///
    /// Fails with `Conflict` if that request was another.
    pub async fn comment_of_key(
        &self,
        user: &UserId,
        key: &IdempotencyKey,
    ) -> Result<Option<CommentId>, Error> {
        let query = Entity::find_by_id((user.to_string(), key.key.clone()));
        let rows = self.read(move |connection| {
            let query = query.clone();
            async move { Ok(query.all(&connection).await?) }
        });
        let first = rows.await?.into_iter().next();
        first.map(|first| first.comment_for(key)).transpose()
    }
}

impl Model {
    /// Returns the comment that the key made, if this is the same request again.
    fn comment_for(&self, key: &IdempotencyKey) -> Result<CommentId, Error> {
        if self.request == key.request {
            Ok(CommentId(self.comment_id))
        } else {
            Err(Error::Conflict(
                "This key was used for another comment: make a new key for each comment.",
            ))
        }
    }
}

/// Claims the keys. Returns, for each comment whose key was used before, the comment that the key made.
pub(super) async fn claim(
    transaction: &DatabaseTransaction,
    mut claims: Vec<Claim<'_>>,
) -> Result<HashMap<CommentId, Result<CommentId, Error>>, DbErr> {
    let Some(now) = claims.iter().map(|claim| claim.at).max() else {
        return Ok(HashMap::new());
    };
    delete_expired(transaction, now).await?;
    // In one order, so two transactions that claim the same keys never deadlock.
    claims.sort_by(|a, b| (a.user, &a.key.key).cmp(&(b.user, &b.key.key)));
    let rows = claims.iter().map(|claim| ActiveModel {
        user_id: Set(claim.user.to_string()),
        key: Set(claim.key.key.clone()),
        request: Set(claim.key.request.to_vec()),
        comment_id: Set(claim.comment.0),
        created_at: Set(claim.at.0),
    });
    let same = OnConflict::columns([Column::UserId, Column::Key])
        .do_nothing()
        .to_owned();
    Entity::insert_many(rows)
        .on_conflict(same)
        .exec_without_returning(transaction)
        .await?;
    let keys = claims.iter().map(|claim| {
        Condition::all()
            .add(Column::UserId.eq(claim.user.as_str()))
            .add(Column::Key.eq(claim.key.key.as_str()))
    });
    let any = keys.fold(Condition::any(), Condition::add);
    let firsts = Entity::find().filter(any).all(transaction).await?;
    let firsts: HashMap<(&str, &str), &Model> = firsts
        .iter()
        .map(|first| ((first.user_id.as_str(), first.key.as_str()), first))
        .collect();
    let repeated = claims.iter().filter_map(|claim| {
        let first = firsts.get(&(claim.user.as_str(), claim.key.key.as_str()))?;
        let is_first = first.comment_id == claim.comment.0;
        (!is_first).then(|| (claim.comment, first.comment_for(claim.key)))
    });
    Ok(repeated.collect())
}

/// Gives back the keys of comments that were refused.
pub(super) async fn release(
    transaction: &DatabaseTransaction,
    comments: &HashSet<CommentId>,
) -> Result<(), DbErr> {
    if comments.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = comments.iter().map(|id| id.0).collect();
    Entity::delete_many()
        .filter(Column::CommentId.is_in(ids))
        .exec(transaction)
        .await?;
    Ok(())
}

async fn delete_expired(transaction: &DatabaseTransaction, now: Timestamp) -> Result<(), DbErr> {
    let mut expired = Entity::find()
        .select_only()
        .column(Column::CommentId)
        .filter(Column::CreatedAt.lt(now.0 - KEPT_MILLIS))
        .order_by_asc(Column::CreatedAt)
        .limit(MAX_DELETED)
        .into_query();
    if transaction.get_database_backend() == DbBackend::Postgres {
        // Another writer deletes the same rows: it must not be waited for.
        expired.lock_with_behavior(LockType::Update, LockBehavior::SkipLocked);
    }
    Entity::delete_many()
        .filter(Column::CommentId.in_subquery(expired))
        .exec(transaction)
        .await?;
    Ok(())
}
