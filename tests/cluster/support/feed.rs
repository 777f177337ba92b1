//! The record of the comments that all readers of a post received. Readers check each other: the first one to
//! receive a comment sets its place, and all others must receive the same one there.

use std::{
    collections::{BTreeSet, HashSet},
    time::Instant,
};

use parking_lot::Mutex;

/// The record of one post.
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
    /// Records that a reader with `place` comments received this one.
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

    /// Records that a request failed with this code.
    pub(crate) fn failed_with(&self, code: &str) {
        self.state.lock().codes.insert(code.to_owned());
    }

    /// Records that a server closed a socket.
    pub(crate) fn closed_with(&self, code: u16) {
        self.state.lock().closes.push((Instant::now(), code));
    }

    /// Panics if an inconsistency was recorded.
    pub(crate) fn check(&self) {
        let state = self.state.lock();
        assert!(state.broken.is_empty(), "{:#?}", state.broken);
    }

    /// Returns the comments in the order in which readers received them.
    pub(crate) fn order(&self) -> Vec<String> {
        self.state.lock().order.clone()
    }

    /// Returns the codes of failed requests.
    pub(crate) fn codes(&self) -> BTreeSet<String> {
        self.state.lock().codes.clone()
    }

    /// Returns the times and codes of closed sockets.
    pub(crate) fn closes(&self) -> Vec<(Instant, u16)> {
        self.state.lock().closes.clone()
    }
}
