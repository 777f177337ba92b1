//! Who is banned, as this node knows it: looked at whenever somebody comes, and told at once to
//! those who are here.
//!
//! The store is the truth; `moderation.rs` keeps this equal to it. A token whose role is moderator is
//! not subject to bans: who moderates is for the host site to say, so no moderator can shut out
//! another. A ban of somebody who is a moderator takes effect when their next token says otherwise.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use parking_lot::{Mutex, RwLock};
use tokio_util::sync::CancellationToken;

use super::identity::Identity;
use crate::model::{Role, Timestamp, UserId};

/// How many users may be banned: some 25 MB. Beyond it nobody else can be.
const MAX_BANS: usize = 250_000;
/// Of how many moderators is kept that they are. Of others it is not known when somebody wants to
/// ban them, and their ban has no effect.
const MAX_MODERATORS: usize = 1024;

/// The user is banned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("You are banned here.")]
pub struct Banned;

/// Who is banned, and who is here that may be.
#[derive(Debug, Default)]
pub struct Bans {
    banned: RwLock<HashSet<UserId>>,
    /// Locked before `banned`, so that between a look and a watch nobody is missed.
    here: Mutex<HashMap<UserId, Here>>,
    /// Who was seen with a moderator's token, and when that ends.
    moderators: Mutex<HashMap<UserId, Timestamp>>,
}

/// A user's streams and sockets.
#[derive(Debug)]
struct Here {
    told: CancellationToken,
    watches: usize,
}

/// Hears of one user's ban for as long as it lives.
#[derive(Debug)]
pub struct BanWatch {
    /// `None` where the user is not subject to bans.
    watched: Option<(Arc<Bans>, UserId)>,
    told: CancellationToken,
}

impl Bans {
    /// Lets in whoever is not banned.
    pub fn admit(&self, identity: &Identity) -> Result<(), Banned> {
        if identity.role == Role::Moderator {
            self.note_moderator(identity);
            return Ok(());
        }
        match self.is_banned(&identity.user.id) {
            true => Err(Banned),
            false => Ok(()),
        }
    }

    /// Whether the user is banned.
    pub fn is_banned(&self, user: &UserId) -> bool {
        self.banned.read().contains(user)
    }

    /// Whether the user is known to be a moderator at `now`.
    pub fn is_moderator(&self, user: &UserId, now: Timestamp) -> bool {
        self.moderators
            .lock()
            .get(user)
            .is_some_and(|until| *until > now)
    }

    /// Whether nobody else can be banned.
    pub fn is_full(&self) -> bool {
        self.banned.read().len() >= MAX_BANS
    }

    /// Watches for the ban of somebody who was let in. If they were banned since, that is told at
    /// once.
    pub fn watch(self: &Arc<Self>, identity: &Identity) -> BanWatch {
        if identity.role == Role::Moderator {
            return BanWatch {
                watched: None,
                told: CancellationToken::new(),
            };
        }
        let user = identity.user.id.clone();
        let mut here = self.here.lock();
        let told = if self.is_banned(&user) {
            let told = CancellationToken::new();
            told.cancel();
            told
        } else {
            let here = here.entry(user.clone()).or_insert_with(|| Here {
                told: CancellationToken::new(),
                watches: 0,
            });
            here.watches += 1;
            here.told.clone()
        };
        BanWatch {
            watched: Some((Arc::clone(self), user)),
            told,
        }
    }

    /// The store says that the user is banned, or not any more.
    pub fn set(&self, user: UserId, is_banned: bool) {
        let mut here = self.here.lock();
        if !is_banned {
            self.banned.write().remove(&user);
            return;
        }
        // Nobody who watches from now on is among these.
        let told = here.remove(&user);
        self.banned.write().insert(user);
        if let Some(here) = told {
            here.told.cancel();
        }
    }

