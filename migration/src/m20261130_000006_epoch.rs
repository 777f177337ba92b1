//! Creates the table of the feeds' epoch, which has one row.
//!
//! All cursors name the epoch in which they were issued. A database that was restored from a backup begins a
//! new one, because its feeds go on differently.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// The epoch of the cursors that were issued before epochs had a name.
const FIRST: i64 = 1;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut id = ColumnDef::new(Epoch::Id);
        id.big_integer().not_null().primary_key();
        let mut value = ColumnDef::new(Epoch::Value);
        value.big_integer().not_null();
        let table = Table::create()
            .table(Epoch::Table)
            .col(id)
            .col(value)
            .to_owned();
        manager.create_table(table).await?;
        manager
            .exec_stmt(
                Query::insert()
                    .into_table(Epoch::Table)
                    .columns([Epoch::Id, Epoch::Value])
                    .values_panic([1i64.into(), FIRST.into()])
                    .to_owned(),
            )
            .await
    }
}

#[derive(DeriveIden)]
enum Epoch {
    Table,
    Id,
    Value,
}
