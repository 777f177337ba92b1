//! Comments.
//!
//! Every change that readers see takes the post's next seq in the transaction that makes it. It thereby locks
//! the post's row until the commit, so the order of commits is the order of the feed.

mod create;
mod delete;
mod edit;
mod effects;
mod held;
mod idempotency;
mod locked;
mod moderate;
mod moderated;
mod open_reports;
mod parents;
mod pin;
mod read;
mod reports;
mod seq;
mod state;
pub(super) mod visibility;

pub(super) use self::seq::lock_posts;
pub use self::{
    create::NewComment,
    delete::DeleteComment,
    edit::EditComment,
    effects::{ChangedDetails, Effects},
    held::Screened,
    idempotency::IdempotencyKey,
    moderate::{ModerateComment, Moderated, Verdict},
    moderated::{CommentFilter, SearchedPage, WrittenAt},
    pin::{Pin, PinComment},
    reports::NewReport,
    state::Written,
};
