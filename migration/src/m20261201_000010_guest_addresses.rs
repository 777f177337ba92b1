//! Creates the tables of the addresses that guests wrote from, as keyed hashes, and of those that are banned.
//!
//! Both have the guest in their key: an address may have many guests, and a guest many addresses.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create_guest_addresses(manager).await?;
        create_banned_addresses(manager).await
    }
}

/// Creates the table of addresses that guests wrote from. `written_at` is the time of the guest's last write
/// from any address.
async fn create_guest_addresses(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let table = Table::create()
        .table(GuestAddress::Table)
        .col(text(manager, GuestAddress::UserId))
        .col(text(manager, GuestAddress::Address))
        .col(
            ColumnDef::new(GuestAddress::WrittenAt)
                .big_integer()
                .not_null(),
        )
        .primary_key(
            Index::create()
                .col(GuestAddress::UserId)
                .col(GuestAddress::Address),
        )
        .to_owned();
    manager.create_table(table).await?;
    let index = Index::create()
        .name("guest_address_age")
        .table(GuestAddress::Table)
        .col(GuestAddress::WrittenAt)
        .to_owned();
    manager.create_index(index).await
}

/// Creates the table of banned addresses, each with the banned guest who used it and the end of the ban.
async fn create_banned_addresses(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let table = Table::create()
        .table(BannedAddress::Table)
        .col(text(manager, BannedAddress::UserId))
        .col(text(manager, BannedAddress::Address))
        .col(
            ColumnDef::new(BannedAddress::EndsAt)
                .big_integer()
                .not_null(),
        )
        .primary_key(
            Index::create()
                .col(BannedAddress::UserId)
                .col(BannedAddress::Address),
        )
        .to_owned();
    manager.create_table(table).await?;
    for (name, column) in [
        ("banned_address_address", BannedAddress::Address),
        ("banned_address_end", BannedAddress::EndsAt),
    ] {
        let index = Index::create()
            .name(name)
            .table(BannedAddress::Table)
            .col(column)
            .to_owned();
        manager.create_index(index).await?;
    }
    Ok(())
}

/// Returns a column of text that PostgreSQL compares byte by byte, as in the first migration.
fn text(manager: &SchemaManager<'_>, column: impl IntoIden) -> ColumnDef {
    let mut column = ColumnDef::new(column);
    column.text().not_null();
    if manager.get_database_backend() == DbBackend::Postgres {
        column.extra("COLLATE \"C\"");
    }
    column
}

#[derive(DeriveIden)]
enum GuestAddress {
    Table,
    UserId,
    Address,
    WrittenAt,
}

#[derive(DeriveIden)]
enum BannedAddress {
    Table,
    UserId,
    Address,
    EndsAt,
}
