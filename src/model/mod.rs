//! The types of the domain, which all layers share. Nothing here does I/O.

mod ban;
mod change;
mod client;
mod comment;
mod moderation;
mod page_path;
mod post;
mod reaction;
mod shared_str;
mod timestamp;
mod user;

pub use self::{
    ban::{Ban, MAX_REASON_CHARS},
    change::{Change, ChangeKind, Epoch, Seq},
    client::{AddressHash, ClientAddress, ClientId},
    comment::{Comment, CommentId, MAX_BODY_CHARS},
    moderation::{
        CommentStatus, Decision, HoldReason, MAX_NOTE_CHARS, ModeratedComment, ModerationMode,
        QueueStatus, Report, ReportReason,
    },
    page_path::PagePathError,
    post::{MAX_TITLE_CHARS, Post, PostId},
    reaction::{MAX_OWN_REACTIONS, Reaction, ReactionContent, ReactionCounts, ReactionSet},
    timestamp::Timestamp,
    user::{GuestSource, Profile, Role, User, UserId},
};
