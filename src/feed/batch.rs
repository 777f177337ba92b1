//! Rendered updates that are sent together.

use super::{
    Payload,
    origin::Origin,
    progress::Progress,
    topic::{Relation, Step, Topic},
};

/// A rendered step of a topic.
#[derive(Clone, Debug)]
pub(super) struct Update<T: Topic> {
    /// A subscriber's progress after this update.
    pub(super) progress: Progress<T::State>,
    /// The payload; `None` if the update only advances subscribers.
    payload: Option<Payload>,
    origin: Option<Origin>,
    /// True if earlier updates may show what is no longer so.
    pub(super) supersedes: bool,
}

impl<T: Topic> Update<T> {
    /// Creates the update of a step from its rendered event.
    pub(super) fn new(step: &Step<T>, payload: Option<Payload>) -> Self {
        Self {
            progress: step.progress.clone(),
            payload,
            origin: step.origin.clone(),
            supersedes: step.supersedes,
        }
    }

    /// Returns the payload, if the update has one.
    pub(super) fn payload(&self) -> Option<&Payload> {
        self.payload.as_ref()
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
pub(super) struct Batch<T: Topic> {
    /// The progress of a subscriber to which all updates are new.
    before: Progress<T::State>,
    updates: Vec<Update<T>>,
    /// The payloads of all updates, for subscribers that exclude none of them.
    payloads: Vec<Payload>,
}

impl<T: Topic> Batch<T> {
    /// Creates a batch of the updates that follow on `before`.
    pub(super) fn new(before: Progress<T::State>, updates: Vec<Update<T>>) -> Self {
        let payloads = updates.iter().flat_map(|update| &update.payload);
        let payloads = payloads.map(Payload::clone).collect();
        Self {
            before,
            updates,
            payloads,
        }
    }

    /// Returns the updates in order.
    pub(super) fn updates(&self) -> &[Update<T>] {
        &self.updates
    }

    /// Returns a subscriber's progress after the whole batch.
    pub(super) fn after(&self) -> &Progress<T::State> {
        let last = self.updates.last();
        last.map_or(&self.before, |last| &last.progress)
    }

    /// Returns all payloads, if a subscriber at `progress` is to be sent exactly these. Almost
    /// every subscriber is, so this copies nothing.
    pub(super) fn whole(
        &self,
        progress: &Progress<T::State>,
        excluded: Option<&Origin>,
    ) -> Option<&[Payload]> {
        let is_excluded = || self.updates.iter().any(|update| update.is_from(excluded));
        (*progress == self.before && !is_excluded()).then_some(&self.payloads)
    }

    /// Returns the payloads to send to a subscriber at `progress`, each with the index of its
    /// update. Returns `None` if the batch does not lead on from there.
    pub(super) fn part(
        &self,
        progress: &Progress<T::State>,
        excluded: Option<&Origin>,
    ) -> Option<Vec<(usize, Payload)>> {
        if self.after().position <= progress.position {
            return Some(Vec::new());
        }
        let follows = *progress == self.before;
        let mut part = Vec::new();
        for (index, update) in self.updates.iter().enumerate() {
            let relation = if follows {
                Relation::New
            } else {
                T::relation(progress, &update.progress)
            };
            match (relation, &update.payload) {
                (Relation::Unrelated, _) => return None,
                (Relation::New, Some(payload)) if !update.is_from(excluded) => {
                    part.push((index, Payload::clone(payload)));
                }
                (Relation::New | Relation::Known, _) => {}
            }
        }
        Some(part)
    }

    /// Returns the index of the update that the payload at index `payload` of
    /// [`whole`](Self::whole) belongs to.
    pub(super) fn update_index(&self, payload: usize) -> usize {
        let updates = self.updates.iter().enumerate();
        let mut shown = updates.filter(|(_, update)| update.payload.is_some());
        shown
            .nth(payload)
            .map_or(self.updates.len(), |(index, _)| index)
    }
}
