//! The report of a sync.

use std::{fmt::Display, process::ExitCode};

use causerie::store::EnsureOutcome;

/// Maximum number of refused entries that are printed.
const MAX_PRINTED: usize = 20;
/// Maximum length of an entry's name, in characters.
const MAX_NAME_CHARS: usize = 300;
/// Exit code if entries were refused and all others are done.
const REFUSED: u8 = 2;

/// The counts of a sync, and the first entries that were refused.
#[derive(Debug, Default)]
pub(super) struct Report {
    opened: usize,
    updated: usize,
    unchanged: usize,
    /// Number of entries that name a post of an earlier entry.
    repeated: usize,
    /// Number of pages that no post is wanted for.
    skipped: usize,
    refused: usize,
    refusals: Vec<String>,
}

impl Report {
    /// Counts an entry that was applied, or would have been.
    pub(super) fn apply(&mut self, outcome: EnsureOutcome) {
        match outcome {
            EnsureOutcome::Opened => self.opened += 1,
            EnsureOutcome::Updated => self.updated += 1,
            EnsureOutcome::Unchanged => self.unchanged += 1,
        }
    }

    /// Counts an entry that names a post of an earlier one.
    pub(super) fn repeat(&mut self) {
        self.repeated += 1;
    }

    /// Counts a page that no post is wanted for.
    pub(super) fn skip(&mut self) {
        self.skipped += 1;
    }

    /// Counts a refused entry, and keeps the first ones with their reasons.
    pub(super) fn refuse(&mut self, name: &str, reason: &dyn Display) {
        self.refused += 1;
        if self.refusals.len() < MAX_PRINTED {
            // A document may have anything in a link, such as control sequences of a terminal.
            let name: String = name.chars().take(MAX_NAME_CHARS).collect();
            self.refusals
                .push(format!("refused {}: {reason}", name.escape_debug()));
        }
    }

    /// Prints the counts to standard output, and the refused entries to standard error.
    pub(super) fn print(&self) {
        for refusal in &self.refusals {
            eprintln!("causerie: {refusal}");
        }
        let further = self.refused - self.refusals.len();
        if further > 0 {
            eprintln!("causerie: refused {further} more");
        }
        println!("{}", self.counts());
    }

    /// Returns the counts in one line.
    pub(super) fn counts(&self) -> String {
        let Self {
            opened,
            updated,
            unchanged,
            repeated,
            skipped,
            refused,
            refusals: _,
        } = self;
        format!(
            "opened {opened}, updated {updated}, unchanged {unchanged}, repeated {repeated}, \
             skipped {skipped}, refused {refused}"
        )
    }

    /// Returns the exit code of a sync that came to its end.
    pub(super) fn exit_code(&self) -> ExitCode {
        match self.refused {
            0 => ExitCode::SUCCESS,
            _ => REFUSED.into(),
        }
    }
}
