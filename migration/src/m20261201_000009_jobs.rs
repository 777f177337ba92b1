//! Adds jobs, which are long work that any node does in batches, and the deletion of posts.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// The indexes, in the words of the conditions that use them.
const INDEXES: [&str; 6] = [
    // Deleting a comment looks for its replies, whatever their status.
    r#"CREATE INDEX "comment_child" ON "comment" ("parent_id") WHERE "parent_id" IS NOT NULL"#,
    r#"CREATE INDEX "post_deleted" ON "post" ("id") WHERE "deleted_at" IS NOT NULL"#,
    r#"CREATE INDEX "post_listed" ON "post" ("created_at", "id")
        WHERE "unlisted_since" IS NULL AND "deleted_at" IS NULL"#,
    r#"CREATE INDEX "post_unlisted" ON "post" ("unlisted_since")
        WHERE "unlisted_since" IS NOT NULL AND "deleted_at" IS NULL"#,
    r#"CREATE INDEX "post_open" ON "post" ("opened_at") WHERE "is_open" AND "deleted_at" IS NULL"#,
    r#"CREATE INDEX "job_due" ON "job" ("lease_until", "created_at")"#,
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::alter()
            .table(Post::Table)
            .add_column(ColumnDef::new(Post::DeletedAt).big_integer())
            .take();
        manager.alter_table(table).await?;
        create_jobs(manager).await?;
        for index in INDEXES {
            manager.get_connection().execute_unprepared(index).await?;
        }
        Ok(())
    }
}

/// Creates the table of jobs. A job is in it until it is done. `lease_until` is the time until which its
/// owner alone may work on it; 0 if it has no owner.
async fn create_jobs(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let text = |column: Job| {
        let mut column = ColumnDef::new(column);
        column.text().not_null();
        if manager.get_database_backend() == DbBackend::Postgres {
            // Compared byte by byte, as in the first migration.
            column.extra("COLLATE \"C\"");
        }
        column
    };
    let number = |column: Job| ColumnDef::new(column).big_integer().not_null().take();
    let table = Table::create()
        .table(Job::Table)
        .col(ColumnDef::new(Job::Id).uuid().not_null().primary_key())
        .col(text(Job::Kind))
        .col(text(Job::Payload))
        .col(text(Job::Progress))
        .col(number(Job::CreatedAt))
        .col(ColumnDef::new(Job::Owner).uuid())
        .col(number(Job::LeaseUntil).default(0).take())
        .take();
    manager.create_table(table).await
}

#[derive(DeriveIden)]
enum Post {
    Table,
    DeletedAt,
}

#[derive(DeriveIden)]
enum Job {
    Table,
    Id,
    Kind,
    Payload,
    Progress,
    CreatedAt,
    Owner,
    LeaseUntil,
}
