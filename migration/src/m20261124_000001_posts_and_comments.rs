//! Creates the tables of users, posts and comments.
//!
//! Timestamps are integer milliseconds since 1970. `post.seq` counts the changes of a post's feed. A
//! comment has the seq of its addition and that of its latest change.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let id = |column: ColumnDef| id_of(manager.get_database_backend(), column);
        manager
            .create_table(
                Table::create()
                    .table(User::Table)
                    .col(id(ColumnDef::new(User::Id)
                        .text()
                        .not_null()
                        .primary_key()
                        .take()))
                    .col(ColumnDef::new(User::Name).text().not_null())
                    .col(ColumnDef::new(User::Avatar).text())
                    .to_owned(),
            )
            .await?;

        manager
            .create_table(
                Table::create()
                    .table(Post::Table)
                    .col(id(ColumnDef::new(Post::Id)
                        .text()
                        .not_null()
                        .primary_key()
                        .take()))
                    .col(ColumnDef::new(Post::Title).text().not_null())
                    .col(ColumnDef::new(Post::Url).text())
                    .col(ColumnDef::new(Post::CreatedAt).big_integer().not_null())
                    .col(
                        ColumnDef::new(Post::CommentCount)
                            .big_integer()
                            .not_null()
                            .default(0),
                    )
                    .col(
                        ColumnDef::new(Post::Seq)
                            .big_integer()
                            .not_null()
                            .default(0),
                    )
                    .to_owned(),
            )
            .await?;
        // For the list of posts.
        manager
            .create_index(
                Index::create()
                    .name("post_newest")
                    .table(Post::Table)
                    .col(Post::CreatedAt)
                    .col(Post::Id)
                    .to_owned(),
            )
            .await?;

        manager
            .create_table(
                Table::create()
                    .table(Comment::Table)
                    .col(ColumnDef::new(Comment::Id).uuid().not_null().primary_key())
                    .col(id(ColumnDef::new(Comment::PostId).text().not_null().take()))
                    .col(ColumnDef::new(Comment::ParentId).uuid())
                    .col(id(ColumnDef::new(Comment::AuthorId)
                        .text()
                        .not_null()
                        .take()))
                    .col(ColumnDef::new(Comment::Body).text().not_null())
                    .col(ColumnDef::new(Comment::CreatedAt).big_integer().not_null())
                    .col(ColumnDef::new(Comment::EditedAt).big_integer())
                    .col(ColumnDef::new(Comment::DeletedAt).big_integer())
                    .col(ColumnDef::new(Comment::AddedSeq).big_integer().not_null())
                    .col(ColumnDef::new(Comment::ChangedSeq).big_integer().not_null())
                    .col(ColumnDef::new(Comment::AddedBy).text())
                    .col(ColumnDef::new(Comment::ChangedBy).text())
                    .col(
                        ColumnDef::new(Comment::ReplyCount)
                            .big_integer()
                            .not_null()
                            .default(0),
                    )
                    .foreign_key(
                        ForeignKey::create()
                            .from(Comment::Table, Comment::PostId)
                            .to(Post::Table, Post::Id),
                    )
                    .foreign_key(
                        ForeignKey::create()
                            .from(Comment::Table, Comment::ParentId)
                            .to(Comment::Table, Comment::Id),
                    )
                    .foreign_key(
                        ForeignKey::create()
                            .from(Comment::Table, Comment::AuthorId)
                            .to(User::Table, User::Id),
                    )
                    .to_owned(),
            )
            .await?;
        // One index for each order in which comments are read. Those of the feed are unique, so no seq
        // is taken twice.
        for (name, columns, unique) in [
            (
                "comment_added",
                vec![Comment::PostId, Comment::AddedSeq],
                true,
            ),
            (
                "comment_changed",
                vec![Comment::PostId, Comment::ChangedSeq],
                true,
            ),
            (
                "comment_thread",
                vec![Comment::PostId, Comment::ParentId, Comment::AddedSeq],
                false,
            ),
            (
                "comment_reply",
                vec![Comment::ParentId, Comment::AddedSeq],
                false,
            ),
        ] {
            let mut index = Index::create();
            index.name(name).table(Comment::Table);
            for column in columns {
                index.col(column);
            }
            if unique {
                index.unique();
            }
            manager.create_index(index).await?;
        }
        Ok(())
    }
}

/// Makes PostgreSQL compare a column of ids byte by byte, as SQLite does.
///
/// A system collation may change with an upgrade of the system, which corrupts indexes.
fn id_of(backend: DbBackend, mut column: ColumnDef) -> ColumnDef {
    if backend == DbBackend::Postgres {
        column.extra("COLLATE \"C\"");
    }
    column
}

#[derive(DeriveIden)]
enum User {
    Table,
    Id,
    Name,
    Avatar,
}

#[derive(DeriveIden)]
enum Post {
    Table,
    Id,
    Title,
    Url,
    CreatedAt,
    CommentCount,
    Seq,
}

#[derive(DeriveIden)]
enum Comment {
    Table,
    Id,
    PostId,
    ParentId,
    AuthorId,
    Body,
    CreatedAt,
    EditedAt,
    DeletedAt,
    AddedSeq,
    ChangedSeq,
    AddedBy,
    ChangedBy,
    ReplyCount,
}
