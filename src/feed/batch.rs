//! What one group is given together: some updates in a row, rendered.

use std::sync::Arc;

use super::{
    join::{Excluded, LastState, Progress},
    sink::Payload,
};
use crate::model::{ClientId, UserId};

/// A step of what an group hears.
#[derive(Clone, Debug)]
pub(super) struct Update {
    /// What everybody has seen behind it. Of several that lead to one place only the last is there.
    pub(super) after: Progress,
    /// What there is to show of it: nothing of an edit, say, where only additions are heard.
    pub(super) shown: Option<Shown>,
}

/// A payload, and whose doing it tells of.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    pub(super) payload: Payload,
    pub(super) by: By,
}

/// Whose doing it was.
#[derive(Clone, Debug)]
pub(super) enum By {
    Nobody,
    Client(ClientId),
    User(UserId),
}

impl Update {
    /// How many bytes its payloads have.
    pub(super) fn bytes(&self) -> usize {
        self.shown.as_ref().map_or(0, |shown| shown.payload.len())
    }
}

impl By {
    /// Whether it was the doing of whom a subscriber is not to hear of.
    fn is(&self, excluded: &Excluded) -> bool {
        match (self, excluded) {
            (Self::Client(client), Excluded::Client(excluded)) => client == excluded,
            (Self::User(user), Excluded::User(excluded)) => user == excluded,
            _ => false,
        }
    }
}

/// Updates in a row.
#[derive(Debug)]
pub(super) struct Batch {
    /// Where those stand to whom all of it is new.
    before: Progress,
    updates: Vec<Update>,
    /// The payloads of all updates, for those to whom nothing of it is withheld.
    all: Vec<Payload>,
}

impl Batch {
    /// The updates that follow on `before`.
    pub(super) fn new(before: Progress, updates: Vec<Update>) -> Self {
        let shown = updates.iter().flat_map(|update| &update.shown);
        let all = shown.map(|shown| Payload::clone(&shown.payload)).collect();
        Self {
            before,
            updates,
            all,
        }
    }

    /// The updates, one by one.
    pub(super) fn updates(&self) -> &[Update] {
        &self.updates
    }

    /// What everybody has seen behind it.
    pub(super) fn after(&self) -> &Progress {
        self.updates.last().map_or(&self.before, |last| &last.after)
    }

    /// All payloads, where that is what one is to be given who has seen `seen`: so it is for almost
    /// everybody.
    pub(super) fn whole(&self, seen: &Progress, excluded: &Excluded) -> Option<&[Payload]> {
        let withheld = || self.shown().any(|(_, shown)| shown.by.is(excluded));
        (self.follows(seen) && !withheld()).then_some(&self.all)
    }

    /// What one is to be given who has seen `seen`: payloads, and for each the number of its
    /// update. `None` where what leads from there is not among the payloads there are.
    pub(super) fn part(
        &self,
        seen: &Progress,
        excluded: &Excluded,
    ) -> Option<Vec<(usize, Payload)>> {
        if self.after().place <= seen.place {
            return Some(Vec::new());
        }
        let follows = self.follows(seen);
        if !follows && matches!(seen.known, LastState::Typists(_)) {
            return None;
        }
        let told = match seen.known {
            LastState::Viewers(told) => told,
            _ => None,
        };
        let is_new = |update: &Update| {
            // Nothing new to one who was told the exact count when they came.
            let is_told = matches!(update.after.known, LastState::Viewers(count) if count == told);
            follows || (update.after.place > seen.place && !is_told)
        };
        let part = self
            .shown()
            .filter(|(number, shown)| is_new(&self.updates[*number]) && !shown.by.is(excluded))
            .map(|(number, shown)| (number, Payload::clone(&shown.payload)));
        Some(part.collect())
    }

    /// The number of the update that the payload at this place of [`whole`](Self::whole) is of.
    pub(super) fn number_of(&self, payload: usize) -> usize {
        let shown = self.shown().nth(payload);
        shown.map_or(self.updates.len(), |(number, _)| number)
    }

    /// Whether all of it is new to one who has seen `seen`, and nothing between.
    fn follows(&self, seen: &Progress) -> bool {
        seen.place == self.before.place
            && match (&seen.known, &self.before.known) {
                (LastState::Changes, LastState::Changes) => true,
                (LastState::Viewers(told), LastState::Viewers(before)) => told == before,
                (LastState::Typists(told), LastState::Typists(before)) => Arc::ptr_eq(told, before),
                _ => false,
            }
    }

    fn shown(&self) -> impl Iterator<Item = (usize, &Shown)> {
        let updates = self.updates.iter().enumerate();
        updates.flat_map(|(number, update)| update.shown.iter().map(move |shown| (number, shown)))
    }
}
