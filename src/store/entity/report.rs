//! The table `report`.

use sea_orm::entity::prelude::*;

use super::codes::ReportReason;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "report")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub comment_id: Uuid,
    #[sea_orm(column_type = "Text")]
    pub reporter_id: String,
    /// The user, or a hash of a guest's address: reports of one source count as one.
    #[sea_orm(column_type = "Text")]
    pub source: String,
    pub reason: ReportReason,
    #[sea_orm(column_type = "Text")]
    pub note: Option<String>,
    pub created_at: i64,
    pub resolved_at: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {
    #[sea_orm(
        belongs_to = "super::user::Entity",
        from = "Column::ReporterId",
        to = "super::user::Column::Id"
    )]
    Reporter,
}

impl Related<super::user::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Reporter.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}
