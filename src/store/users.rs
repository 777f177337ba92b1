//! Users, as their latest tokens describe them.

use std::collections::BTreeMap;

use sea_orm::{
    ActiveValue::Set,
    DatabaseTransaction, DbErr, EntityTrait,
    sea_query::{Expr, ExprTrait, OnConflict},
};

use super::entity::user::{ActiveModel, Column, Entity};
use crate::model::{User, UserId};

/// Inserts the users, or updates their rows. Writes nothing to a row that is the same already.
///
/// If `users` has an id twice, the later one counts.
pub(super) async fn upsert(
    transaction: &DatabaseTransaction,
    users: &[&User],
) -> Result<(), DbErr> {
    // Ordered by id, so two transactions that write the same users never deadlock.
    let users: BTreeMap<&UserId, &User> = users.iter().map(|user| (&user.id, *user)).collect();
    let rows = users.into_values().map(|user| ActiveModel {
        id: Set(user.id.to_string()),
        name: Set(user.name.to_string()),
        avatar: Set(user.avatar.as_deref().map(str::to_owned)),
    });
    let stored = |column: Column| Expr::col((Entity, column));
    let new = |column: Column| Expr::col(("excluded", column));
    let differs = stored(Column::Name)
        .ne(new(Column::Name))
        .or(stored(Column::Avatar)
            .is_null()
            .ne(new(Column::Avatar).is_null()))
        .or(stored(Column::Avatar).ne(new(Column::Avatar)));
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
