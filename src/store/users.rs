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
    ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, EntityTrait, FromQueryResult,
    QueryFilter, QueryOrder, QuerySelect, QueryTrait,
    sea_query::{Expr, ExprTrait, LockType, OnConflict},
};

use super::{
    Store,
    entity::user::{ActiveModel, Column, Entity, Model},
    guest_addresses,
    page::{Allowance, Page},
    query::{is_any_of, select_page},
    rows, versions,
};
use crate::{
    error::Error,
    model::{Profile, Timestamp, User, UserId},
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

/// Stores the profiles that are not older than the stored ones and differ from them, and returns all of the
/// users as they are stored then. Of two profiles of one time the later one in `profiles` counts. Stores the
/// addresses that guests write from.
///
/// On PostgreSQL it locks the rows of the users until the transaction ends, in the order of their ids, so two
/// transactions that write the same users never deadlock.
pub(super) async fn upsert(
    transaction: &DatabaseTransaction,
    profiles: impl IntoIterator<Item = &Profile>,
) -> Result<HashMap<UserId, User>, DbErr> {
    let profiles: Vec<&Profile> = profiles.into_iter().collect();
    let mut newest: BTreeMap<&UserId, &Profile> = BTreeMap::new();
    for profile in &profiles {
        let place = newest.entry(&profile.user.id).or_insert(profile);
        if profile.as_of >= place.as_of {
            *place = profile;
        }
    }
    let mut stored = find_locked(transaction, newest.keys().copied()).await?;
    newest.retain(|id, profile| match stored.get(*id) {
        Some(known) => {
            let differs = profile.as_of != known.as_of || profile.user != known.user;
            profile.as_of >= known.as_of && differs
        }
        None => true,
    });
    if !newest.is_empty() {
        insert_newer(transaction, newest.values().copied()).await?;
        let is_visible = |profile: &&Profile| {
            let known = stored.get(&profile.user.id);
            known.is_some_and(|known| known.user != profile.user)
        };
        if newest.values().any(is_visible) {
            versions::raise_users(transaction).await?;
        }
    }
    guest_addresses::remember(transaction, &profiles).await?;
    let written = newest.into_values();
    stored.extend(written.map(|profile| (profile.user.id.clone(), profile.clone())));
    let users = stored.into_iter().map(|(id, profile)| (id, profile.user));
    Ok(users.collect())
}

/// Reads the stored profiles of these users, and locks them.
async fn find_locked(
    transaction: &DatabaseTransaction,
    ids: impl Iterator<Item = &UserId>,
) -> Result<HashMap<UserId, Profile>, DbErr> {
    let backend = transaction.get_database_backend();
    let ids = ids.map(ToString::to_string);
    let users = Entity::find()
        .filter(is_any_of(Column::Id, ids, backend))
        .order_by_asc(Column::Id);
    let users = match backend {
        DbBackend::Postgres => users.lock(LockType::NoKeyUpdate),
        _ => users,
    };
    let profiles = users.all(transaction).await?.into_iter().map(|row| {
        let as_of = Timestamp(row.as_of);
        let user = rows::user(row)?;
        Ok((user.id.clone(), Profile::new(user, as_of)))
    });
    profiles.collect()
}

/// Inserts the profiles, in place of older ones.
async fn insert_newer(
    transaction: &DatabaseTransaction,
    profiles: impl Iterator<Item = &Profile>,
) -> Result<(), DbErr> {
    let rows = profiles.map(|Profile { user, as_of, .. }| ActiveModel {
        id: Set(user.id.to_string()),
        name: Set(user.name.to_string()),
        avatar: Set(user.avatar.as_deref().map(str::to_owned)),
        role: Set(user.role.as_str().to_owned()),
        as_of: Set(as_of.0),
    });
    // Another transaction may have inserted the same user meanwhile.
    let stored = Expr::col((Entity, Column::AsOf));
    let is_as_new = Expr::col(("excluded", Column::AsOf)).gte(stored);
    let columns = [Column::Name, Column::Avatar, Column::Role, Column::AsOf];
    Entity::insert_many(rows)
        .on_conflict(
            OnConflict::column(Column::Id)
                .update_columns(columns)
                .action_and_where(is_as_new)
                .to_owned(),
        )
        .exec_without_returning(transaction)
        .await?;
    Ok(())
}
