//! The rows, one file a table, as the migrations shape them.

pub(super) mod ban;
pub(super) mod ban_counter;
pub(super) mod comment;
pub(super) mod post;
pub(super) mod user;
