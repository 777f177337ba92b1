//! The table `comment`.

use sea_orm::entity::prelude::*;

use super::codes::{ChangeKind, CommentStatus, HoldReason};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "comment")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    #[sea_orm(column_type = "Text")]
    pub post_id: String,
    pub parent_id: Option<Uuid>,
    #[sea_orm(column_type = "Text")]
    pub author_id: String,
    #[sea_orm(column_type = "Text")]
    pub body: String,
    pub created_at: i64,
    pub edited_at: Option<i64>,
    pub deleted_at: Option<i64>,
    /// The seq of its addition; null if it was never published.
    pub added_seq: Option<i64>,
    /// The seq of its latest change; null if it was never published.
    pub changed_seq: Option<i64>,
    /// The seq of the change with which it last became listed; null if it is in no list.
    pub entered_seq: Option<i64>,
    /// The client that made that change, if it named itself.
    #[sea_orm(column_type = "Text")]
    pub entered_by: Option<String>,
    /// The client that added it, if it named itself.
    #[sea_orm(column_type = "Text")]
    pub added_by: Option<String>,
    /// The client that made the latest change, if it named itself.
    #[sea_orm(column_type = "Text")]
    pub changed_by: Option<String>,
    /// The kind of the latest change.
    pub change_kind: ChangeKind,
    pub reply_count: i64,
    /// The number of its ancestors; 0 for a top-level comment.
    pub depth: i64,
    pub status: CommentStatus,
    /// The reason why it was last held or rejected.
    pub hold_reason: Option<HoldReason>,
    /// The moderator who decided last; null if an automatic decision followed.
    #[sea_orm(column_type = "Text")]
    pub decided_by: Option<String>,
    pub decided_at: Option<i64>,
    /// The time at which it was first published.
    pub published_at: Option<i64>,
    /// The score of its reactions; 0 while readers do not see it.
    pub score: i64,
    /// The post's version at the latest change of its reactions; 0 before the first one.
    pub reaction_version: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {
    #[sea_orm(
        belongs_to = "super::user::Entity",
        from = "Column::AuthorId",
        to = "super::user::Column::Id"
    )]
    Author,
}

impl Related<super::user::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Author.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}
