//! Adds the status of comments, and what posts need for moderation: reports, pins, closing, old ids.
//!
//! A comment that was never published has no place in the feed, so `added_seq` and `changed_seq` may be null
//! from here on. `published_at` is the time at which a comment was first published.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};
use uuid::Uuid;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// Lifts the NOT NULL of the two seqs. SQLite has no statement for that, so the columns are made again.
const NULLABLE_SEQS_SQLITE: [&str; 9] = [
    r#"DROP INDEX "comment_added""#,
    r#"DROP INDEX "comment_changed""#,
    r#"DROP INDEX "comment_thread""#,
    r#"DROP INDEX "comment_reply""#,
    r#"DROP INDEX "comment_listed""#,
    r#"ALTER TABLE "comment" RENAME COLUMN "added_seq" TO "old_added_seq""#,
    r#"ALTER TABLE "comment" RENAME COLUMN "changed_seq" TO "old_changed_seq""#,
    r#"ALTER TABLE "comment" ADD COLUMN "added_seq" bigint"#,
    r#"ALTER TABLE "comment" ADD COLUMN "changed_seq" bigint"#,
];

const NULLABLE_SEQS_POSTGRES: [&str; 2] = [
    r#"ALTER TABLE "comment" ALTER COLUMN "added_seq" DROP NOT NULL"#,
    r#"ALTER TABLE "comment" ALTER COLUMN "changed_seq" DROP NOT NULL"#,
];

/// Fills the new columns of comments, in one pass.
const FILL_SQLITE: &str = r#"UPDATE "comment" SET "added_seq" = "old_added_seq",
    "changed_seq" = "old_changed_seq", "published_at" = "created_at",
    "added_by" = "entered_by""#;
const FILL_POSTGRES: &str =
    r#"UPDATE "comment" SET "published_at" = "created_at", "added_by" = "entered_by""#;

/// Refuses what a node of an earlier version writes, because it knows no status.
const REFUSE_OLD_POSTGRES: &str = r#"ALTER TABLE "comment" ADD CONSTRAINT "comment_published_at"
    CHECK ("added_seq" IS NULL OR "published_at" IS NOT NULL)"#;

const REBUILT_SQLITE: [&str; 7] = [
    r#"ALTER TABLE "comment" DROP COLUMN "old_added_seq""#,
    r#"ALTER TABLE "comment" DROP COLUMN "old_changed_seq""#,
    r#"CREATE UNIQUE INDEX "comment_added" ON "comment" ("post_id", "added_seq")"#,
    r#"CREATE UNIQUE INDEX "comment_changed" ON "comment" ("post_id", "changed_seq")"#,
    r#"CREATE INDEX "comment_thread" ON "comment" ("post_id", "parent_id", "added_seq")
        WHERE "entered_seq" IS NOT NULL"#,
    r#"CREATE INDEX "comment_reply" ON "comment" ("parent_id", "added_seq")
        WHERE "entered_seq" IS NOT NULL"#,
    r#"CREATE INDEX "comment_listed" ON "comment" ("post_id", "added_seq")
        WHERE "entered_seq" IS NOT NULL"#,
];

