//! Adds the last places of deleted posts, after which a post that is opened under such an id begins.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let number = |column: DeletedPost| ColumnDef::new(column).big_integer().not_null().take();
        let mut id = ColumnDef::new(DeletedPost::Id);
        id.text().not_null().primary_key();
        if manager.get_database_backend() == DbBackend::Postgres {
            // Compared byte by byte, as in the first migration.
            id.extra("COLLATE \"C\"");
        }
        let table = Table::create()
            .table(DeletedPost::Table)
            .col(id)
            .col(number(DeletedPost::Seq))
            .col(number(DeletedPost::Version))
            .col(number(DeletedPost::DeletedAt))
            .take();
        manager.create_table(table).await?;
        let index = Index::create()
            .name("deleted_post_time")
            .table(DeletedPost::Table)
            .col(DeletedPost::DeletedAt)
            .take();
        manager.create_index(index).await
    }
}

#[derive(DeriveIden)]
enum DeletedPost {
    Table,
    Id,
    Seq,
    Version,
    DeletedAt,
}
