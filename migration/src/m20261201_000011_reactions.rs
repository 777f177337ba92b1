//! Adds reactions to comments: one of each content that a user has added, their numbers, and the score.
//!
//! `reaction.post_id` is the comment's, for the list of a user's reactions to the comments of a post.
//! `comment.reaction_version` and `post.reaction_version` are the post's version at the latest change of a
//! reaction. They are 0 before the first one.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// The indexes, in the words of the conditions that use them.
const INDEXES: [&str; 3] = [
    r#"CREATE INDEX "reaction_user" ON "reaction" ("user_id", "post_id", "created_at")"#,
    r#"CREATE INDEX "comment_top" ON "comment" ("post_id", "score", "added_seq")
        WHERE "entered_seq" IS NOT NULL"#,
    r#"CREATE INDEX "comment_reacted" ON "comment" ("post_id", "reaction_version")
        WHERE "reaction_version" > 0"#,
];

/// The index of top-level comments by score. SQLite prefers an index with more columns to a smaller one, and
/// PostgreSQL knows no order below a column that is null.
const TOP_THREAD_SQLITE: &str = r#"CREATE INDEX "comment_top_thread" ON "comment"
    ("post_id", "parent_id", "score", "added_seq") WHERE "entered_seq" IS NOT NULL"#;
const TOP_THREAD_POSTGRES: &str = r#"CREATE INDEX "comment_top_thread" ON "comment"
    ("post_id", "score", "added_seq") WHERE "parent_id" IS NULL AND "entered_seq" IS NOT NULL"#;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, column) in [
            (Comment::Table.into_table_ref(), Comment::Score.into_iden()),
            (
                Comment::Table.into_table_ref(),
                Comment::ReactionVersion.into_iden(),
            ),
            (
                Post::Table.into_table_ref(),
                Post::ReactionVersion.into_iden(),
            ),
        ] {
            let table = Table::alter()
                .table(table)
                .add_column(ColumnDef::new(column).big_integer().not_null().default(0))
                .take();
            manager.alter_table(table).await?;
        }
        create_reactions(manager).await?;
        create_counts(manager).await?;
        let of_threads = match manager.get_database_backend() {
            DbBackend::Postgres => TOP_THREAD_POSTGRES,
            _ => TOP_THREAD_SQLITE,
        };
        for index in INDEXES.into_iter().chain([of_threads]) {
            manager.get_connection().execute_unprepared(index).await?;
        }
        Ok(())
    }
}

async fn create_reactions(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let text = |column: Reaction| {
        let mut column = ColumnDef::new(column);
        column.text().not_null();
        if manager.get_database_backend() == DbBackend::Postgres {
            // Compared byte by byte, as in the first migration.
            column.extra("COLLATE \"C\"");
        }
        column
    };
    let table = Table::create()
        .table(Reaction::Table)
        .col(ColumnDef::new(Reaction::CommentId).uuid().not_null())
        .col(text(Reaction::UserId))
        .col(ColumnDef::new(Reaction::Content).small_integer().not_null())
        .col(text(Reaction::PostId))
        .col(ColumnDef::new(Reaction::CreatedAt).big_integer().not_null())
        .primary_key(
            Index::create()
                .col(Reaction::CommentId)
                .col(Reaction::UserId)
                .col(Reaction::Content),
        )
        .foreign_key(
            ForeignKey::create()
                .from(Reaction::Table, Reaction::CommentId)
                .to(Comment::Table, Comment::Id),
        )
        .foreign_key(
            ForeignKey::create()
                .from(Reaction::Table, Reaction::UserId)
                .to(User::Table, User::Id),
        )
        .take();
    manager.create_table(table).await
}

/// Creates the table of the numbers of reactions to each comment, by content.
async fn create_counts(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let table = Table::create()
        .table(ReactionCount::Table)
        .col(ColumnDef::new(ReactionCount::CommentId).uuid().not_null())
        .col(
            ColumnDef::new(ReactionCount::Content)
                .small_integer()
                .not_null(),
        )
        .col(
            ColumnDef::new(ReactionCount::Count)
                .big_integer()
                .not_null(),
        )
        .primary_key(
            Index::create()
                .col(ReactionCount::CommentId)
                .col(ReactionCount::Content),
        )
        .foreign_key(
            ForeignKey::create()
                .from(ReactionCount::Table, ReactionCount::CommentId)
                .to(Comment::Table, Comment::Id),
        )
        .take();
    manager.create_table(table).await
}

#[derive(DeriveIden)]
enum Reaction {
    Table,
    CommentId,
    UserId,
    Content,
    PostId,
    CreatedAt,
}

#[derive(DeriveIden)]
enum ReactionCount {
    Table,
    CommentId,
    Content,
    Count,
}

#[derive(DeriveIden)]
enum Comment {
    Table,
    Id,
    Score,
    ReactionVersion,
}

#[derive(DeriveIden)]
enum Post {
    Table,
    ReactionVersion,
}

#[derive(DeriveIden)]
enum User {
    Table,
    Id,
}
