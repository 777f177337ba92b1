//! Users, as their newest tokens describe them.
//!
//! A write stores the profile of its user with the change. A write that changes nothing stores nothing,
//! such as a repeated deletion, ban or comment.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use sea_orm::{
    ActiveValue::Set,
    ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait, FromQueryResult, QueryFilter,
    QueryTrait,
    sea_query::{BinOper, Expr, ExprTrait, OnConflict},
};

use super::{
    Store,
    entity::user::{ActiveModel, Column, Entity, Model},
    guest_addresses,
    page::{Allowance, Page},
    query::{is_any_of, select_page},
    rows,
};
use crate::{
    error::Error,
    model::{Profile, User, UserId},
};

impl Store {
    /// Returns the user with this id, or `None` if they never wrote.
    pub async fn user(&self, id: &UserId) -> Result<Option<User>, Error> {
        let query = Entity::find_by_id(id.as_str());
        self.read(move |connection| {
            let query = query.clone();
            async move {
                let rows = query.all(&connection).await?;
                Ok(rows.into_iter().next().map(rows::user).transpose()?)
            }
        })
        .await
    }
}

impl Store {
    /// Returns the users with these ids, in no order. Users without a row are left out. The page ends early
    /// where `allowance` does.
    pub async fn users_with(
        &self,
        ids: &[UserId],
        allowance: Arc<dyn Allowance>,
    ) -> Result<Page<User>, Error> {
        let first = ids.len().next_power_of_two() as u64;
        let ids = ids.iter().map(ToString::to_string);
        let query = Entity::find().filter(is_any_of(Column::Id, ids, self.backend()));
        let query = Arc::new(query.into_query());
        self.read(move |connection| {
            let (query, allowance) = (Arc::clone(&query), Arc::clone(&allowance));
            async move {
                let user = |row: &_| Ok(rows::user(Model::from_query_result(row, "")?)?);
                select_page(&query, first, &*allowance, &connection, user, User::bytes).await
            }
        })
        .await
    }
}

/// Stores the profiles that are not older than the stored ones and differ from them. Of two profiles of
/// one time the later one in `profiles` counts. Stores the addresses that guests write from.
///
/// On PostgreSQL it locks the rows of all of the users until the transaction ends.
pub(super) async fn upsert(
    transaction: &DatabaseTransaction,
    profiles: impl IntoIterator<Item = &Profile>,
) -> Result<(), DbErr> {
    let profiles: Vec<&Profile> = profiles.into_iter().collect();
    // Ordered by id, so two transactions that write the same users never deadlock.
    let mut newest: BTreeMap<&UserId, &Profile> = BTreeMap::new();
    for profile in &profiles {
        let place = newest.entry(&profile.user.id).or_insert(profile);
        if profile.as_of >= place.as_of {
            *place = profile;
        }
    }
    let rows = newest
        .into_values()
        .map(|Profile { user, as_of, .. }| ActiveModel {
            id: Set(user.id.to_string()),
            name: Set(user.name.to_string()),
            avatar: Set(user.avatar.as_deref().map(str::to_owned)),
            role: Set(user.role.as_str().to_owned()),
            as_of: Set(as_of.0),
        });
    let stored = |column: Column| Expr::col((Entity, column));
    let new = |column: Column| Expr::col(("excluded", column));
    let columns = [Column::Name, Column::Avatar, Column::Role, Column::AsOf];
    let is_as_new = new(Column::AsOf).gte(stored(Column::AsOf));
    let differs = Expr::tuple(columns.map(new)).binary(
        BinOper::Custom("IS DISTINCT FROM"),
        Expr::tuple(columns.map(stored)),
    );
    Entity::insert_many(rows)
        .on_conflict(
            OnConflict::column(Column::Id)
                .update_columns(columns)
                .action_and_where(is_as_new.and(differs))
                .to_owned(),
        )
        .exec_without_returning(transaction)
        .await?;
    guest_addresses::remember(transaction, &profiles).await
}

/// Stores profiles as [`upsert`] does, and returns all of the users as they are stored then.
pub(super) async fn upsert_returning(
    transaction: &DatabaseTransaction,
    profiles: &[&Profile],
) -> Result<HashMap<UserId, User>, DbErr> {
    upsert(transaction, profiles.iter().copied()).await?;
    let ids = profiles.iter().map(|profile| profile.user.id.to_string());
    let is_one = is_any_of(Column::Id, ids, transaction.get_database_backend());
    let rows = Entity::find().filter(is_one).all(transaction).await?;
    let users = rows.into_iter().map(|row| {
        let user = rows::user(row)?;
        Ok((user.id.clone(), user))
    });
    users.collect()
}
