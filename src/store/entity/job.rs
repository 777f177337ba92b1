//! The table `job`.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "job")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    #[sea_orm(column_type = "Text")]
    pub kind: String,
    /// The work, as JSON.
    #[sea_orm(column_type = "Text")]
    pub payload: String,
    /// The part of it that is done, as JSON.
    #[sea_orm(column_type = "Text")]
    pub progress: String,
    pub created_at: i64,
    /// The node that works on it.
    pub owner: Option<Uuid>,
    /// The time until which that node alone may work on it.
    pub lease_until: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
