//! The state of one room, which the room's lock guards.

use std::time::Instant;

use super::{
    conflate::Conflated,
    delta::{Delta, DeltaLog, Version},
    node_id::NodeId,
    presence::{ApplyResult, Presence},
    resequencer::Resequencer,
    typing::{Typing, Typists},
    viewer_id::ViewerId,
};
use crate::model::{ClientId, UserId};

/// This node's view of the viewers and typists in a room, those on other nodes included.
#[derive(Debug, Default)]
pub(super) struct Local {
    pub(super) presence: Presence,
    pub(super) typing: Typing,
}

/// All of a room that changes.
#[derive(Debug)]
pub(crate) struct State {
    pub(super) local: Local,
    pub(super) resequencer: Resequencer,
    /// Changes to report to other nodes; `None` on a standalone node.
    deltas: Option<DeltaLog>,
    /// Time at which missing changes are read from the store.
    pub(super) gap_deadline: Option<Instant>,
    /// Time of a comparison with the store, in addition to the periodic ones of all rooms.
    pub(super) reconcile_at: Option<Instant>,
    /// Number of watches, which keep the room without being in it.
    pub(super) watches: usize,
    /// The hub has dropped the room. A task that still holds it must ask the hub for the new one.
    pub(super) is_evicted: bool,
    /// Time at which the timers will wake the room.
    pub(super) wake_at: Option<Instant>,
    pub(super) count: Conflated<usize>,
    pub(super) typists: Conflated<Typists>,
}

impl State {
    /// Creates the state of an empty room on a standalone node.
    pub(super) fn new() -> Self {
        Self {
            local: Local::default(),
            resequencer: Resequencer::default(),
            deltas: None,
            gap_deadline: None,
            reconcile_at: None,
            watches: 0,
            is_evicted: false,
            wake_at: None,
            count: Conflated::new(0),
            typists: Conflated::new(Typists::default()),
        }
    }

    /// Creates the state of an empty room that reports to other nodes and is compared with the store
    /// at `reconcile_at`.
    pub(super) fn with_deltas(reconcile_at: Instant) -> Self {
        Self {
            deltas: Some(DeltaLog::default()),
            reconcile_at: Some(reconcile_at),
            ..Self::new()
        }
    }

    /// Returns true if dropping the room loses nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.watches == 0 && !self.local.presence.is_local() && !self.local.typing.is_local()
    }

    /// Returns true if the hub has dropped the room.
    pub(crate) fn is_evicted(&self) -> bool {
        self.is_evicted
    }

    /// Adds a stream.
    pub(super) fn join(&mut self, client: &ClientId, viewer: ViewerId) {
        if self.local.presence.join(client, viewer)
            && let Some(deltas) = &mut self.deltas
        {
            deltas.joined(viewer);
        }
    }

    /// Removes a stream. Returns the users who typed in this client on other nodes: if the client
    /// has left, those nodes must be told.
    pub(super) fn leave(
        &mut self,
        client: &ClientId,
        viewer: ViewerId,
        sent_away_at: Option<Instant>,
    ) -> Vec<UserId> {
        let departure = self.local.presence.leave(client, viewer, sent_away_at);
        if departure.is_viewer_gone {
            self.report_left(viewer);
        }
        if !departure.is_client_gone {
            return Vec::new();
        }
        self.change_typing(|typing| typing.client_left(client));
        let typing = &mut self.local.typing;
        let remote = typing.remote_users_in(client);
        for user in &remote {
            typing.stop(user, Some(client));
        }
        remote
    }

    /// Removes the viewers whose grace is over.
    pub(super) fn expire_grace(&mut self, now: Instant) {
        for viewer in self.local.presence.expire_grace(now) {
            self.report_left(viewer);
        }
    }

    /// Removes a viewer if it is in grace.
    pub(super) fn end_grace(&mut self, viewer: ViewerId) {
        if self.local.presence.end_grace(viewer) {
            self.report_left(viewer);
        }
    }

    fn report_left(&mut self, viewer: ViewerId) {
        if let Some(deltas) = &mut self.deltas {
            deltas.left(viewer);
        }
    }

    /// Changes the typing indicators. `change` returns true if this node's indicators have changed,
    /// which is then reported to other nodes, and returned.
    pub(super) fn change_typing(&mut self, change: impl FnOnce(&mut Typing) -> bool) -> bool {
        let has_changed = change(&mut self.local.typing);
        if has_changed && let Some(deltas) = &mut self.deltas {
            deltas.typing_changed();
        }
        has_changed
    }

    /// Applies another node's delta.
    pub(crate) fn apply(&mut self, node: NodeId, delta: Delta, now: Instant) -> ApplyResult {
        let result = self.local.presence.apply(node, &delta);
        if let (ApplyResult::Applied, Some(typists)) = (result, delta.typists) {
            self.local.typing.apply(node, typists, now);
        }
        result
    }

    /// Removes all that another node has reported.
    pub(crate) fn forget(&mut self, node: NodeId) {
        self.local.presence.forget(node);
        self.local.typing.forget(node);
    }

    /// Returns the version of the last delta that was applied for `node`.
    pub(crate) fn version_of(&self, node: NodeId) -> Option<Version> {
        self.local.presence.version_of(node)
    }

    /// Returns the version of the last delta that was taken from this room.
    pub(crate) fn version(&self) -> Option<Version> {
        self.deltas.as_ref()?.version()
    }

    /// Takes the deltas that are due, with versions from `next`. The last one of an evicted room says
    /// that it is empty.
    pub(crate) fn take_deltas(
        &mut self,
        now: Instant,
        next: impl FnMut() -> Version,
    ) -> Vec<Delta> {
        match &mut self.deltas {
            None => Vec::new(),
            Some(deltas) if self.is_evicted => deltas.close(next).into_iter().collect(),
            Some(deltas) => deltas.take(&self.local, now, next),
        }
    }

    /// Returns the complete state as of the last delta, for a node that requests it.
    pub(crate) fn snapshot(&mut self) -> Option<Delta> {
        self.deltas.as_mut()?.snapshot(&self.local)
    }

    /// Returns the time at which the next delta is due. An evicted room has queued its last one.
    pub(super) fn deltas_due(&self, now: Instant) -> Option<Instant> {
        if self.is_evicted {
            return None;
        }
        self.deltas.as_ref()?.due(&self.local, now)
    }
}
