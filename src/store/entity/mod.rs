//! The rows, one file a table, as the migrations shape them.

pub(super) mod comment;
pub(super) mod post;
pub(super) mod user;
