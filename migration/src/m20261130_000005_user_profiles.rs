//! Adds each user's role, and the time as of which their token described them.
//!
//! The default time is before that of any token, so the next write with one replaces the row.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut role = ColumnDef::new(User::Role);
        role.text().not_null().default("reader");
        let mut as_of = ColumnDef::new(User::AsOf);
        as_of.big_integer().not_null().default(0);
        // SQLite adds one column a statement.
        for column in [role, as_of] {
            let table = Table::alter()
                .table(User::Table)
                .add_column(column)
                .to_owned();
            manager.alter_table(table).await?;
        }
        Ok(())
    }
}

#[derive(DeriveIden)]
enum User {
    Table,
    Role,
    AsOf,
}
