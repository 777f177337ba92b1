//! The epoch of the feeds. A database that was restored from a backup begins a new one.

use sea_orm::{DatabaseConnection, DbErr, EntityTrait, sea_query::Expr};

use super::{
    Store,
    entity::epoch::{Column, Entity},
};
use crate::{
    error::Error,
    model::{Epoch, Timestamp},
};

impl Store {
    /// Returns the epoch that the feeds had when the store was opened.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Begins a new epoch, so that cursors issued before it expire. Servers that run keep the old one.
    pub async fn begin_epoch(&self) -> Result<(), Error> {
        // A database may be restored from one backup several times. So the number after the last one does
        // not do, and the clock does.
        let now = u32::try_from(Timestamp::now().unix_seconds()).unwrap_or(u32::MAX);
        let next = Epoch(now.max(self.epoch.0.saturating_add(1)));
        self.writer
            .write(move |transaction| {
                Box::pin(async move {
                    Entity::update_many()
                        .col_expr(Column::Value, Expr::val(i64::from(next.0)))
                        .exec(transaction)
                        .await?;
                    Ok(())
                })
            })
            .await
    }
}

/// Reads the current epoch.
pub(super) async fn read(connection: &DatabaseConnection) -> Result<Epoch, DbErr> {
    let rows = Entity::find().all(connection).await?;
    let value = rows.first().map(|row| row.value);
    value
        .and_then(|value| u32::try_from(value).ok())
        .map(Epoch)
        .ok_or_else(|| DbErr::Custom("the table epoch has no valid row".to_owned()))
}
