//! The table `ban`.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "ban")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub user_id: String,
    #[sea_orm(column_type = "Text")]
    pub banned_by: String,
    pub banned_at: i64,
    #[sea_orm(column_type = "Text")]
    pub reason: Option<String>,
    /// The time at which the ban was lifted. The row stays, so nodes can read the change.
    pub lifted_at: Option<i64>,
    /// The seq of its latest change among those of all bans.
    pub place: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
