//! Adds each comment's depth, so a reply's depth is known without walking up its ancestors.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut depth = ColumnDef::new(Comment::Depth);
        depth.big_integer().not_null().default(0);
        let table = Table::alter()
            .table(Comment::Table)
            .add_column(depth)
            .to_owned();
        manager.alter_table(table).await?;
        // SQLite and PostgreSQL both have recursive queries and UPDATE … FROM.
        manager
            .get_connection()
            .execute_unprepared(
                r#"WITH RECURSIVE tree (id, depth) AS (
                    SELECT "id", 0 FROM "comment" WHERE "parent_id" IS NULL
                    UNION ALL
                    SELECT "comment"."id", tree.depth + 1
                    FROM "comment" INNER JOIN tree ON "comment"."parent_id" = tree.id
                )
                UPDATE "comment" SET "depth" = tree.depth FROM tree
                WHERE "comment"."id" = tree.id AND tree.depth > 0"#,
            )
            .await?;
        Ok(())
    }
}

#[derive(DeriveIden)]
enum Comment {
    Table,
    Depth,
}
