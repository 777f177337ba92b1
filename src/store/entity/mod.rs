//! The tables as the migrations define them, one file each.

pub(super) mod ban;
pub(super) mod ban_counter;
pub(super) mod banned_address;
pub(super) mod codes;
pub(super) mod comment;
pub(super) mod deleted_post;
pub(super) mod epoch;
pub(super) mod guest_address;
pub(super) mod hash_key;
pub(super) mod idempotency_key;
pub(super) mod job;
pub(super) mod old_post_id;
pub(super) mod post;
pub(super) mod reaction;
pub(super) mod reaction_count;
pub(super) mod report;
pub(super) mod user;
pub(super) mod user_version;