/// Fills the new columns of posts and adds the indexes, which both databases have. Status 0 is PUBLISHED, and
/// 1 PENDING.
const COMMON: [&str; 12] = [
    r#"UPDATE "post" SET "version" = "seq", "opened_at" = "created_at", "last_comment_at" = (
        SELECT MAX("published_at") FROM "comment"
        WHERE "comment"."post_id" = "post"."id" AND "deleted_at" IS NULL
    )"#,
    r#"CREATE INDEX "comment_published" ON "comment" ("post_id", "published_at")
        WHERE "status" = 0 AND "deleted_at" IS NULL"#,
    r#"CREATE INDEX "comment_author" ON "comment" ("author_id", "created_at", "id")
        WHERE "deleted_at" IS NULL"#,
    r#"CREATE INDEX "comment_of_post" ON "comment" ("post_id", "created_at", "id")
        WHERE "deleted_at" IS NULL"#,
    r#"CREATE INDEX "comment_newest" ON "comment" ("created_at", "id") WHERE "deleted_at" IS NULL"#,
    r#"CREATE INDEX "comment_unpublished" ON "comment" ("author_id", "created_at", "id")
        WHERE "status" <> 0 AND "deleted_at" IS NULL"#,
    r#"CREATE INDEX "comment_pending" ON "comment" ("created_at", "id")
        WHERE "status" = 1 AND "deleted_at" IS NULL"#,
    r#"CREATE INDEX "comment_pending_of_post" ON "comment" ("post_id", "created_at", "id")
        WHERE "status" = 1 AND "deleted_at" IS NULL"#,
    r#"CREATE INDEX "comment_rejected_of_post" ON "comment" ("post_id", "created_at", "id")
        WHERE "status" = 2 AND "deleted_at" IS NULL"#,
    r#"CREATE INDEX "comment_pending_reply" ON "comment" ("parent_id")
        WHERE "status" = 1 AND "deleted_at" IS NULL"#,
    r#"CREATE INDEX "comment_rejected" ON "comment" ("created_at", "id")
        WHERE "status" = 2 AND "deleted_at" IS NULL"#,
    r#"CREATE INDEX "report_open" ON "report" ("comment_id", "source") WHERE "resolved_at" IS NULL"#,
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let backend = manager.get_database_backend();
        let is_postgres = backend == DbBackend::Postgres;
        let run = async |statements: &[&str]| {
            for statement in statements {
                manager
                    .get_connection()
                    .execute_unprepared(statement)
                    .await?;
            }
            Ok::<_, DbErr>(())
        };
        add_columns(manager, Comment::Table, comment_columns(backend)).await?;
        if is_postgres {
            run(&NULLABLE_SEQS_POSTGRES).await?;
            run(&[FILL_POSTGRES, REFUSE_OLD_POSTGRES]).await?;
        } else {
            run(&NULLABLE_SEQS_SQLITE).await?;
            run(&[FILL_SQLITE]).await?;
            run(&REBUILT_SQLITE).await?;
        }
        add_columns(manager, Post::Table, post_columns()).await?;
        create_reports(manager).await?;
        create_old_ids(manager).await?;
        create_hash_key(manager).await?;
        create_user_version(manager).await?;
        run(&COMMON).await
    }
}

fn comment_columns(backend: DbBackend) -> Vec<ColumnDef> {
    vec![
        ColumnDef::new(Comment::Status)
            .small_integer()
            .not_null()
            .default(0)
            .take(),
        ColumnDef::new(Comment::HoldReason).small_integer().take(),
        id_of(backend, ColumnDef::new(Comment::DecidedBy).text().take()),
        ColumnDef::new(Comment::DecidedAt).big_integer().take(),
        ColumnDef::new(Comment::PublishedAt).big_integer().take(),
        ColumnDef::new(Comment::AddedBy).text().take(),
    ]
}

fn post_columns() -> Vec<ColumnDef> {
    let number = |column: Post| ColumnDef::new(column).big_integer().take();
    vec![
        number(Post::Version).not_null().default(0).take(),
        number(Post::DetailVersion).not_null().default(0).take(),
        ColumnDef::new(Post::IsOpen)
            .boolean()
            .not_null()
            .default(true)
            .take(),
        ColumnDef::new(Post::Moderation).small_integer().take(),
        ColumnDef::new(Post::PinnedComment).uuid().take(),
        number(Post::LastCommentAt),
        number(Post::OpenedAt).not_null().default(0).take(),
        number(Post::UnlistedSince),
    ]
}

/// Adds columns one at a time, because SQLite knows no other way.
async fn add_columns(
    manager: &SchemaManager<'_>,
    table: impl IntoTableRef + Clone,
    columns: Vec<ColumnDef>,
) -> Result<(), DbErr> {
    for column in columns {
        let table = Table::alter()
            .table(table.clone())
            .add_column(column)
            .take();
        manager.alter_table(table).await?;
    }
    Ok(())
}

