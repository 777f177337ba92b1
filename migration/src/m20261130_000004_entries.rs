//! Adds each comment's place of entry, and the kind of its latest change.
//!
//! `entered_seq` is the seq of the change with which a comment last became listed. It is null if the comment
//! is in no list. Tombstones without replies leave the lists, and their parents' reply counts.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// The rest is in SQL that SQLite and PostgreSQL share. sea-query has no partial indexes on all of them.
const STATEMENTS: [&str; 10] = [
    r#"ALTER TABLE "comment" RENAME COLUMN "added_by" TO "entered_by""#,
    r#"UPDATE "comment" SET "entered_seq" = "added_seq" WHERE "deleted_at" IS NULL OR "reply_count" > 0"#,
    r#"UPDATE "comment" SET "change_kind" = CASE WHEN "deleted_at" IS NOT NULL THEN 2
        WHEN "changed_seq" > "added_seq" THEN 1 ELSE 0 END"#,
    r#"UPDATE "comment" SET "reply_count" = (
        SELECT COUNT(*) FROM "comment" AS reply
        WHERE reply."parent_id" = "comment"."id" AND reply."entered_seq" IS NOT NULL
    ) WHERE "reply_count" > 0"#,
    r#"DROP INDEX "comment_thread""#,
    r#"DROP INDEX "comment_reply""#,
    r#"CREATE INDEX "comment_thread" ON "comment" ("post_id", "parent_id", "added_seq")
        WHERE "entered_seq" IS NOT NULL"#,
    r#"CREATE INDEX "comment_reply" ON "comment" ("parent_id", "added_seq")
        WHERE "entered_seq" IS NOT NULL"#,
    r#"CREATE INDEX "comment_listed" ON "comment" ("post_id", "added_seq")
        WHERE "entered_seq" IS NOT NULL"#,
    r#"CREATE UNIQUE INDEX "comment_entered" ON "comment" ("post_id", "entered_seq")
        WHERE "entered_seq" IS NOT NULL"#,
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut entered = ColumnDef::new(Comment::EnteredSeq);
        entered.big_integer();
        let mut kind = ColumnDef::new(Comment::ChangeKind);
        kind.small_integer().not_null().default(0);
        // SQLite adds one column at a time.
        for column in [entered, kind] {
            let table = Table::alter()
                .table(Comment::Table)
                .add_column(column)
                .to_owned();
            manager.alter_table(table).await?;
        }
        for statement in STATEMENTS {
            manager
                .get_connection()
                .execute_unprepared(statement)
                .await?;
        }
        Ok(())
    }
}

#[derive(DeriveIden)]
enum Comment {
    Table,
    EnteredSeq,
    ChangeKind,
}
