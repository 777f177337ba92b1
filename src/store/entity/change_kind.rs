//! The column `change_kind` of the table `comment`.

use sea_orm::entity::prelude::*;

use crate::model;

/// The kind of a comment's latest change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "i16", db_type = "SmallInteger")]
pub(crate) enum ChangeKind {
    #[sea_orm(num_value = 0)]
    Added,
    #[sea_orm(num_value = 1)]
    Edited,
    #[sea_orm(num_value = 2)]
    Deleted,
    #[sea_orm(num_value = 3)]
    Restored,
}

impl From<model::ChangeKind> for ChangeKind {
    fn from(kind: model::ChangeKind) -> Self {
        match kind {
            model::ChangeKind::Added => Self::Added,
            model::ChangeKind::Edited => Self::Edited,
            model::ChangeKind::Deleted => Self::Deleted,
            model::ChangeKind::Restored => Self::Restored,
        }
    }
}

impl From<ChangeKind> for model::ChangeKind {
    fn from(kind: ChangeKind) -> Self {
        match kind {
            ChangeKind::Added => Self::Added,
            ChangeKind::Edited => Self::Edited,
            ChangeKind::Deleted => Self::Deleted,
            ChangeKind::Restored => Self::Restored,
        }
    }
}
