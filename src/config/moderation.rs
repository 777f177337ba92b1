//! Settings of what is held back from readers.

use std::path::PathBuf;

use clap::{Args, ValueEnum, value_parser};
use url::Url;

use super::{SigningSecret, Switch};

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
    /// URL that is asked about each comment before it is stored: publish, hold or reject. A comment
    /// waits for a moderator if there is no answer within two seconds.
    #[arg(long, env = "CHECK_URL", value_parser = target)]
    pub check_url: Option<Url>,
    /// Secret that these requests are signed with (Standard Webhooks): `whsec_` and 24 to 64 random
    /// bytes in Base64. CHECK_URL needs it.
    #[arg(long, env = "CHECK_SECRET", hide_env_values = true, value_parser = str::parse::<SigningSecret>)]
    pub check_secret: Option<SigningSecret>,
    /// Permission for CHECK_URL to be at a private or loopback address.
    #[arg(long, env = "WEBHOOK_ALLOW_PRIVATE", default_value = "off")]
    pub webhook_allow_private: Switch,
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

/// Parses the URL of a server that requests are sent to.
fn target(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    let is_web = matches!(url.scheme(), "http" | "https");
    if !is_web || !url.username().is_empty() || url.password().is_some() {
        return Err("must be an https or http URL without a password".into());
    }
    Ok(url)
}
