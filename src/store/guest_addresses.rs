//! The addresses that guests wrote from, and those from which no guest may sign in for a time.
//!
//! They are stored as keyed hashes. An address is stored in the transaction of the write that came from it, and
//! kept until 30 days after the guest's last write from any address.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, EntityTrait, QueryFilter,
    QuerySelect, QueryTrait,
    sea_query::{Expr, ExprTrait, OnConflict},
};

use super::{
    Store,
    entity::{banned_address, guest_address},
    query::{Parameters, is_any_of},
};
use crate::{
    error::Error,
    model::{AddressHash, ClientAddress, Profile, Timestamp, UserId},
};

/// The time for which a guest's addresses are kept after the last write, at least.
const KEPT_MILLIS: i64 = 30 * 24 * 60 * 60 * 1000;
/// Precision of stored times: a write from an address that was stored within it stores nothing.
const PRECISION_MILLIS: i64 = 60 * 60 * 1000;
/// Maximum number of addresses of a guest. Beyond it an earlier one is deleted.
const MAX_ADDRESSES: u64 = 32;
/// Maximum number of expired rows that a write deletes.
const MAX_DELETED: u64 = 1_000;

impl Store {
    /// Returns the hash of an address, as this database stores it.
    pub fn hash_address(&self, address: ClientAddress) -> AddressHash {
        self.hash_key.hash_address(address)
    }

    /// Returns true if no guest may sign in from this address at `now`.
    pub async fn is_address_banned(
        &self,
        address: &AddressHash,
        now: Timestamp,
    ) -> Result<bool, Error> {
        use banned_address::{Column, Entity};
        let query = Entity::find()
            .select_only()
            .expr(Expr::cust("1"))
            .filter(Column::Address.eq(address.as_str()))
            .filter(Column::EndsAt.gt(now.0))
            .limit(1)
            .into_query();
        self.read(move |connection| {
            let query = query.clone();
            async move { Ok(connection.query_one(&query).await?.is_some()) }
        })
        .await
    }
}

/// Stores the addresses that guests among `profiles` write from, and deletes what has expired.
pub(super) async fn remember(
    transaction: &DatabaseTransaction,
    profiles: &[&Profile],
) -> Result<(), DbErr> {
    use guest_address::{ActiveModel, Column, Entity};
    // Ordered by key, so two transactions that write the same rows never deadlock.
    let mut latest: BTreeMap<(&UserId, &AddressHash), Timestamp> = BTreeMap::new();
    for profile in profiles {
        if let Some(source) = &profile.source {
            let key = (&profile.user.id, &source.address);
            let at = latest.entry(key).or_insert(source.at);
            *at = source.at.max(*at);
        }
    }
    let Some(now) = latest.values().max().copied() else {
        return Ok(());
    };
    let rows = latest.iter().map(|((guest, address), at)| ActiveModel {
        user_id: Set(guest.to_string()),
        address: Set(address.to_string()),
        written_at: Set(at.0),
    });
    let stored = Expr::col((Entity, Column::WrittenAt));
    let new = Expr::col(("excluded", Column::WrittenAt));
    let known = OnConflict::columns([Column::UserId, Column::Address])
        .update_column(Column::WrittenAt)
        .action_and_where(stored.lt(new.sub(PRECISION_MILLIS)))
        .to_owned();
    let written = Entity::insert_many(rows)
        .on_conflict(known)
        .exec_without_returning(transaction)
        .await?;
    if written == 0 {
        return Ok(());
    }
    let guests: BTreeSet<&str> = latest.keys().map(|(guest, _)| guest.as_str()).collect();
    delete_surplus(transaction, &guests).await?;
    let guests = guests.into_iter().map(str::to_owned);
    let is_theirs = is_any_of(Column::UserId, guests, transaction.get_database_backend());
    Entity::update_many()
        .col_expr(Column::WrittenAt, Expr::value(now.0))
        .filter(is_theirs)
        .exec(transaction)
        .await?;
    let expired = Timestamp(now.0 - KEPT_MILLIS - PRECISION_MILLIS);
    delete_before(transaction, "guest_address", "written_at", expired).await
}

/// Keeps guests from signing in, until `ends_at`, from the addresses that this guest used. Replaces the end of
/// an earlier ban. A no-op if the user is no guest, or wrote nothing.
pub(super) async fn ban(
    transaction: &DatabaseTransaction,
    guest: &UserId,
    now: Timestamp,
    ends_at: Timestamp,
) -> Result<(), DbErr> {
    use banned_address::{ActiveModel, Column, Entity};
    delete_before(transaction, "banned_address", "ends_at", now).await?;
    let used = guest_address::Entity::find()
        .filter(guest_address::Column::UserId.eq(guest.as_str()))
        .filter(guest_address::Column::WrittenAt.gte(now.0 - KEPT_MILLIS - PRECISION_MILLIS))
        .all(transaction)
        .await?;
    if used.is_empty() {
        return Ok(());
    }
    let rows = used.into_iter().map(|used| ActiveModel {
        user_id: Set(used.user_id),
        address: Set(used.address),
        ends_at: Set(ends_at.0),
    });
    let again = OnConflict::columns([Column::UserId, Column::Address])
        .update_column(Column::EndsAt)
        .to_owned();
    Entity::insert_many(rows)
        .on_conflict(again)
        .exec_without_returning(transaction)
        .await?;
    Ok(())
}

/// Lifts the ban of this guest's addresses. One that another banned guest used too stays banned.
pub(super) async fn unban(transaction: &DatabaseTransaction, guest: &UserId) -> Result<(), DbErr> {
    use banned_address::{Column, Entity};
    Entity::delete_many()
        .filter(Column::UserId.eq(guest.as_str()))
        .exec(transaction)
        .await?;
    Ok(())
}

/// Deletes addresses of each guest beyond the maximum, but not the one that was just stored.
async fn delete_surplus(
    transaction: &DatabaseTransaction,
    guests: &BTreeSet<&str>,
) -> Result<(), DbErr> {
    let mut parameters = Parameters::new(transaction.get_database_backend());
    let guests = guests
        .iter()
        .map(|guest| parameters.place((*guest).to_owned()));
    let guests = guests.collect::<Vec<_>>().join(", ");
    let sql = format!(
        "DELETE FROM guest_address WHERE (user_id, address) IN (SELECT user_id, address FROM (\
         SELECT user_id, address, ROW_NUMBER() OVER (\
         PARTITION BY user_id ORDER BY written_at DESC) AS place \
         FROM guest_address WHERE user_id IN ({guests})) AS placed WHERE place > {MAX_ADDRESSES})"
    );
    transaction.execute_raw(parameters.statement(sql)).await?;
    Ok(())
}

/// Deletes some rows of `table` whose time is before `end`.
async fn delete_before(
    transaction: &DatabaseTransaction,
    table: &str,
    time: &str,
    end: Timestamp,
) -> Result<(), DbErr> {
    let backend = transaction.get_database_backend();
    // Another writer deletes the same rows: it must not be waited for.
    let lock = match backend {
        DbBackend::Postgres => " FOR UPDATE SKIP LOCKED",
        _ => "",
    };
    let mut parameters = Parameters::new(backend);
    let end = parameters.place(end.0);
    let sql = format!(
        "DELETE FROM {table} WHERE (user_id, address) IN (SELECT user_id, address FROM {table} \
         WHERE {time} < {end} ORDER BY {time} LIMIT {MAX_DELETED}{lock})"
    );
    transaction.execute_raw(parameters.statement(sql)).await?;
    Ok(())
}
