//! Users, as their newest tokens describe them.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use sea_orm::{
    ActiveValue::Set,
    DatabaseTransaction, DbErr, EntityTrait, FromQueryResult, QueryFilter, QueryTrait,
    sea_query::{CaseStatement, Expr, ExprTrait, OnConflict},
};

use super::{
    Store,
    entity::user::{ActiveModel, Column, Entity, Model},
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

/// Writes the profiles that are not older than the stored ones, and returns all of the users as they are
/// stored then. Of two profiles of one time the later one in `profiles` counts.
///
/// One statement does it all. It writes every row, because it returns only rows that it writes.
pub(super) async fn upsert(
    transaction: &DatabaseTransaction,
    profiles: impl IntoIterator<Item = &Profile>,
) -> Result<HashMap<UserId, User>, DbErr> {
    // Ordered by id, so two transactions that write the same users never deadlock.
    let mut newest: BTreeMap<&UserId, &Profile> = BTreeMap::new();
    for profile in profiles {
        let place = newest.entry(&profile.user.id).or_insert(profile);
        if profile.as_of >= place.as_of {
            *place = profile;
        }
    }
    let rows = newest
        .into_values()
        .map(|Profile { user, as_of }| ActiveModel {
            id: Set(user.id.to_string()),
            name: Set(user.name.to_string()),
            avatar: Set(user.avatar.as_deref().map(str::to_owned)),
            role: Set(user.role.as_str().to_owned()),
            as_of: Set(as_of.0),
        });
    let stored = |column: Column| Expr::col((Entity, column));
    let new = |column: Column| Expr::col(("excluded", column));
    let newer = |column: Column| {
        let is_newer = new(Column::AsOf).gte(stored(Column::AsOf));
        let value = CaseStatement::new().case(is_newer, new(column));
        (column, value.finally(stored(column)).into())
    };
    let columns = [Column::Name, Column::Avatar, Column::Role, Column::AsOf];
    let written = Entity::insert_many(rows)
        .on_conflict(
            OnConflict::column(Column::Id)
                .values(columns.map(newer))
                .to_owned(),
        )
        .exec_with_returning(transaction)
        .await?;
    let users = written.into_iter().map(|row| {
        let user = rows::user(row)?;
        Ok((user.id.clone(), user))
    });
    users.collect()
}
