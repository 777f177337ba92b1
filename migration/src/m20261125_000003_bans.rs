//! Creates the tables of bans.
//!
//! A user has at most one row, which is kept after the ban is lifted. `place` is the change's position
//! among the changes of all bans. The single row of `ban_counter` holds the latest position.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut user = ColumnDef::new(Ban::UserId);
        user.text().not_null().primary_key();
        if manager.get_database_backend() == DbBackend::Postgres {
            // Ids are compared byte by byte, as in the first migration.
            user.extra("COLLATE \"C\"");
        }
        manager
            .create_table(
                Table::create()
                    .table(Ban::Table)
                    .col(user)
                    .col(ColumnDef::new(Ban::BannedBy).text().not_null())
                    .col(ColumnDef::new(Ban::BannedAt).big_integer().not_null())
                    .col(ColumnDef::new(Ban::Reason).text())
                    .col(ColumnDef::new(Ban::LiftedAt).big_integer())
                    .col(ColumnDef::new(Ban::Place).big_integer().not_null())
                    .to_owned(),
            )
            .await?;
        manager
            .create_index(
                Index::create()
                    .name("ban_place")
                    .table(Ban::Table)
                    .col(Ban::Place)
                    .unique()
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table(BanCounter::Table)
                    .col(
                        ColumnDef::new(BanCounter::Id)
                            .big_integer()
                            .not_null()
                            .primary_key(),
                    )
                    .col(ColumnDef::new(BanCounter::Value).big_integer().not_null())
                    .to_owned(),
            )
            .await?;
        manager
            .exec_stmt(
                Query::insert()
                    .into_table(BanCounter::Table)
                    .columns([BanCounter::Id, BanCounter::Value])
                    .values_panic([1i64.into(), 0i64.into()])
                    .to_owned(),
            )
            .await
    }
}

#[derive(DeriveIden)]
enum Ban {
    Table,
    UserId,
    BannedBy,
    BannedAt,
    Reason,
    LiftedAt,
    Place,
}

#[derive(DeriveIden)]
enum BanCounter {
    Table,
    Id,
    Value,
}
