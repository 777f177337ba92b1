//! The screening of a comment: each test in its order, the cheap ones first.

use std::{future::pending, sync::Arc};

use super::{SetupError, Submission, blocked_words::BlockedWords, links::count_links};
use crate::{
    config::ModerationConfig,
    error::Error,
    model::{HoldReason, Role},
};

/// Decides which comments a moderator must see before readers do.
#[derive(Debug)]
pub struct Screening {
    blocked_words: Option<Arc<BlockedWords>>,
    /// Maximum number of links; `None` is no limit.
    max_links: Option<usize>,
}

impl Screening {
    /// Creates the service, and reads the blocked words.
    pub fn new(config: &ModerationConfig) -> Result<Self, SetupError> {
        let blocked_words = config.blocked_words.as_deref().map(BlockedWords::open);
        let max_links = usize::try_from(config.hold_links).unwrap_or(usize::MAX);
        Ok(Self {
            blocked_words: blocked_words.transpose()?.map(Arc::new),
            max_links: (max_links > 0).then_some(max_links),
        })
    }

    /// Screens a comment before it is stored. Returns the reason to hold it, if there is one: a blocked
    /// word, or links. Comments of authors and moderators are exempt.
    pub async fn screen(&self, submission: &Submission<'_>) -> Result<Option<HoldReason>, Error> {
        if submission.author.role >= Role::Author {
            return Ok(None);
        }
        let blocked_words = self.blocked_words.as_ref();
        if blocked_words.is_some_and(|words| words.are_in(submission.body)) {
            return Ok(Some(HoldReason::BlockedWord));
        }
        let max_links = self.max_links;
        if max_links.is_some_and(|max| count_links(submission.body) > max) {
            return Ok(Some(HoldReason::Links));
        }
        Ok(None)
    }

    /// Reads the blocked words again whenever their file changes. Runs until it is dropped.
    pub async fn run(&self) {
        match &self.blocked_words {
            Some(words) => words.run().await,
            None => pending().await,
        }
    }
}
