//! Bans, and the order of their changes.
//!
//! Every change takes the next seq of all bans in the transaction that makes it. It thereby locks the
//! counter's row until the commit. So a reader of all changes after a seq misses none.

use std::sync::Arc;

use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, Condition, DatabaseTransaction, DbErr, EntityTrait, FromQueryResult, QueryFilter,
    QueryOrder, QueryTrait,
    sea_query::{Expr, ExprTrait, OnConflict},
};

use super::{
    Store,
    entity::{
        ban::{ActiveModel, Column, Entity, Model},
        ban_counter,
    },
    guest_addresses,
    jobs::{self, Job, RejectCommentsJob},
    page::{Allowance, Page, Slice},
    query::{select_limited, select_page},
    users,
};
use crate::{
    error::Error,
    model::{Ban, Profile, Timestamp, UserId},
};

/// The position of a change among the changes of all bans. The default is before the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct BanSeq(i64);

/// A ban to impose.
#[derive(Clone, Debug)]
pub struct NewBan {
    /// The user to ban.
    pub user_id: UserId,
    /// The moderator who imposes it.
    pub by: Profile,
    /// The current time.
    pub at: Timestamp,
    /// The reason, for other moderators.
    pub reason: Option<String>,
    /// The time until which no guest may sign in from the addresses that the user used as a guest.
    pub addresses_until: Option<Timestamp>,
    /// The treatment of the user's comments.
    pub comments: BannedComments,
}

/// The treatment of a banned user's comments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BannedComments {
    /// They stay as they are.
    Keep,
    /// All that are published or pending are rejected, by a job.
    Reject,
}

/// The place of a ban in the list of bans.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BanKey {
    /// Time of the ban.
    pub at: Timestamp,
    /// The banned user, which orders bans of the same millisecond.
    pub user: UserId,
}

impl From<&Ban> for BanKey {
    fn from(ban: &Ban) -> Self {
        Self {
            at: ban.at,
            user: ban.user_id.clone(),
        }
    }
}

/// The latest change of a user's ban.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BanChange {
    /// The user whose ban changed.
    pub user_id: UserId,
    /// True if the user is banned now.
    pub is_banned: bool,
    /// The change's position.
    pub seq: BanSeq,
}

impl Store {
    /// Bans a user, and the addresses of a guest. If they are banned already, returns that ban unchanged.
    pub async fn ban(&self, new: NewBan) -> Result<Ban, Error> {
        self.writer
            .write(move |transaction| {
                let new = new.clone();
                Box::pin(async move {
                    if let Some(ends_at) = new.addresses_until {
                        guest_addresses::ban(transaction, &new.user_id, new.at, ends_at).await?;
                    }
                    if new.comments == BannedComments::Reject {
                        let job = Job::RejectComments(RejectCommentsJob {
                            author: new.user_id.to_string(),
                            by: new.by.user.id.to_string(),
                        });
                        jobs::enqueue(transaction, &job, new.at).await?;
                    }
                    let before = find(transaction, &new.user_id).await?;
                    if let Some(row) = before.filter(|row| row.lifted_at.is_none()) {
                        return ban(row);
                    }
                    let row = ActiveModel {
                        user_id: Set(new.user_id.to_string()),
                        banned_by: Set(new.by.user.id.to_string()),
                        banned_at: Set(new.at.0),
                        reason: Set(new.reason.clone()),
                        lifted_at: Set(None),
                        place: Set(next_seq(transaction).await?),
                    };
                    let all_but_user = [
                        Column::BannedBy,
                        Column::BannedAt,
                        Column::Reason,
                        Column::LiftedAt,
                        Column::Place,
                    ];
                    Entity::insert(row)
                        .on_conflict(
                            OnConflict::column(Column::UserId)
                                .update_columns(all_but_user)
                                .to_owned(),
                        )
                        .exec_without_returning(transaction)
                        .await?;
                    users::upsert(transaction, [&new.by]).await?;
                    Ok(Ban {
                        user_id: new.user_id,
                        banned_by: new.by.user.id,
                        at: new.at,
                        reason: new.reason,
                    })
                })
            })
            .await
    }

