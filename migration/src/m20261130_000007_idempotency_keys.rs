//! Creates the table of idempotency keys, each with a hash of its first request and the comment made by it.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let text = |column: IdempotencyKey| {
            let mut column = ColumnDef::new(column);
            column.text().not_null();
            if manager.get_database_backend() == DbBackend::Postgres {
                // Ids are compared byte by byte, as in the first migration.
                column.extra("COLLATE \"C\"");
            }
            column
        };
        let table = Table::create()
            .table(IdempotencyKey::Table)
            .col(text(IdempotencyKey::UserId))
            .col(text(IdempotencyKey::Key))
            .col(ColumnDef::new(IdempotencyKey::Request).blob().not_null())
            .col(ColumnDef::new(IdempotencyKey::CommentId).uuid().not_null())
            .col(
                ColumnDef::new(IdempotencyKey::CreatedAt)
                    .big_integer()
                    .not_null(),
            )
            .primary_key(
                Index::create()
                    .col(IdempotencyKey::UserId)
                    .col(IdempotencyKey::Key),
            )
            .to_owned();
        manager.create_table(table).await?;
        for (name, column) in [
            ("idempotency_key_comment", IdempotencyKey::CommentId),
            ("idempotency_key_age", IdempotencyKey::CreatedAt),
        ] {
            let index = Index::create()
                .name(name)
                .table(IdempotencyKey::Table)
                .col(column)
                .to_owned();
            manager.create_index(index).await?;
        }
        Ok(())
    }
}

#[derive(DeriveIden)]
enum IdempotencyKey {
    Table,
    UserId,
    Key,
    Request,
    CommentId,
    CreatedAt,
}
