//! Banning and unbanning users, and applying the bans of all nodes.
//!
//! The store is the truth. Every node reads the changes that it does not have yet, in the order of
//! their commits: after a change of its own, after a hint from another node, and at an interval,
//! because hints can be lost.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{Mutex, broadcast},
    time::MissedTickBehavior,
};

use super::{Banned, Bans};
use crate::{
    auth::Principal,
    error::Error,
    model::{Ban, Timestamp, UserId},
    store::{BanSeq, BannedComments, NewBan, Store},
};

/// Number of changes read at a time.
const PAGE: u64 = 1_000;
/// Capacity of the channel of this node's changes. A receiver that lags misses the oldest; other
/// nodes then find them in the store.
const CHANGES: usize = 64;

/// Bans users, and keeps [`Bans`] equal to the store.
#[derive(Debug)]
pub struct Moderation {
    store: Store,
    bans: Arc<Bans>,
    /// Position up to which the store's changes are applied. Locked while changes are read, so that
    /// they are applied in order.
    position: Mutex<BanSeq>,
    changes: broadcast::Sender<UserId>,
}

impl Moderation {
    /// Creates the service. Reads nothing yet: call [`refresh`](Self::refresh) before `bans` is used.
    pub fn new(store: Store, bans: Arc<Bans>) -> Self {
        Self {
            store,
            bans,
            position: Mutex::default(),
            changes: broadcast::Sender::new(CHANGES),
        }
    }

    /// Refuses a user who is banned.
    pub fn admit(&self, principal: &Principal) -> Result<(), Banned> {
        self.bans.admit(principal)
    }

    /// Bans a user. When it returns, this node refuses the user and closes the user's connections. For
    /// `addresses_for` no guest may sign in from the addresses that the user used as a guest.
    ///
    /// Idempotent. Returns `Forbidden` if `by` may not ban, or the user is a moderator, and `Conflict`
    /// if the maximum number of users is banned.
    pub async fn ban(
        &self,
        by: &Principal,
        user: UserId,
        reason: Option<String>,
        addresses_for: Option<Duration>,
        comments: BannedComments,
    ) -> Result<Ban, Error> {
        by.may_ban(&user)?;
        let at = Timestamp::now();
        if self.bans.is_moderator(&user, at) {
            return Err(Error::Forbidden("A moderator cannot be banned."));
        }
        if self.bans.is_full() && !self.bans.is_banned(&user) {
            return Err(Error::Conflict("Too many users are banned: unban some."));
        }
        let new = NewBan {
            user_id: user.clone(),
            by: by.profile(at),
            at,
            reason,
            addresses_until: addresses_for.map(|time| at.plus(time)),
            comments,
        };
        let ban = self.store.ban(new).await?;
        self.publish(user).await;
        Ok(ban)
    }

    /// Lifts a user's ban. Returns false if there was none.
    pub async fn unban(&self, by: &Principal, user: UserId) -> Result<bool, Error> {
        by.may_unban()?;
        let at = Timestamp::now();
        let was_banned = self.store.unban(&user, by.profile(at), at).await?;
        if was_banned {
            self.publish(user).await;
        }
        Ok(was_banned)
    }

    /// Reads the store's latest changes and applies them.
    pub async fn refresh(&self) -> Result<(), Error> {
        let mut position = self.position.lock().await;
        loop {
            let changes = self.store.bans_after(*position, PAGE).await?;
            let Some(last) = changes.last() else {
                return Ok(());
            };
            *position = last.seq;
            for change in changes {
                self.bans.set(change.user_id, change.is_banned);
            }
        }
    }

    /// Subscribes to the users whose bans this node changes, each after the commit, as hints for other
    /// nodes. Banning a banned user is sent again, because the first hint may have been lost. A
    /// receiver that lags misses the oldest.
    pub fn changes(&self) -> broadcast::Receiver<UserId> {
        self.changes.subscribe()
    }

    /// Refreshes at every `interval`. Runs until it is dropped.
    pub async fn run(&self, interval: Duration) {
        let mut ticks = tokio::time::interval(interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Err(error) = self.refresh().await {
                tracing::warn!(?error, "cannot read bans");
            }
        }
    }

    async fn publish(&self, user: UserId) {
        // The change is committed: if reading it fails, the next refresh applies it.
        if let Err(error) = self.refresh().await {
            tracing::warn!(?error, "a changed ban takes effect late");
        }
        // A single node has no receiver.
        let _ = self.changes.send(user);
    }
}
