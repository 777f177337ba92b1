//! Metrics of moderation: what becomes of comments.

use metrics::Counter;

use super::moderate::ModerationAction;
use crate::{model::HoldReason, telemetry::Registry};

/// Counters of comments that were held, decided and reported.
#[derive(Debug)]
pub(in crate::store) struct ModerationMetrics {
    by_mode: Counter,
    by_links: Counter,
    by_blocked_word: Counter,
    by_check: Counter,
    by_reports: Counter,
    approved: Counter,
    rejected: Counter,
    reports: Counter,
}

impl ModerationMetrics {
    pub(in crate::store) fn new(registry: &Registry) -> Self {
        let held = |reason| {
            registry.counter(
                "causerie_comments_held_total",
                &[("reason", reason)],
                "Comments that were held for a moderator.",
            )
        };
        let decided = |action| {
            registry.counter(
                "causerie_comments_decided_total",
                &[("action", action)],
                "Comments that a moderator decided on.",
            )
        };
        Self {
            by_mode: held("moderation_mode"),
            by_links: held("links"),
            by_blocked_word: held("blocked_word"),
            by_check: held("check"),
            by_reports: held("reports"),
            approved: decided("approve"),
            rejected: decided("reject"),
            reports: registry.counter(
                "causerie_reports_total",
                &[],
                "Reports of comments by readers.",
            ),
        }
    }

    /// Counts a write that was committed, if it held its comment.
    pub(super) fn written(&self, held: Option<HoldReason>) {
        let counter = match held {
            Some(HoldReason::ModerationMode) => &self.by_mode,
            Some(HoldReason::Links) => &self.by_links,
            Some(HoldReason::BlockedWord) => &self.by_blocked_word,
            Some(HoldReason::Check) => &self.by_check,
            Some(HoldReason::Reports) => &self.by_reports,
            // A moderator holds nothing, but rejects.
            Some(HoldReason::Moderator) | None => return,
        };
        counter.increment(1);
    }

    /// Counts a moderator's decision on `comments` comments that was committed.
    pub(in crate::store) fn decided(&self, action: ModerationAction, comments: u64) {
        match action {
            ModerationAction::Approve => self.approved.increment(comments),
            ModerationAction::Reject => self.rejected.increment(comments),
        }
    }

    /// Counts a report that was committed, and the comment if the report held it.
    pub(super) fn reported(&self, held: Option<HoldReason>) {
        self.reports.increment(1);
        self.written(held);
    }
}
