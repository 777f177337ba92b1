//! The banned users, as this node knows them. A banned user's connections are closed at once, and new
//! ones are refused.
//!
//! The store is the truth; [`Moderation`](super::Moderation) keeps this equal to it. A token with the
//! moderator role is exempt: the host site decides who moderates, so no moderator can ban another. A
//! ban on a moderator takes effect when their next token has a lower role.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use parking_lot::{Mutex, RwLock};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use super::Banned;
use crate::{
    auth::Principal,
    model::{Role, Timestamp, UserId},
};

/// Maximum number of banned users, about 25 MB. No other user can be banned beyond it.
const MAX_BANS: usize = 250_000;
/// Maximum number of cached moderators. A ban on any other moderator is stored, and has no effect.
const MAX_MODERATORS: usize = 1024;

/// Capacity of the channel of bans.
const IMPOSED: usize = 64;

/// The banned users, and the connected users whom a ban would disconnect.
#[derive(Debug)]
pub struct Bans {
    banned: RwLock<HashSet<UserId>>,
    /// Locked before `banned`, so that no ban falls between the check and the watch.
    watched: Mutex<HashMap<UserId, Watched>>,
    /// The moderators who have connected, with the expiry of their tokens.
    moderators: Mutex<HashMap<UserId, Timestamp>>,
    imposed: broadcast::Sender<UserId>,
}

impl Default for Bans {
    fn default() -> Self {
        Self {
            banned: RwLock::default(),
            watched: Mutex::default(),
            moderators: Mutex::default(),
            imposed: broadcast::Sender::new(IMPOSED),
        }
    }
}

/// A user with open streams and sockets.
#[derive(Debug)]
struct Watched {
    /// Cancelled when the user is banned.
    banned: CancellationToken,
    watches: usize,
}

/// A guard that learns of one user's ban.
#[derive(Debug)]
pub struct BanWatch {
    /// `None` if the user is exempt.
    watched: Option<(Arc<Bans>, UserId)>,
    banned: CancellationToken,
}

impl Bans {
    /// Refuses a banned user.
    pub fn admit(&self, principal: &Principal) -> Result<(), Banned> {
        if principal.user.role == Role::Moderator {
            self.remember_moderator(principal);
            return Ok(());
        }
        match self.is_banned(&principal.user.id) {
            true => Err(Banned),
            false => Ok(()),
        }
    }

    /// Returns true if the user is banned, even if their role exempts them.
    pub fn is_banned(&self, user: &UserId) -> bool {
        self.banned.read().contains(user)
    }

    /// Returns true if the user connected with a moderator's token that is valid at `now`.
    pub fn is_moderator(&self, user: &UserId, now: Timestamp) -> bool {
        self.moderators
            .lock()
            .get(user)
            .is_some_and(|expires_at| *expires_at > now)
    }

    /// Returns true if no other user can be banned.
    pub fn is_full(&self) -> bool {
        self.banned.read().len() >= MAX_BANS
    }

    /// Watches for the ban of a user who was admitted. A ban between the two is noticed at once.
    pub fn watch(self: &Arc<Self>, principal: &Principal) -> BanWatch {
        if principal.user.role == Role::Moderator {
            return BanWatch {
                watched: None,
                banned: CancellationToken::new(),
            };
        }
        let user = principal.user.id.clone();
        let mut watched = self.watched.lock();
        let banned = if self.is_banned(&user) {
            let banned = CancellationToken::new();
            banned.cancel();
            banned
        } else {
            let entry = watched.entry(user.clone()).or_insert_with(|| Watched {
                banned: CancellationToken::new(),
                watches: 0,
            });
            entry.watches += 1;
            entry.banned.clone()
        };
        BanWatch {
            watched: Some((Arc::clone(self), user)),
            banned,
        }
    }

    /// Applies a change of the store, and notifies the user's watches of a ban.
    pub fn set(&self, user: UserId, is_banned: bool) {
        let mut watched = self.watched.lock();
        if !is_banned {
            self.banned.write().remove(&user);
            return;
        }
        // Watches that are created from now on see the ban in `banned`.
        let entry = watched.remove(&user);
        self.banned.write().insert(user.clone());
        if let Some(entry) = entry {
            entry.banned.cancel();
        }
        // The error means that there is no receiver.
        let _ = self.imposed.send(user);
    }

    /// Subscribes to the users who are banned from now on, by whatever node. A receiver that lags misses
    /// the oldest.
    pub fn imposed(&self) -> broadcast::Receiver<UserId> {
        self.imposed.subscribe()
    }

