//! The part of the schema that moderators see.

mod comment;
mod enums;
mod report;
mod root;

pub(super) use self::{
    comment::ModeratedComment,
    enums::{CommentStatus, HoldReason, ModerationMode, ReportReason},
    root::{Moderation, ModerationQueueStatus, decode, encode},
};
