//! The table `deleted_post`.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "deleted_post")]
pub(crate) struct Model {
    /// An id of the post, present or old.
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub id: String,
    /// The seq of its last change, after which the feed of a new post of this id begins.
    pub seq: i64,
    /// The version that a new post of this id begins with.
    pub version: i64,
    pub deleted_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