    /// Lifts a user's ban, and that of their addresses. Returns false if there was none.
    pub async fn unban(&self, user: &UserId, by: Profile, at: Timestamp) -> Result<bool, Error> {
        let user = user.clone();
        self.writer
            .write(move |transaction| {
                let (user, by) = (user.clone(), by.clone());
                Box::pin(async move {
                    let before = find(transaction, &user).await?;
                    if before.is_none_or(|row| row.lifted_at.is_some()) {
                        return Ok(false);
                    }
                    let seq = next_seq(transaction).await?;
                    Entity::update_many()
                        .col_expr(Column::LiftedAt, Expr::value(at.0))
                        .col_expr(Column::Place, Expr::value(seq))
                        .filter(Column::UserId.eq(user.as_str()))
                        .exec(transaction)
                        .await?;
                    guest_addresses::unban(transaction, &user).await?;
                    users::upsert(transaction, [&by]).await?;
                    Ok(true)
                })
            })
            .await
    }

    /// Returns a page of the bans in effect, newest first. It ends early where `allowance` does.
    pub async fn bans(
        &self,
        slice: Slice<BanKey>,
        allowance: Arc<dyn Allowance>,
    ) -> Result<Page<Ban>, Error> {
        let mut query = Entity::find()
            .filter(Column::LiftedAt.is_null())
            .order_by_desc(Column::BannedAt)
            .order_by_desc(Column::UserId);
        if let Some(BanKey { at, user }) = slice.after {
            let same_time = Condition::all()
                .add(Column::BannedAt.eq(at.0))
                .add(Column::UserId.lt(user.as_str()));
            let earlier = Condition::any()
                .add(Column::BannedAt.lt(at.0))
                .add(same_time);
            query = query.filter(earlier);
        }
        let query = Arc::new(query.into_query());
        self.read(move |connection| {
            let (query, allowance) = (Arc::clone(&query), Arc::clone(&allowance));
            async move {
                let row = |row: &_| ban(Model::from_query_result(row, "")?);
                select_page(
                    &query,
                    slice.first,
                    &*allowance,
                    &connection,
                    row,
                    Ban::bytes,
                )
                .await
            }
        })
        .await
    }

    /// Returns the first `limit` users whose latest change came after `after`, in the order of the
    /// changes.
    pub async fn bans_after(&self, after: BanSeq, limit: u64) -> Result<Vec<BanChange>, Error> {
        let query = Entity::find()
            .filter(Column::Place.gt(after.0))
            .order_by_asc(Column::Place)
            .into_query();
        self.read(move |connection| {
            let query = query.clone();
            async move {
                let rows = select_limited(&query, limit, &connection).await?;
                let changes = rows.iter().map(|row| {
                    let row = Model::from_query_result(row, "")?;
                    Ok(BanChange {
                        user_id: user(&row.user_id)?,
                        is_banned: row.lifted_at.is_none(),
                        seq: BanSeq(row.place),
                    })
                });
                changes.collect()
            }
        })
        .await
    }
}

async fn find(transaction: &DatabaseTransaction, user: &UserId) -> Result<Option<Model>, DbErr> {
    let rows = Entity::find_by_id(user.as_str()).all(transaction).await?;
    Ok(rows.into_iter().next())
}

/// Takes the next seq. No other transaction takes one until this one ends.
async fn next_seq(transaction: &DatabaseTransaction) -> Result<i64, DbErr> {
    use ban_counter::{Column, Entity};
    let rows = Entity::update_many()
        .col_expr(Column::Value, Expr::col(Column::Value).add(1))
        .exec_with_returning(transaction)
        .await?;
    let row = rows.first();
    row.map(|row| row.value)
        .ok_or_else(|| DbErr::Custom("the table ban_counter is empty".to_owned()))
}

fn user(id: &str) -> Result<UserId, Error> {
    UserId::parse(id).ok_or_else(|| DbErr::Custom(format!("invalid user id {id}")).into())
}

fn ban(row: Model) -> Result<Ban, Error> {
    Ok(Ban {
        user_id: user(&row.user_id)?,
        banned_by: user(&row.banned_by)?,
        at: Timestamp(row.banned_at),
        reason: row.reason,
    })
}
