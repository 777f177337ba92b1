//! What all readers of a post were given. They check each other: the first to be given a comment says
//! which place it has, and everybody else must be given the same one there.

use std::{
    collections::{BTreeSet, HashSet},
    time::Instant,
};

use parking_lot::Mutex;

/// One post's comments as its readers have them.
#[derive(Default)]
pub(crate) struct Feed {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    order: Vec<String>,
    known: HashSet<String>,
    broken: Vec<String>,
    codes: BTreeSet<String>,
    closes: Vec<(Instant, u16)>,
}

impl Feed {
    /// A reader who has so many comments is given this one.
    pub(crate) fn given(&self, reader: usize, place: usize, id: &str) {
        let mut state = self.state.lock();
        let expected = state.order.get(place).cloned();
        match expected {
            Some(expected) if expected == id => {}
            Some(expected) => {
                let what = format!("reader {reader} was given {id} at {place}, others {expected}");
                state.broken.push(what);
            }
            None if state.known.insert(id.to_owned()) => state.order.push(id.to_owned()),
            None => {
                let what = format!("reader {reader} was given {id} at {place}, which had a place");
                state.broken.push(what);
            }
        }
    }

    /// A request failed with this code.
    pub(crate) fn failed_with(&self, code: &str) {
        self.state.lock().codes.insert(code.to_owned());
    }

    /// A socket was closed by its server.
    pub(crate) fn closed_with(&self, code: u16) {
        self.state.lock().closes.push((Instant::now(), code));
    }

    /// Fails where anything was seen that must not be.
    pub(crate) fn check(&self) {
        let state = self.state.lock();
        assert!(state.broken.is_empty(), "{:#?}", state.broken);
    }

    /// The comments in the order in which readers were given them.
    pub(crate) fn order(&self) -> Vec<String> {
        self.state.lock().order.clone()
    }

    /// The codes with which requests failed.
    pub(crate) fn codes(&self) -> BTreeSet<String> {
        self.state.lock().codes.clone()
    }

    /// When sockets were closed, and with which code.
    pub(crate) fn closes(&self) -> Vec<(Instant, u16)> {
        self.state.lock().closes.clone()
    }
}
