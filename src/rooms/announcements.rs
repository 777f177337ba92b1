//! Announcements that something changed in the store. They carry no state: a listener reads the store.

use tokio::sync::watch;

use super::hub::Hub;
use crate::model::{PostId, UserId};

impl Hub {
    /// Announces on all nodes that the post's details changed, with the version of the change. Idempotent.
    pub fn details_changed(&self, post: &PostId, version: i64) {
        self.announce_details(post, version);
        if let Some(peers) = self.peers() {
            peers.details_changed(post, version);
        }
    }

    /// Announces on this node that the post's details have this version. Idempotent.
    pub fn announce_details(&self, post: &PostId, version: i64) {
        if let Some(room) = self.find(post) {
            room.announce_details(version);
        }
    }

    /// Announces on all nodes that reactions to comments of the post changed, with the version of the change.
    /// Idempotent.
    pub fn reactions_changed(&self, post: &PostId, version: i64) {
        self.announce_reactions(post, version);
        if let Some(peers) = self.peers() {
            peers.reactions_changed(post, version);
        }
    }

    /// Announces on this node that the post's reactions have this version. Idempotent.
    pub fn announce_reactions(&self, post: &PostId, version: i64) {
        if let Some(room) = self.find(post) {
            room.announce_reactions(version);
        }
    }

    /// Announces on all nodes that the lists which wait for moderators changed.
    pub fn queue_changed(&self) {
        self.announce_queue();
        if let Some(peers) = self.peers() {
            peers.queue_changed();
        }
    }

    /// Announces on this node that the lists which wait for moderators changed.
    pub(crate) fn announce_queue(&self) {
        self.queue().send_modify(|changes| *changes += 1);
    }

    /// Subscribes to the changes of the lists that wait for moderators.
    pub fn queue_changes(&self) -> watch::Receiver<u64> {
        self.queue().subscribe()
    }

    /// Tells the other nodes that something about a user's status has changed in the store.
    pub fn user_changed(&self, user: &UserId) {
        if let Some(peers) = self.peers() {
            peers.user_changed(user);
        }
    }
}
