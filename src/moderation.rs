//! Banning: stored first, then in effect on this node, then told to the others.
//!
//! The store is the truth. Every node reads the changes that it does not know of yet, in the order in
//! which they were committed: right after its own, whenever another node says so, and every few
//! seconds, for what another says may be lost.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{Mutex, broadcast},
    time::MissedTickBehavior,
};

use crate::{
    auth::{Bans, Identity},
    error::Error,
    model::{Ban, Timestamp, UserId},
    store::{BanSeq, NewBan, Store},
};

/// How many changes are read at a time.
const CHANGES_A_READING: u64 = 1_000;
/// How many of this node's own changes wait to be told to the others. Those who are further behind
/// miss the oldest, and the other nodes find them in the store.
const MAX_UNTOLD: usize = 64;

/// Bans users, and knows of every node's bans.
#[derive(Debug)]
pub struct Moderation {
    store: Store,
    bans: Arc<Bans>,
    /// Up to where the changes of the store are in effect here. Whoever reads holds it, so that
    /// changes take effect in their order.
    place: Mutex<BanSeq>,
    told: broadcast::Sender<UserId>,
}

impl Moderation {
    /// Over this store; `bans` is kept equal to it. Nothing is read yet.
    pub fn new(store: Store, bans: Arc<Bans>) -> Self {
        Self {
            store,
            bans,
            place: Mutex::default(),
            told: broadcast::Sender::new(MAX_UNTOLD),
        }
    }

    /// Bans a user: when it returns, this node lets them in no more, and their streams here end.
    /// Banning one who is banned changes nothing. `Forbidden` where the moderator may not.
    pub async fn ban(
        &self,
        by: &Identity,
        user: UserId,
        reason: Option<String>,
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
            by: by.user.id.clone(),
            at,
            reason,
        };
        let ban = self.store.ban(new).await?;
        self.changed(user).await;
        Ok(ban)
    }

    /// Lifts a user's ban; whether there was one.
    pub async fn unban(&self, by: &Identity, user: UserId) -> Result<bool, Error> {
        by.may_unban()?;
        let was_banned = self.store.unban(&user, Timestamp::now()).await?;
        if was_banned {
            self.changed(user).await;
        }
        Ok(was_banned)
    }

    /// Another node says that somebody's ban changed: looks now, and not only when it is time.
    pub async fn look_now(&self) -> Result<(), Error> {
        let mut place = self.place.lock().await;
        loop {
            let changes = self.store.bans_after(*place, CHANGES_A_READING).await?;
            let Some(last) = changes.last() else {
                return Ok(());
            };
            *place = last.seq;
            for change in changes {
                self.bans.set(change.user_id, change.is_banned);
            }
        }
    }

    /// Whose bans this node changes from now on, each after the change is committed: for telling the
    /// other nodes. One who is banned again is told of again, for the first word may have been lost.
    /// It is a hint: one who lags behind misses the oldest.
    pub fn changes(&self) -> broadcast::Receiver<UserId> {
        self.told.subscribe()
    }

    /// Looks every `interval`. Runs until it is dropped.
    pub async fn run(&self, interval: Duration) {
        let mut ticks = tokio::time::interval(interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Err(error) = self.look_now().await {
                tracing::warn!(error = ?error, "it could not be read who is banned");
            }
        }
    }

    async fn changed(&self, user: UserId) {
        // It is committed: what fails here is made up for when it is time to look.
        if let Err(error) = self.look_now().await {
            tracing::warn!(error = ?error, "a change of a ban takes effect later");
        }
        // Nobody listens where there is one node.
        let _ = self.told.send(user);
    }
}
