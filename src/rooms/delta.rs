//! What the other nodes are to be told of one room on this one: the first change at once, then at
//! most one announcement a [`WINDOW`], however many come and go meanwhile.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use super::{conflate::WINDOW, presence::Presence, typing::Typing, viewer_id::ViewerId};
use crate::cluster::wire::{Announcement, Version, ViewerIds};

/// How many viewers one announcement names at most: of 16 bytes each, 22 in base64, so that it stays
/// well below the megabyte that a NATS server lets through.
const MAX_NAMED: usize = 24_000;
/// How often it is said again who types, while somebody does.
const TYPING_AGAIN: Duration = Duration::from_secs(3);

/// Keeps what has changed since the other nodes were told last.
#[derive(Debug, Default)]
pub(crate) struct Announcer {
    /// The last announcement; nothing was announced yet, or nobody can have kept it.
    version: Option<Version>,
    /// Who came (true) and went since; one who did both is not in it.
    changes: HashMap<ViewerId, bool>,
    /// Who typed at the last announcement has changed.
    is_typing_news: bool,
    at: Option<Instant>,
    typing_at: Option<Instant>,
}

/// What holds in one room on this node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Here<'a> {
    pub(crate) presence: &'a Presence,
    pub(crate) typing: &'a Typing,
}

impl Announcer {
    /// A viewer is on this node who was not.
    pub(crate) fn joined(&mut self, viewer: ViewerId) {
        self.changed(viewer, true);
    }

    /// A viewer was on this node who is not any more.
    pub(crate) fn left(&mut self, viewer: ViewerId) {
        self.changed(viewer, false);
    }

    /// Who types on this node has changed.
    pub(crate) fn typing_changed(&mut self) {
        self.is_typing_news = true;
    }

    /// The last announcement that was made; `None` where the others do not know of this room.
    pub(crate) fn version(&self) -> Option<Version> {
        self.version
    }

    /// When the next announcement is due; `None` where there is nothing to say.
    pub(crate) fn due(&self, here: Here<'_>, now: Instant) -> Option<Instant> {
        let has_news = self.version.is_none() || !self.changes.is_empty() || self.is_typing_news;
        let news = has_news.then(|| self.at.map_or(now, |at| at + WINDOW));
        let again = self
            .typing_at
            .filter(|_| here.typing.is_anybody_here())
            .map(|at| at + TYPING_AGAIN);
        [news, again].into_iter().flatten().min()
    }

    /// The announcements that are due; `next` numbers them. More than one only where more viewers
    /// than fit into one are to be named.
    pub(crate) fn take(
        &mut self,
        here: Here<'_>,
        now: Instant,
        mut next: impl FnMut() -> Version,
    ) -> Vec<Announcement> {
        if self.due(here, now).is_none_or(|due| due > now) {
            return Vec::new();
        }
        let (mut joined, mut left) = (Vec::new(), Vec::new());
        if self.version.is_some() {
            for (viewer, is_here) in self.changes.drain() {
                if is_here {
                    joined.push(viewer);
                } else {
                    left.push(viewer);
                }
            }
        } else {
            self.changes.clear();
            joined = here.presence.viewers_here();
        }
        self.at = Some(now);
        self.is_typing_news = false;
        self.typing_at = here.typing.is_anybody_here().then_some(now);
        let mut typists = Some(here.typing.here());
        let mut announcements = Vec::new();
        while announcements.is_empty() || !joined.is_empty() || !left.is_empty() {
            let version = next();
            announcements.push(Announcement {
                base: self.version.replace(version),
                version,
                joined: some_of(&mut joined),
                left: some_of(&mut left),
                typists: typists.take(),
            });
        }
        announcements
    }

    /// That nobody is here any more: the room is over. `None` where nobody was told of it.
    pub(crate) fn last(&mut self, mut next: impl FnMut() -> Version) -> Option<Announcement> {
        self.version.take()?;
        Some(Announcement {
            base: None,
            version: next(),
            joined: ViewerIds::default(),
            left: ViewerIds::default(),
            typists: Some(Vec::new()),
        })
    }

    /// All that held at the last announcement, for a node that asked; `None` where there was
    /// none, and where it does not fit into one: then everything is announced anew, to all.
    pub(crate) fn snapshot(&mut self, here: Here<'_>) -> Option<Announcement> {
        let version = self.version?;
        // Changes that are not announced yet are left out: one who comes and goes before the next
        // announcement is not named in that, and nobody else would ever say that they went.
        let mut viewers = here.presence.viewers_here();
        viewers.retain(|viewer| self.changes.get(viewer) != Some(&true));
        let gone = self.changes.iter().filter(|&(_, &is_here)| !is_here);
        viewers.extend(gone.map(|(&viewer, _)| viewer));
        if viewers.len() > MAX_NAMED {
            self.start_over();
            return None;
        }
        Some(Announcement {
            base: None,
            version,
            joined: ViewerIds(viewers),
            left: ViewerIds::default(),
            typists: Some(here.typing.here()),
        })
    }

    fn start_over(&mut self) {
        self.version = None;
        self.changes.clear();
    }

    fn changed(&mut self, viewer: ViewerId, is_here: bool) {
        // Where nothing was announced yet, all that holds will be.
        if self.version.is_some() && self.changes.insert(viewer, is_here) == Some(!is_here) {
            self.changes.remove(&viewer);
        }
    }
}

