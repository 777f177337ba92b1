//! Settings of comments and their rate limits.

use std::time::Duration;

use clap::{Args, ValueEnum, value_parser};

use super::{ReactionContents, parse::duration};

/// Settings of comments and their rate limits.
#[derive(Args, Clone, Debug)]
pub struct WritingConfig {
    /// Time that an author has to edit a comment after writing it.
    #[arg(long, env = "EDIT_WINDOW", default_value = "15m", value_parser = duration)]
    pub edit_window: Duration,
    /// Rate limits of users and addresses, and connection limits of addresses; `off` is for load
    /// tests.
    #[arg(long, env = "RATE_LIMITS", default_value = "on")]
    pub rate_limits: Switch,
    /// Comments that a user may write a minute, edits included. Those of moderators do not count.
    #[arg(long, env = "COMMENTS_PER_USER", default_value = "20", value_parser = value_parser!(u32).range(1..=1_000_000))]
    pub comments_per_user: u32,
    /// Comments that one address may write a minute, edits included. Those of moderators do not count.
    #[arg(long, env = "COMMENTS_PER_ADDRESS", default_value = "120", value_parser = value_parser!(u32).range(1..=1_000_000))]
    pub comments_per_address: u32,
    /// Other mutations that a reader may send a minute: deletions.
    #[arg(long, env = "MUTATIONS_PER_USER", default_value = "120", value_parser = value_parser!(u32).range(1..=1_000_000))]
    pub mutations_per_user: u32,
    /// Other mutations that an author or a moderator may send a minute: deletions, posts, bans; of a
    /// moderator comments too.
    #[arg(long, env = "MUTATIONS_PER_MODERATOR", default_value = "600", value_parser = value_parser!(u32).range(1..=1_000_000))]
    pub mutations_per_moderator: u32,
    /// Typing signals that a user may send a second.
    #[arg(long, env = "TYPING_PER_USER", default_value = "4", value_parser = value_parser!(u32).range(1..=10_000))]
    pub typing_per_user: u32,
    /// Guests that may sign in from one address a minute.
    #[arg(long, env = "GUESTS_PER_ADDRESS", default_value = "20", value_parser = value_parser!(u32).range(1..=1_000_000))]
    pub guests_per_address: u32,
    /// Maximum depth of replies; a reply to a top-level comment has depth 1.
    #[arg(long, env = "REPLY_DEPTH", default_value = "32", value_parser = value_parser!(u32).range(1..=10_000))]
    pub reply_depth: u32,
    /// Contents that reactions may have: a comma-separated list. Empty turns reactions off. Those that are
    /// stored stay and are shown.
    #[arg(
        long,
        env = "REACTIONS",
        default_value = "THUMBS_UP,THUMBS_DOWN,LAUGH,HOORAY,CONFUSED,HEART,ROCKET,EYES"
    )]
    pub reactions: ReactionContents,
}

/// The state of a feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// Enabled.
    On,
    /// Disabled.
    Off,
}
