//! Keeping the host site's public keys: where they are read, when they are read anew, and for how
//! long they are trusted when that fails.
//!
//! One task reads. Whoever verifies takes what was read last, and waits only where a token names a
//! key that nobody knows: that has the keys read once more, for the host site may have begun to
//! sign with a new one. Somebody who makes up names can so cause a reading now and then, and no
//! more: see the cooldown.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use jsonwebtoken::Algorithm;
use parking_lot::{Mutex, RwLock};
use tokio::{
    sync::{Notify, watch},
    time::{sleep_until, timeout},
};

use super::{
    keys::KeySet,
    source::{Answer, KeysError, Source, TIMEOUT},
};
use crate::config::{AuthConfig, JwksSource};

/// When a reading that failed is tried again at first, and at last.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(60);

/// The public keys, as they were read last.
pub(super) struct Jwks {
    source: Source,
    algorithms: Vec<Algorithm>,
    refresh: Duration,
    cooldown: Duration,
    max_stale: Duration,
    keys: RwLock<Arc<KeySet>>,
    /// When the keys were last read with success.
    read_at: Mutex<Option<Instant>>,
    /// How long after a reading the next is due.
    good_for: Mutex<Duration>,
    /// How many readings have begun and ended; they are never two at a time.
    begun: watch::Sender<u64>,
    ended: watch::Sender<u64>,
    asked: Mutex<Option<Asked>>,
    wanted: Notify,
}

/// The last time that somebody asked for a reading.
struct Asked {
    at: Instant,
    /// Which reading answers it.
    answer: u64,
}

impl Jwks {
    /// Of this source; a file is read at once. `algorithms` are those that are taken.
    pub(super) fn new(
        source: &JwksSource,
        algorithms: Vec<Algorithm>,
        config: &AuthConfig,
    ) -> Result<Self, KeysError> {
        let jwks = Self {
            source: Source::new(source)?,
            algorithms,
            refresh: config.jwks_refresh,
            cooldown: config.jwks_cooldown,
            max_stale: config.jwks_max_stale,
            keys: RwLock::default(),
            read_at: Mutex::default(),
            // What cannot be read at the start is tried again soon.
            good_for: Mutex::new(FIRST_RETRY),
            begun: watch::Sender::default(),
            ended: watch::Sender::default(),
            asked: Mutex::default(),
            wanted: Notify::new(),
        };
        if let Some(answer) = jwks.source.at_once() {
            jwks.take(answer?)?;
        }
        Ok(jwks)
    }

    /// Whether there are keys that are trusted.
    pub(super) fn is_read(&self) -> bool {
        self.read_at.lock().is_some()
    }

    /// Whether tokens of this algorithm are taken.
    pub(super) fn takes(&self, algorithm: Algorithm) -> bool {
        self.algorithms.contains(&algorithm)
    }

    /// What was read last.
    pub(super) fn keys(&self) -> Arc<KeySet> {
        Arc::clone(&self.keys.read())
    }

    /// Reads the keys now. What is known is kept where that fails.
    pub(super) async fn read(&self) -> Result<(), KeysError> {
        self.begun.send_modify(|count| *count += 1);
        let read = self.source.read().await;
        let taken = read.and_then(|answer| self.take(answer));
        self.ended.send_modify(|count| *count += 1);
        taken
    }

    fn take(&self, answer: Answer) -> Result<(), KeysError> {
        let keys = KeySet::parse(&answer.text, &self.algorithms)?;
        if keys.len() == 0 {
            tracing::warn!("JWKS has no key that fits: every token signed with one is refused");
        }
        *self.keys.write() = Arc::new(keys);
        *self.read_at.lock() = Some(Instant::now());
        *self.good_for.lock() = answer.max_age.unwrap_or(self.refresh);
        Ok(())
    }

    /// Has the keys read anew for a token of an unknown key, and waits for that; unless it was done
    /// for another a short while ago.
    pub(super) async fn look_again(&self) {
        let mut ended = self.ended.subscribe();
        let answer = {
            let mut asked = self.asked.lock();
            match &*asked {
                Some(before) if before.answer > *ended.borrow() => before.answer,
                Some(before) if before.at.elapsed() < self.cooldown => return,
                _ => {
                    let answer = *self.begun.borrow() + 1;
                    let at = Instant::now();
                    *asked = Some(Asked { at, answer });
                    self.wanted.notify_one();
                    answer
                }
            }
        };
        // One reading may be under way, and the one that was asked for comes after it.
        let _ = timeout(2 * TIMEOUT, ended.wait_for(|count| *count >= answer)).await;
    }

    /// Reads the keys again and again. Runs until it is dropped.
    pub(super) async fn run(&self) {
        let (mut next, mut retry) = (*self.good_for.lock(), FIRST_RETRY);
        loop {
            let at = Instant::now().checked_add(next).map(Into::into);
            let due = async {
                match at {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = due => {}
                () = self.wanted.notified() => {}
            }
            match self.read().await {
                Ok(()) => (next, retry) = (*self.good_for.lock(), FIRST_RETRY),
                Err(error) => {
                    tracing::warn!(%error, "JWKS could not be read anew");
                    let left = self.trust_left();
                    if left == Some(Duration::ZERO) {
                        tracing::error!(
                            "the keys of JWKS are too old: every token signed with one is refused"
                        );
                        *self.keys.write() = Arc::default();
                        *self.read_at.lock() = None;
                    }
                    next = left
                        .filter(|left| !left.is_zero())
                        .unwrap_or(retry)
                        .min(retry);
                    retry = (2 * retry).min(LAST_RETRY);
                }
            }
        }
    }

    /// How long the keys are still trusted, where there are any.
    fn trust_left(&self) -> Option<Duration> {
        let age = (*self.read_at.lock())?.elapsed();
        Some(self.max_stale.saturating_sub(age))
    }
}