/// Creates the table of reports. A user has at most one of a comment. `source` is what counts as one
/// reporter: the user, or a guest's address.
async fn create_reports(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let backend = manager.get_database_backend();
    let table = Table::create()
        .table(Report::Table)
        .col(ColumnDef::new(Report::Id).uuid().not_null().primary_key())
        .col(ColumnDef::new(Report::CommentId).uuid().not_null())
        .col(id_of(
            backend,
            ColumnDef::new(Report::ReporterId).text().not_null().take(),
        ))
        .col(id_of(
            backend,
            ColumnDef::new(Report::Source).text().not_null().take(),
        ))
        .col(ColumnDef::new(Report::Reason).small_integer().not_null())
        .col(ColumnDef::new(Report::Note).text())
        .col(ColumnDef::new(Report::CreatedAt).big_integer().not_null())
        .col(ColumnDef::new(Report::ResolvedAt).big_integer())
        .foreign_key(
            ForeignKey::create()
                .from(Report::Table, Report::CommentId)
                .to(Comment::Table, Comment::Id),
        )
        .foreign_key(
            ForeignKey::create()
                .from(Report::Table, Report::ReporterId)
                .to(User::Table, User::Id),
        )
        .take();
    manager.create_table(table).await?;
    let index = Index::create()
        .name("report_reporter")
        .table(Report::Table)
        .col(Report::CommentId)
        .col(Report::ReporterId)
        .unique()
        .take();
    manager.create_index(index).await
}

/// Creates the table of the key of hashes, which has one row. Hashes of addresses are made with it.
async fn create_hash_key(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let table = Table::create()
        .table(HashKey::Table)
        .col(
            ColumnDef::new(HashKey::Id)
                .big_integer()
                .not_null()
                .primary_key(),
        )
        .col(ColumnDef::new(HashKey::Value).blob().not_null())
        .take();
    manager.create_table(table).await?;
    // Two random ids have 244 bits that cannot be guessed.
    let key = [Uuid::new_v4(), Uuid::new_v4()]
        .map(Uuid::into_bytes)
        .concat();
    let row = Query::insert()
        .into_table(HashKey::Table)
        .columns([HashKey::Id, HashKey::Value])
        .values_panic([1i64.into(), key.into()])
        .take();
    manager.exec_stmt(row).await
}

/// Creates the table of the ids that posts had before they were moved.
async fn create_old_ids(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let backend = manager.get_database_backend();
    let id = |column: OldPostId| id_of(backend, ColumnDef::new(column).text().not_null().take());
    let table = Table::create()
        .table(OldPostId::Table)
        .col(id(OldPostId::OldId).primary_key().take())
        .col(id(OldPostId::PostId))
        .foreign_key(
            ForeignKey::create()
                .from(OldPostId::Table, OldPostId::PostId)
                .to(Post::Table, Post::Id),
        )
        .take();
    manager.create_table(table).await?;
    let index = Index::create()
        .name("old_post_id_post")
        .table(OldPostId::Table)
        .col(OldPostId::PostId)
        .take();
    manager.create_index(index).await
}

/// Makes PostgreSQL compare a column of ids byte by byte, as in the first migration.
fn id_of(backend: DbBackend, mut column: ColumnDef) -> ColumnDef {
    if backend == DbBackend::Postgres {
        column.extra("COLLATE \"C\"");
    }
    column
}

#[derive(DeriveIden, Clone)]
enum Comment {
    Table,
    Id,
    Status,
    HoldReason,
    DecidedBy,
    DecidedAt,
    PublishedAt,
    AddedBy,
}

#[derive(DeriveIden, Clone)]
enum Post {
    Table,
    Id,
    Version,
    DetailVersion,
    IsOpen,
    Moderation,
    PinnedComment,
    LastCommentAt,
    OpenedAt,
    UnlistedSince,
}

#[derive(DeriveIden)]
enum User {
    Table,
    Id,
}

#[derive(DeriveIden)]
enum Report {
    Table,
    Id,
    CommentId,
    ReporterId,
    Source,
    Reason,
    Note,
    CreatedAt,
    ResolvedAt,
}

/// Creates the table of the version that all users share, which has one row.
async fn create_user_version(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let number = |column: UserVersion| ColumnDef::new(column).big_integer().not_null().take();
    let table = Table::create()
        .table(UserVersion::Table)
        .col(number(UserVersion::Id).primary_key().take())
        .col(number(UserVersion::Value))
        .take();
    manager.create_table(table).await?;
    let row = Query::insert()
        .into_table(UserVersion::Table)
        .columns([UserVersion::Id, UserVersion::Value])
        .values_panic([1i64.into(), 0i64.into()])
        .take();
    manager.exec_stmt(row).await
}

#[derive(DeriveIden)]
enum UserVersion {
    Table,
    Id,
    Value,
}

#[derive(DeriveIden)]
enum HashKey {
    Table,
    Id,
    Value,
}

#[derive(DeriveIden)]
enum OldPostId {
    Table,
    OldId,
    PostId,
}
