//! The enums of columns, each with the numbers that the database has for them.

use sea_orm::entity::prelude::*;

use crate::model;

/// Defines the column's form of an enum of the model.
macro_rules! codes {
    ($(#[$doc:meta])* $name:ident: $($variant:ident = $code:tt),+) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
        #[sea_orm(rs_type = "i16", db_type = "SmallInteger")]
        pub(crate) enum $name {
            $(#[sea_orm(num_value = $code)] $variant,)+
        }

        impl From<model::$name> for $name {
            fn from(value: model::$name) -> Self {
                match value { $(model::$name::$variant => Self::$variant,)+ }
            }
        }

        impl From<$name> for model::$name {
            fn from(value: $name) -> Self {
                match value { $($name::$variant => Self::$variant,)+ }
            }
        }
    };
}

codes! {
    /// The kind of a comment's latest change.
    ChangeKind: Added = 0, Edited = 1, Deleted = 2, Restored = 3
}

codes! {
    /// The status of a comment.
    CommentStatus: Published = 0, Pending = 1, Rejected = 2
}

codes! {
    /// The reason why a comment was held or rejected.
    HoldReason: ModerationMode = 0, Links = 1, BlockedWord = 2, Check = 3, Reports = 4, Moderator = 5
}

codes! {
    /// The comments of a post that wait for a moderator.
    ModerationMode: None = 0, NewAuthors = 1, All = 2
}

codes! {
    /// The content of a reaction.
    ReactionContent: ThumbsUp = 0, ThumbsDown = 1, Laugh = 2, Hooray = 3, Confused = 4, Heart = 5,
        Rocket = 6, Eyes = 7
}

codes! {
    /// The reason of a report.
    ReportReason: Spam = 0, Abuse = 1, OffTopic = 2, Other = 3
}
