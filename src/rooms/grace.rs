//! The grace of clients that the server itself sent away: their viewers keep their places in the count
//! until the clients are back.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use super::{hub::Hub, timers::now, viewer_id::ViewerId};
use crate::model::UserId;

/// Time for which a viewer keeps its place. graphql-ws is back after its default wait of at most 4 s.
pub(crate) const GRACE: Duration = Duration::from_secs(5);
/// Maximum number of viewers in grace in a room. Further ones lose their places at once.
const MAX_VIEWERS: usize = 65_536;

/// A mark on a connection that the server itself ends while its client means to stay. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct SentAway(Arc<AtomicBool>);

impl SentAway {
    /// Sets the mark. Memberships that are dropped from now on leave their viewers in grace.
    pub fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Returns true if the mark is set.
    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// The viewers in grace in one room.
#[derive(Debug, Default)]
pub(super) struct Grace {
    /// The end of each viewer's grace.
    until: HashMap<ViewerId, Instant>,
    /// Viewers by the end of their grace. One that came back stays listed with the old time.
    order: VecDeque<(Instant, ViewerId)>,
}

impl Grace {
    /// Begins the grace of a viewer. Returns false if too many have one.
    pub(super) fn begin(&mut self, viewer: ViewerId, now: Instant) -> bool {
        if self.order.len() == MAX_VIEWERS {
            return false;
        }
        let until = now + GRACE;
        self.until.insert(viewer, until);
        self.order.push_back((until, viewer));
        true
    }

    /// Ends the grace of a viewer. Returns true if it had one.
    pub(super) fn end(&mut self, viewer: ViewerId) -> bool {
        let had_grace = self.until.remove(&viewer).is_some();
        if self.until.is_empty() {
            self.order.clear();
        }
        had_grace
    }

    /// Removes and returns the viewers whose grace is over.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<ViewerId> {
        let mut expired = Vec::new();
        while let Some(&(until, viewer)) = self.order.front()
            && until <= now
        {
            self.order.pop_front();
            if self.until.get(&viewer) == Some(&until) {
                self.until.remove(&viewer);
                expired.push(viewer);
            }
        }
        expired
    }

    /// Returns the time at which to call [`expire`](Self::expire).
    pub(super) fn next_expiry(&self) -> Option<Instant> {
        self.order.front().map(|&(until, _)| until)
    }

    /// Returns true if no viewer has a grace.
    pub(super) fn is_empty(&self) -> bool {
        self.until.is_empty()
    }
}

impl Hub {
    /// Ends the grace of a user in all rooms.
    pub fn end_grace(&self, user: &UserId) {
        let viewer = ViewerId::of_user(user);
        for room in self.rooms() {
            self.update(&room, |state| state.end_grace(viewer));
        }
    }

    /// Ends the grace of all viewers.
    pub fn end_all_grace(&self) {
        for room in self.rooms() {
            self.update(&room, |state| state.expire_grace(now() + GRACE));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADA: ViewerId = ViewerId(1);
    const BOB: ViewerId = ViewerId(2);

    #[test]
    fn grace_is_over_after_its_time_or_when_it_ends() {
        let start = Instant::now();
        let mut grace = Grace::default();
        assert!(grace.begin(ADA, start) && grace.begin(BOB, start));
        assert!(grace.end(BOB) && !grace.end(BOB));
        assert_eq!(grace.next_expiry(), Some(start + GRACE));
        assert_eq!(grace.expire(start + GRACE / 2), []);
        assert_eq!(grace.expire(start + GRACE), [ADA]);
        assert!(grace.is_empty() && grace.next_expiry().is_none());
    }

    #[test]
    fn second_grace_of_a_viewer_lasts_as_long_as_the_first() {
        let start = Instant::now();
        let mut grace = Grace::default();
        assert!(grace.begin(ADA, start) && grace.begin(BOB, start) && grace.end(ADA));
        assert!(grace.begin(ADA, start + GRACE / 2));
        assert_eq!(grace.expire(start + GRACE), [BOB]);
        assert_eq!(grace.expire(start + GRACE / 2 + GRACE), [ADA]);
    }

    #[test]
    fn viewers_in_grace_are_bounded() {
        let now = Instant::now();
        let mut grace = Grace::default();
        for number in 0..MAX_VIEWERS as u128 {
            assert!(grace.begin(ViewerId(number), now));
        }
        assert!(!grace.begin(ViewerId(u128::MAX), now));
        assert_eq!(grace.expire(now + GRACE).len(), MAX_VIEWERS);
    }
}
