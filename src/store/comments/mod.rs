//! Comments.
//!
//! Every change that readers see takes the post's next seq in the transaction that makes it. It thereby locks
//! the post's row until the commit, so the order of commits is the order of the feed.
//!
//! On PostgreSQL the post's lock guards its comments, their reports and their reactions. Posts are locked first, then keys, then
//! users, each in the order of their ids. So transactions may wait for each other, but never in a circle.

mod batch_posts;
mod circumstances;
mod create;
mod delete;
mod edit;
mod effects;
mod held;
mod idempotency;
mod locked;
mod metrics;
mod moderate;
mod moderated;
mod open_reports;
mod parents;
mod participants;
mod pin;
mod reaction_counts;
mod reactions;
mod read;
mod recent;
mod reject;
mod reports;
mod seq;
mod state;
pub(super) mod visibility;

pub use self::{
    create::NewComment,
    delete::DeleteComment,
    edit::EditComment,
    effects::{ChangedDetails, ChangedReactions, Effects},
    held::Screened,
    idempotency::IdempotencyKey,
    moderate::{ModerateComment, Moderated, ModerationAction},
    moderated::{CommentFilter, SearchedPage, WrittenAt},
    participants::ParticipantsOf,
    pin::{Pin, PinComment},
    reaction_counts::{Reacted, ReactedComment, Reactions},
    reactions::{React, ReactionState},
    read::Listed,
    recent::PublishedAt,
    reports::NewReport,
    state::Written,
};
pub(super) use self::{metrics::ModerationMetrics, reject::reject_as, seq::lock_posts};
