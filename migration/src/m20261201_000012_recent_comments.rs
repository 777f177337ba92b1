//! Adds the index of published comments by time, over all posts.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const INDEX: &str = r#"CREATE INDEX "comment_recent" ON "comment" ("published_at", "id")
    WHERE "status" = 0 AND "deleted_at" IS NULL"#;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(INDEX).await?;
        Ok(())
    }
}
