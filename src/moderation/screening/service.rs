//! The screening of a comment: each test in its order, the cheap ones first.

use std::{future::pending, sync::Arc};

use super::{
    SetupError, Submission, blocked_words::BlockedWords, check::Check, links::count_links,
    metrics::CheckMetrics, verdict::Verdict,
};
use crate::{config::ModerationConfig, error::Error, model::HoldReason, telemetry::Registry};

/// Decides which comments a moderator must see before readers do.
#[derive(Debug)]
pub struct Screening {
    blocked_words: Option<Arc<BlockedWords>>,
    /// Maximum number of links; `None` is no limit.
    max_links: Option<usize>,
    check: Option<Check>,
}

impl Screening {
    /// Creates the service, and reads the blocked words.
    pub fn new(config: &ModerationConfig, registry: &Registry) -> Result<Self, SetupError> {
        let blocked_words = config.blocked_words.as_deref().map(BlockedWords::open);
        let max_links = usize::try_from(config.hold_links).unwrap_or(usize::MAX);
        Ok(Self {
            blocked_words: blocked_words.transpose()?.map(Arc::new),
            max_links: (max_links > 0).then_some(max_links),
            check: Check::new(config, CheckMetrics::new(registry))?,
        })
    }

    /// Returns true if there is anything to screen comments for.
    pub fn is_active(&self) -> bool {
        self.blocked_words.is_some() || self.max_links.is_some() || self.check.is_some()
    }

    /// Screens a comment before it is stored. Returns the reason to hold it, if there is one: a blocked
    /// word, then links, then the site's check. Comments of authors and moderators are exempt.
    ///
    /// Calls `admit` before the check is asked, and keeps its permit until the check has answered. Takes at
    /// most about two seconds. Cancel safe.
    ///
    /// # Errors
    ///
    /// Returns `BadUserInput` for the body if the site's check rejects the comment, and the error of `admit`.
    pub async fn screen<Permit>(
        &self,
        submission: &Submission<'_>,
        admit: impl FnOnce() -> Result<Permit, Error>,
    ) -> Result<Option<HoldReason>, Error> {
        if submission.author.role.is_trusted() {
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
        let Some(check) = &self.check else {
            return Ok(None);
        };
        let _permit = admit()?;
        match check.verdict(submission).await {
            Verdict::Publish => Ok(None),
            Verdict::Hold => Ok(Some(HoldReason::Check)),
            Verdict::Reject => Err(Error::bad_input("body", "The comment was rejected.")),
        }
    }

    /// Reads the blocked words again whenever their file changes. Runs until it is dropped.
    pub async fn run(&self) {
        match &self.blocked_words {
            Some(words) => words.run().await,
            None => pending().await,
        }
    }
}