fn some_of(viewers: &mut Vec<ViewerId>) -> ViewerIds {
    let rest = viewers.split_off(viewers.len().min(MAX_NAMED));
    ViewerIds(std::mem::replace(viewers, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cluster::NodeId, model::ClientId, rooms::presence::Told};

    /// A room on a node, and what another node makes of what it announces.
    #[derive(Default)]
    struct Both {
        presence: Presence,
        typing: Typing,
        announcer: Announcer,
        versions: u64,
        node: NodeId,
        elsewhere: Presence,
    }

    impl Both {
        fn join(&mut self, number: u128) {
            let client = ClientId::parse(&format!("c{number}")).unwrap();
            if self.presence.join(&client, ViewerId(number)) {
                self.announcer.joined(ViewerId(number));
            }
        }

        fn leave(&mut self, number: u128) {
            let client = ClientId::parse(&format!("c{number}")).unwrap();
            if self
                .presence
                .leave(&client, ViewerId(number))
                .is_viewer_gone
            {
                self.announcer.left(ViewerId(number));
            }
        }

        fn take(&mut self, now: Instant) -> Vec<Announcement> {
            let here = Here {
                presence: &self.presence,
                typing: &self.typing,
            };
            self.announcer.take(here, now, || {
                self.versions += 1;
                Version(self.versions)
            })
        }

        fn hear(&mut self, announcements: &[Announcement]) {
            for announcement in announcements {
                assert_eq!(self.elsewhere.hear(self.node, announcement), Told::New);
            }
            assert_eq!(self.elsewhere.viewers(), self.presence.viewers());
        }
    }

    #[test]
    fn a_burst_of_joins_is_one_announcement_a_window() {
        let start = Instant::now();
        let mut room = Both::default();
        room.join(0);
        let first = room.take(start);
        assert_eq!((first.len(), first[0].base), (1, None));
        room.hear(&first);
        for number in 1..1000 {
            room.join(number);
            assert_eq!(room.take(start).len(), 0);
        }
        let second = room.take(start + WINDOW);
        assert_eq!((second.len(), second[0].base), (1, Some(Version(1))));
        room.hear(&second);
        assert_eq!(room.take(start + 2 * WINDOW).len(), 0, "there is no news");
    }

    #[test]
    fn one_who_came_and_went_between_two_announcements_is_not_named() {
        let start = Instant::now();
        let mut room = Both::default();
        room.join(0);
        let first = room.take(start);
        room.hear(&first);
        room.join(1);
        room.leave(1);
        room.leave(0);
        room.join(0);
        assert_eq!(room.take(start + WINDOW).len(), 0);
    }

    #[test]
    fn a_room_of_many_is_told_in_parts_that_build_on_each_other() {
        let start = Instant::now();
        let mut room = Both::default();
        let many = 2 * MAX_NAMED as u128 + 1;
        for number in 0..many {
            room.join(number);
        }
        let all = room.take(start);
        assert_eq!(all.len(), 3);
        room.hear(&all);
        let here = Here {
            presence: &room.presence,
            typing: &room.typing,
        };
        assert!(room.announcer.snapshot(here).is_none(), "too many for one");
        let again = room.take(start + WINDOW);
        assert_eq!((again.len(), again[0].base), (3, None));
        room.hear(&again);
        for number in 0..many {
            room.leave(number);
        }
        let gone = room.take(start + 2 * WINDOW);
        assert_eq!(gone.len(), 3);
        room.hear(&gone);
    }

    #[test]
    fn one_who_is_on_their_way_is_not_in_a_snapshot_that_nobody_would_correct() {
        let start = Instant::now();
        let mut room = Both::default();
        room.join(0);
        let first = room.take(start);
        room.hear(&first);
        // One has come and one has gone, and each thinks better of it before that is announced.
        room.join(1);
        room.leave(0);
        let here = Here {
            presence: &room.presence,
            typing: &room.typing,
        };
        let snapshot = room.announcer.snapshot(here).unwrap();
        room.leave(1);
        room.join(0);
        assert_eq!(room.take(start + WINDOW).len(), 0);
        let mut late = Presence::default();
        assert_eq!(late.hear(room.node, &snapshot), Told::New);
        assert_eq!(late.viewers(), 1);
        room.join(2);
        let next = room.take(start + 2 * WINDOW);
        assert_eq!(late.hear(room.node, &next[0]), Told::New);
        assert_eq!(late.viewers(), 2);
    }

    #[test]
    fn a_snapshot_agrees_with_the_announcement_that_comes_after_it() {
        let start = Instant::now();
        let mut room = Both::default();
        room.join(0);
        let first = room.take(start);
        room.hear(&first);
        room.join(1);
        room.leave(0);
        let here = Here {
            presence: &room.presence,
            typing: &room.typing,
        };
        let snapshot = room.announcer.snapshot(here).unwrap();
        let mut late = Presence::default();
        assert_eq!(late.hear(room.node, &snapshot), Told::New);
        assert_eq!(late.viewers(), 1);
        let next = room.take(start + WINDOW);
        assert_eq!(late.hear(room.node, &next[0]), Told::New);
        assert_eq!(late.viewers(), 1);
        room.hear(&next);
    }
}
