//! Rendered updates that are sent together.

use std::sync::Arc;

use super::{
    origin::Origin,
    progress::{LastState, Progress},
    sink::Payload,
};

/// A rendered step of a topic.
#[derive(Clone, Debug)]
pub(super) struct Update {
    /// A subscriber's progress after this update. If several updates lead to one position, only
    /// the last has it, and the others have the position before.
    pub(super) progress: Progress,
    payload: Option<Payload>,
    origin: Option<Origin>,
}

impl Update {
    /// Creates an update that is sent to subscribers, except those that exclude `origin`.
    pub(super) fn shown(progress: Progress, payload: Payload, origin: Option<Origin>) -> Self {
        Self {
            progress,
            payload: Some(payload),
            origin,
        }
    }

    /// Creates an update that advances subscribers and sends nothing, such as an edit in a
    /// subscription to additions.
    pub(super) fn hidden(progress: Progress) -> Self {
        Self {
            progress,
            payload: None,
            origin: None,
        }
    }

    /// Returns the size of the payload in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.payload.as_ref().map_or(0, |payload| payload.len())
    }

    fn is_from(&self, excluded: Option<&Origin>) -> bool {
        excluded.is_some() && self.origin.as_ref() == excluded
    }
}

/// Consecutive updates of one subscriber group.
#[derive(Debug)]
pub(super) struct Batch {
    /// The progress of a subscriber to which all updates are new.
    before: Progress,
    updates: Vec<Update>,
    /// The payloads of all updates, for subscribers that exclude none of them.
    payloads: Vec<Payload>,
}

impl Batch {
    /// Creates a batch of the updates that follow on `before`.
    pub(super) fn new(before: Progress, updates: Vec<Update>) -> Self {
        let payloads = updates.iter().flat_map(|update| &update.payload);
        let payloads = payloads.map(Payload::clone).collect();
        Self {
            before,
            updates,
            payloads,
        }
    }

    /// Returns the updates in order.
    pub(super) fn updates(&self) -> &[Update] {
        &self.updates
    }

    /// Returns a subscriber's progress after the whole batch.
    pub(super) fn after(&self) -> &Progress {
        let last = self.updates.last();
        last.map_or(&self.before, |last| &last.progress)
    }

    /// Returns all payloads, if a subscriber at `progress` is to be sent exactly these. Almost
    /// every subscriber is, so this copies nothing.
    pub(super) fn whole(
        &self,
        progress: &Progress,
        excluded: Option<&Origin>,
    ) -> Option<&[Payload]> {
        let is_excluded = || self.updates.iter().any(|update| update.is_from(excluded));
        (self.follows(progress) && !is_excluded()).then_some(&self.payloads)
    }

    /// Returns the payloads to send to a subscriber at `progress`, each with the index of its
    /// update. Returns `None` if the batch does not lead on from there.
    pub(super) fn part(
        &self,
        progress: &Progress,
        excluded: Option<&Origin>,
    ) -> Option<Vec<(usize, Payload)>> {
        if self.after().position <= progress.position {
            return Some(Vec::new());
        }
        let follows = self.follows(progress);
        if !follows && matches!(progress.state, LastState::Typists(_)) {
            return None;
        }
        let sent_count = match progress.state {
            LastState::Viewers(count) => count,
            _ => None,
        };
        let is_new = |update: &Update| {
            // The subscriber may have been sent the same count when it joined.
            let is_sent = matches!(
                update.progress.state,
                LastState::Viewers(count) if count == sent_count
            );
            follows || (update.progress.position > progress.position && !is_sent)
        };
        let part = self
            .shown()
            .filter(|(index, _)| {
                let update = &self.updates[*index];
                is_new(update) && !update.is_from(excluded)
            })
            .map(|(index, payload)| (index, Payload::clone(payload)));
        Some(part.collect())
    }

    /// Returns the index of the update that the payload at index `payload` of
    /// [`whole`](Self::whole) belongs to.
    pub(super) fn update_index(&self, payload: usize) -> usize {
        let shown = self.shown().nth(payload);
        shown.map_or(self.updates.len(), |(index, _)| index)
    }

    /// Returns true if `progress` is the exact point before the batch.
    fn follows(&self, progress: &Progress) -> bool {
        progress.position == self.before.position
            && match (&progress.state, &self.before.state) {
                (LastState::Changes, LastState::Changes) => true,
                (LastState::Viewers(count), LastState::Viewers(before)) => count == before,
                (LastState::Typists(typists), LastState::Typists(before)) => {
                    Arc::ptr_eq(typists, before)
                }
                _ => false,
            }
    }

    /// Returns the payloads, each with the index of its update.
    fn shown(&self) -> impl Iterator<Item = (usize, &Payload)> {
        let updates = self.updates.iter().enumerate();
        updates.flat_map(|(index, update)| update.payload.iter().map(move |shown| (index, shown)))
    }
}
