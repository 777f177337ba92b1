//! The cache of the host site's public keys: when they are fetched, and for how long they are trusted
//! if fetching fails.
//!
//! One task fetches. Verifying a token uses the cached keys, and waits only if the token names an
//! unknown key: the host site may have started to sign with a new one, so the keys are fetched again.
//! Made-up key ids cannot cause more than one such fetch per cooldown.

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
    error::JwksError,
    jwks_fetch::{FETCH_TIMEOUT, Fetcher, Response},
    keys::KeySet,
};
use crate::config::{AuthConfig, JwksSource};

/// Initial backoff after a failed fetch.
const MIN_BACKOFF: Duration = Duration::from_secs(1);
/// Maximum backoff after a failed fetch.
const MAX_BACKOFF: Duration = Duration::from_secs(60);

/// The public keys of the latest successful fetch.
pub(super) struct Jwks {
    fetcher: Fetcher,
    algorithms: Vec<Algorithm>,
    refresh: Duration,
    cooldown: Duration,
    max_stale: Duration,
    keys: RwLock<Arc<KeySet>>,
    /// Time of the latest successful fetch; `None` if no keys are trusted.
    fetched_at: Mutex<Option<Instant>>,
    /// Delay from a successful fetch to the next.
    next_refresh: Mutex<Duration>,
    /// Number of fetches that have started; only one runs at a time.
    started: watch::Sender<u64>,
    /// Number of fetches that have finished, with success or without.
    finished: watch::Sender<u64>,
    requested: Mutex<Option<FetchRequest>>,
    wake: Notify,
}

/// The latest fetch that a token with an unknown key caused.
struct FetchRequest {
    at: Instant,
    /// Number of the fetch that answers the request.
    number: u64,
}

impl Jwks {
    /// Creates the cache. Keys in a file are read at once, keys at a URL with [`fetch`](Self::fetch).
    pub(super) fn new(
        source: &JwksSource,
        algorithms: Vec<Algorithm>,
        config: &AuthConfig,
    ) -> Result<Self, JwksError> {
        let jwks = Self {
            fetcher: Fetcher::new(source)?,
            algorithms,
            refresh: config.jwks_refresh,
            cooldown: config.jwks_cooldown,
            max_stale: config.jwks_max_stale,
            keys: RwLock::default(),
            fetched_at: Mutex::default(),
            // Until the first success, a fetch is retried soon.
            next_refresh: Mutex::new(MIN_BACKOFF),
            started: watch::Sender::default(),
            finished: watch::Sender::default(),
            requested: Mutex::default(),
            wake: Notify::new(),
        };
        if let Some(response) = jwks.fetcher.read_file() {
            jwks.store(response?)?;
        }
        Ok(jwks)
    }

    /// Returns true if there are trusted keys.
    pub(super) fn has_keys(&self) -> bool {
        self.fetched_at.lock().is_some()
    }

    /// Returns true if tokens with this algorithm are accepted.
    pub(super) fn accepts(&self, algorithm: Algorithm) -> bool {
        self.algorithms.contains(&algorithm)
    }

    /// Returns the cached keys.
    pub(super) fn keys(&self) -> Arc<KeySet> {
        Arc::clone(&self.keys.read())
    }

    /// Fetches the keys now. Keeps the cached ones on failure.
    pub(super) async fn fetch(&self) -> Result<(), JwksError> {
        self.started.send_modify(|count| *count += 1);
        let response = self.fetcher.fetch().await;
        let result = response.and_then(|response| self.store(response));
        self.finished.send_modify(|count| *count += 1);
        result
    }

    fn store(&self, response: Response) -> Result<(), JwksError> {
        let keys = KeySet::parse(&response.text, &self.algorithms)?;
        if keys.is_empty() {
            tracing::warn!("JWKS has no usable key: every token signed with one is refused");
        }
        *self.keys.write() = Arc::new(keys);
        *self.fetched_at.lock() = Some(Instant::now());
        *self.next_refresh.lock() = response.max_age.unwrap_or(self.refresh);
        Ok(())
    }

    /// Wakes the task to fetch the keys, and waits until it has. Joins a fetch that another token has
    /// requested; returns at once if one was requested within the cooldown.
    pub(super) async fn refresh_for_unknown_key(&self) {
        let mut finished = self.finished.subscribe();
        let number = {
            let mut requested = self.requested.lock();
            match &*requested {
                Some(latest) if latest.number > *finished.borrow() => latest.number,
                Some(latest) if latest.at.elapsed() < self.cooldown => return,
                _ => {
                    let number = *self.started.borrow() + 1;
                    let at = Instant::now();
                    *requested = Some(FetchRequest { at, number });
                    self.wake.notify_one();
                    number
                }
            }
        };
        // A fetch may be running already; the requested one comes after it.
        let _ = timeout(
            2 * FETCH_TIMEOUT,
            finished.wait_for(|count| *count >= number),
        )
        .await;
    }

    /// Fetches the keys whenever they are due or requested. Runs until it is dropped.
    pub(super) async fn run(&self) {
        let (mut next, mut backoff) = (*self.next_refresh.lock(), MIN_BACKOFF);
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
                () = self.wake.notified() => {}
            }
            match self.fetch().await {
                Ok(()) => (next, backoff) = (*self.next_refresh.lock(), MIN_BACKOFF),
                Err(error) => {
                    tracing::warn!(%error, "cannot refresh JWKS");
                    let trust_left = self.trust_left();
                    if trust_left == Some(Duration::ZERO) {
                        tracing::error!(
                            "JWKS keys are too old: every token signed with one is refused"
                        );
                        *self.keys.write() = Arc::default();
                        *self.fetched_at.lock() = None;
                    }
                    next = trust_left
                        .filter(|left| !left.is_zero())
                        .unwrap_or(backoff)
                        .min(backoff);
                    backoff = (2 * backoff).min(MAX_BACKOFF);
                }
            }
        }
    }

    /// Returns the remaining time for which the cached keys are trusted, or `None` if there are none.
    fn trust_left(&self) -> Option<Duration> {
        let age = (*self.fetched_at.lock())?.elapsed();
        Some(self.max_stale.saturating_sub(age))
    }
}