    fn remember_moderator(&self, principal: &Principal) {
        let mut moderators = self.moderators.lock();
        if let Some(expires_at) = moderators.get_mut(&principal.user.id) {
            *expires_at = principal.expires_at;
            return;
        }
        if moderators.len() >= MAX_MODERATORS {
            let now = Timestamp::now();
            moderators.retain(|_, expires_at| *expires_at > now);
        }
        if moderators.len() < MAX_MODERATORS {
            moderators.insert(principal.user.id.clone(), principal.expires_at);
        }
    }
}

impl BanWatch {
    /// Waits until the user is banned. Cancel safe.
    pub async fn banned(&self) {
        self.banned.cancelled().await;
    }
}

impl Drop for BanWatch {
    fn drop(&mut self) {
        let Some((bans, user)) = &self.watched else {
            return;
        };
        let mut watched = bans.watched.lock();
        // A ban has removed this watch's entry; the present one belongs to later watches.
        if self.banned.is_cancelled() {
            return;
        }
        if let Some(entry) = watched.get_mut(user) {
            entry.watches -= 1;
            if entry.watches == 0 {
                watched.remove(user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::model::User;

    fn principal(id: &str, role: Role) -> Principal {
        Principal {
            user: User {
                id: UserId::parse(id).unwrap(),
                name: id.into(),
                avatar: None,
                role,
            },
            issued_at: None,
            expires_at: Timestamp(1_000),
        }
    }

    fn is_notified(watch: &BanWatch) -> bool {
        watch.banned().now_or_never().is_some()
    }

    #[test]
    fn ban_notifies_every_watch_and_later_ones() {
        let (bans, ada) = (Arc::new(Bans::default()), principal("ada", Role::Reader));
        let (one, two) = (bans.watch(&ada), bans.watch(&ada));
        let bob = bans.watch(&principal("bob", Role::Reader));
        assert!(bans.admit(&ada).is_ok() && !is_notified(&one));
        bans.set(ada.user.id.clone(), true);
        assert!(is_notified(&one) && is_notified(&two) && !is_notified(&bob));
        assert_eq!(bans.admit(&ada), Err(Banned));
        assert!(
            is_notified(&bans.watch(&ada)),
            "a ban between admission and watch"
        );
    }

    #[test]
    fn unbanned_user_is_admitted_and_notified_of_the_next_ban() {
        let (bans, ada) = (Arc::new(Bans::default()), principal("ada", Role::Reader));
        let old = bans.watch(&ada);
        bans.set(ada.user.id.clone(), true);
        bans.set(ada.user.id.clone(), false);
        assert!(bans.admit(&ada).is_ok());
        let new = bans.watch(&ada);
        drop(old);
        assert!(!is_notified(&new));
        bans.set(ada.user.id, true);
        assert!(is_notified(&new));
    }

    #[test]
    fn dropped_watches_leave_no_entry() {
        let (bans, ada) = (Arc::new(Bans::default()), principal("ada", Role::Reader));
        let (one, two) = (bans.watch(&ada), bans.watch(&ada));
        drop(one);
        assert_eq!(bans.watched.lock().len(), 1);
        drop(two);
        assert_eq!(bans.watched.lock().len(), 0);
    }

    #[test]
    fn moderator_is_exempt_and_remembered_until_the_token_expires() {
        let (bans, mod_) = (Arc::new(Bans::default()), principal("m", Role::Moderator));
        let id = mod_.user.id.clone();
        assert!(!bans.is_moderator(&id, Timestamp(0)));
        bans.set(id.clone(), true);
        assert!(bans.admit(&mod_).is_ok() && !is_notified(&bans.watch(&mod_)));
        assert!(bans.is_moderator(&id, Timestamp(999)));
        assert!(!bans.is_moderator(&id, Timestamp(1_000)));
        assert_eq!(bans.admit(&principal("m", Role::Author)), Err(Banned));
    }

    #[test]
    fn moderator_cache_is_bounded_and_evicts_expired_ones() {
        let bans = Bans::default();
        for number in 0..=MAX_MODERATORS {
            bans.remember_moderator(&principal(&number.to_string(), Role::Moderator));
        }
        assert!(bans.moderators.lock().len() <= MAX_MODERATORS);
        let last = UserId::parse(&MAX_MODERATORS.to_string()).unwrap();
        assert!(bans.is_moderator(&last, Timestamp(0)));
    }
}
