//! `causerie posts`: posts without a moderator's hand.

mod report;
mod sync;

use std::process::ExitCode;

use clap::Subcommand;

use super::Error;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Opens and updates the posts of the pages that a sitemap or a feed lists. Idempotent.
    ///
    /// A new post has the title that the feed gives. A sitemap has none, so the last segment of the path is
    /// made readable, and an existing post keeps its title. Exits with 0 if all is done, with 2 if entries
    /// were refused, and with 1 if it failed.
    Sync(Box<sync::Arguments>),
}

pub(super) fn run(command: &Command) -> Result<ExitCode, Error> {
    match command {
        Command::Sync(arguments) => sync::run(arguments),
    }
}
