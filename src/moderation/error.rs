//! The refusal of a banned user.

/// The user is banned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("You are banned here.")]
pub struct Banned;
