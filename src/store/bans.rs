//! Who is banned, and the order in which that changed.
//!
//! Every change takes the next place in the transaction that makes it. The counter's row is thereby
//! locked until the commit, so that whoever reads all places behind one that they know misses nothing.

use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, DatabaseTransaction, DbErr, EntityTrait, FromQueryResult, QueryFilter, QueryOrder,
    QueryTrait,
    sea_query::{Expr, ExprTrait, OnConflict},
};

use super::{
    Store,
    entity::{
        ban::{ActiveModel, Column, Entity, Model},
        ban_counter,
    },
    page::rows,
};
use crate::{
    error::Error,
    model::{Ban, Timestamp, UserId},
};

/// A change's place among all changes of bans; the default is before the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct BanPlace(i64);

/// A user to be banned.
#[derive(Clone, Debug)]
pub struct NewBan {
    /// Who.
    pub user_id: UserId,
    /// The moderator who bans them.
    pub by: UserId,
    /// Now.
    pub at: Timestamp,
    /// Why.
    pub reason: Option<String>,
}

/// What the latest change of a user's ban led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BanChange {
    /// The user.
    pub user_id: UserId,
    /// Whether they are banned.
    pub is_banned: bool,
    /// The change's place.
    pub place: BanPlace,
}

impl Store {
    /// Bans a user. Where they are banned already nothing is changed, and that ban is returned.
    pub async fn ban(&self, new: NewBan) -> Result<Ban, Error> {
        self.writer
            .write(move |transaction| {
                let new = new.clone();
                Box::pin(async move {
                    let before = find(transaction, &new.user_id).await?;
                    if let Some(row) = before.filter(|row| row.lifted_at.is_none()) {
                        return ban(row);
                    }
                    let row = ActiveModel {
                        user_id: Set(new.user_id.to_string()),
                        banned_by: Set(new.by.to_string()),
                        banned_at: Set(new.at.0),
                        reason: Set(new.reason.clone()),
                        lifted_at: Set(None),
                        place: Set(next_place(transaction).await?),
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
                    Ok(Ban {
                        user_id: new.user_id,
                        banned_by: new.by,
                        at: new.at,
                        reason: new.reason,
                    })
                })
            })
            .await
    }

    /// Lifts a user's ban; whether there was one.
    pub async fn unban(&self, user: &UserId, at: Timestamp) -> Result<bool, Error> {
        let user = user.clone();
        self.writer
            .write(move |transaction| {
                let user = user.clone();
                Box::pin(async move {
                    let before = find(transaction, &user).await?;
                    if before.is_none_or(|row| row.lifted_at.is_some()) {
                        return Ok(false);
                    }
                    let place = next_place(transaction).await?;
                    Entity::update_many()
                        .col_expr(Column::LiftedAt, Expr::value(at.0))
                        .col_expr(Column::Place, Expr::value(place))
                        .filter(Column::UserId.eq(user.as_str()))
                        .exec(transaction)
                        .await?;
                    Ok(true)
                })
            })
            .await
    }

    /// The first `limit` users whose latest change is behind `after`, in the order of the changes.
    pub async fn bans_after(&self, after: BanPlace, limit: u64) -> Result<Vec<BanChange>, Error> {
        let query = Entity::find()
            .filter(Column::Place.gt(after.0))
            .order_by_asc(Column::Place)
            .into_query();
        self.read(move |readers| {
            let query = query.clone();
            async move {
                let rows = rows(&query, limit, &readers).await?;
                let changes = rows.iter().map(|row| {
                    let row = Model::from_query_result(row, "")?;
                    Ok(BanChange {
                        user_id: user(&row.user_id)?,
                        is_banned: row.lifted_at.is_none(),
                        place: BanPlace(row.place),
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

/// Takes the next place. Until the transaction ends nobody else takes one.
async fn next_place(transaction: &DatabaseTransaction) -> Result<i64, DbErr> {
    use ban_counter::{Column, Entity};
    let rows = Entity::update_many()
        .col_expr(Column::Value, Expr::col(Column::Value).add(1))
        .exec_with_returning(transaction)
        .await?;
    let row = rows.first();
    row.map(|row| row.value)
        .ok_or_else(|| DbErr::Custom("the counter of bans has no row".to_owned()))
}

fn user(id: &str) -> Result<UserId, Error> {
    UserId::parse(id).ok_or_else(|| DbErr::Custom(format!("{id} is no user's id")).into())
}

fn ban(row: Model) -> Result<Ban, Error> {
    Ok(Ban {
        user_id: user(&row.user_id)?,
        banned_by: user(&row.banned_by)?,
        at: Timestamp(row.banned_at),
        reason: row.reason,
    })
}
