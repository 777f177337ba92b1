//! Settings of what is held back from readers.

use std::path::PathBuf;

use clap::{Args, ValueEnum, value_parser};

/// Settings of what is held back from readers.
#[derive(Args, Clone, Debug)]
pub struct ModerationConfig {
    /// Comments that wait for a moderator: `none`, those of users without a published comment
    /// (`new-authors`), or `all`. Those of authors and moderators are never held.
    #[arg(long, env = "MODERATION", default_value = "none")]
    pub moderation: ModerationMode,
    /// Maximum number of links in a comment; one with more waits for a moderator. `0` is no limit.
    #[arg(long, env = "HOLD_LINKS", default_value = "0", value_parser = value_parser!(u32).range(0..=1000))]
    pub hold_links: u32,
    /// File of words and phrases, one a line; a comment with one of them waits for a moderator. It is
    /// read again when it changes.
    #[arg(long, env = "BLOCKED_WORDS", value_parser = file)]
    pub blocked_words: Option<PathBuf>,
    /// Number of open reports that send a published comment back to the moderators. `0` is never.
    #[arg(long, env = "REPORTS_TO_HOLD", default_value = "0", value_parser = value_parser!(u32).range(0..=1000))]
    pub reports_to_hold: u32,
}

/// The comments that wait for a moderator, in posts that do not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ModerationMode {
    /// No comment.
    None,
    /// The comments of users without a published one.
    NewAuthors,
    /// All comments.
    All,
}

fn file(text: &str) -> Result<PathBuf, String> {
    match text {
        "" => Err("must not be empty".into()),
        path => Ok(path.into()),
    }
}