    fn note_moderator(&self, identity: &Identity) {
        let mut moderators = self.moderators.lock();
        if let Some(until) = moderators.get_mut(&identity.user.id) {
            *until = identity.expires_at;
            return;
        }
        if moderators.len() >= MAX_MODERATORS {
            let now = Timestamp::now();
            moderators.retain(|_, until| *until > now);
        }
        if moderators.len() < MAX_MODERATORS {
            moderators.insert(identity.user.id.clone(), identity.expires_at);
        }
    }
}

impl BanWatch {
    /// Waits until the user is banned.
    pub async fn banned(&self) {
        self.told.cancelled().await;
    }
}

impl Drop for BanWatch {
    fn drop(&mut self) {
        let Some((bans, user)) = &self.watched else {
            return;
        };
        let mut here = bans.here.lock();
        // Whoever was told is not counted any more; others may have come since.
        if self.told.is_cancelled() {
            return;
        }
        if let Some(entry) = here.get_mut(user) {
            entry.watches -= 1;
            if entry.watches == 0 {
                here.remove(user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::model::User;

    fn identity(id: &str, role: Role) -> Identity {
        Identity {
            user: User {
                id: UserId::parse(id).unwrap(),
                name: id.into(),
                avatar: None,
            },
            role,
            expires_at: Timestamp(1_000),
        }
    }

    fn is_told(watch: &BanWatch) -> bool {
        watch.banned().now_or_never().is_some()
    }

    #[test]
    fn a_ban_is_told_to_all_who_watch_and_to_those_who_come_later() {
        let (bans, ada) = (Arc::new(Bans::default()), identity("ada", Role::Reader));
        let (one, two) = (bans.watch(&ada), bans.watch(&ada));
        let bob = bans.watch(&identity("bob", Role::Reader));
        assert!(bans.admit(&ada).is_ok() && !is_told(&one));
        bans.set(ada.user.id.clone(), true);
        assert!(is_told(&one) && is_told(&two) && !is_told(&bob));
        assert_eq!(bans.admit(&ada), Err(Banned));
        assert!(
            is_told(&bans.watch(&ada)),
            "one who comes between look and watch"
        );
    }

    #[test]
    fn who_is_unbanned_may_come_again_and_is_told_of_the_next_ban() {
        let (bans, ada) = (Arc::new(Bans::default()), identity("ada", Role::Reader));
        let old = bans.watch(&ada);
        bans.set(ada.user.id.clone(), true);
        bans.set(ada.user.id.clone(), false);
        assert!(bans.admit(&ada).is_ok());
        let new = bans.watch(&ada);
        drop(old);
        assert!(!is_told(&new));
        bans.set(ada.user.id, true);
        assert!(is_told(&new));
    }

    #[test]
    fn who_is_gone_leaves_nothing_behind() {
        let (bans, ada) = (Arc::new(Bans::default()), identity("ada", Role::Reader));
        let (one, two) = (bans.watch(&ada), bans.watch(&ada));
        drop(one);
        assert_eq!(bans.here.lock().len(), 1);
        drop(two);
        assert_eq!(bans.here.lock().len(), 0);
    }

    #[test]
    fn a_moderator_is_not_subject_to_bans_and_is_known_until_the_token_ends() {
        let (bans, mod_) = (Arc::new(Bans::default()), identity("m", Role::Moderator));
        let id = mod_.user.id.clone();
        assert!(!bans.is_moderator(&id, Timestamp(0)));
        bans.set(id.clone(), true);
        assert!(bans.admit(&mod_).is_ok() && !is_told(&bans.watch(&mod_)));
        assert!(bans.is_moderator(&id, Timestamp(999)));
        assert!(!bans.is_moderator(&id, Timestamp(1_000)));
        assert_eq!(bans.admit(&identity("m", Role::Author)), Err(Banned));
    }

    #[test]
    fn the_list_of_moderators_is_bounded_and_makes_room_for_those_who_still_are() {
        let bans = Bans::default();
        for number in 0..=MAX_MODERATORS {
            bans.note_moderator(&identity(&number.to_string(), Role::Moderator));
        }
        assert!(bans.moderators.lock().len() <= MAX_MODERATORS);
    }
}
