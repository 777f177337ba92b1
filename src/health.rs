//! Whether the server is fit to be sent readers: what it needs is asked for an answer.
//!
//! Whoever asks may ask as often as they like: an answer is good for a second, and those who ask at
//! the same time share one, so that nobody can load the database by asking.

use std::{fmt, sync::Arc, time::Duration};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared, join_all},
};
use parking_lot::Mutex;
use serde::Serialize;
use tokio::time::{Instant, timeout};

use crate::error::Error;

/// For how long an answer is good.
const MAX_AGE: Duration = Duration::from_secs(1);
/// How long a part may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

type Probe = Box<dyn Fn() -> BoxFuture<'static, Result<(), Error>> + Send + Sync>;

/// What the server needs, each by its name. Cloning it gives the same.
#[derive(Clone)]
pub struct Health {
    shared: Arc<Inner>,
}

struct Inner {
    checks: Vec<(&'static str, Probe)>,
    /// The latest asking, and when it began.
    latest: Mutex<Option<(Instant, Asking)>>,
}

type Asking = Shared<BoxFuture<'static, Report>>;

/// What each part answered, in the order in which they were named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report(pub Arc<[(&'static str, State)]>);

/// How it is with a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It answers.
    Ok,
    /// It answers with an error, which is in the log.
    Failed,
    /// It does not answer.
    Silent,
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.shared.checks.iter().map(|(name, _)| name);
        f.debug_list().entries(names).finish()
    }
}

impl Report {
    /// Whether every part answers.
    pub fn is_good(&self) -> bool {
        self.is_good_without::<&str>(&[])
    }

    /// Whether every part answers, but for these.
    pub fn is_good_without<Name: AsRef<str>>(&self, excluded: &[Name]) -> bool {
        self.0.iter().all(|(name, state)| {
            *state == State::Ok || excluded.iter().any(|part| part.as_ref() == *name)
        })
    }
}

/// The checks of a server that is being put together.
#[derive(Default)]
pub struct Checks(Vec<(&'static str, Probe)>);

impl Checks {
    /// One more part that is needed; `probe` asks it for an answer.
    #[must_use]
    pub fn with<Asked>(
        mut self,
        name: &'static str,
        probe: impl Fn() -> Asked + Send + Sync + 'static,
    ) -> Self
    where
        Asked: Future<Output = Result<(), Error>> + Send + 'static,
    {
        self.0.push((name, Box::new(move || probe().boxed())));
        self
    }
}

impl Health {
    /// All that is needed.
    pub fn new(checks: Checks) -> Self {
        Self {
            shared: Arc::new(Inner {
                checks: checks.0,
                latest: Mutex::new(None),
            }),
        }
    }

    /// What each part answers, or answered within the last second.
    pub async fn report(&self) -> Report {
        self.asking().await
    }

    fn asking(&self) -> Asking {
        let mut latest = self.shared.latest.lock();
        let now = Instant::now();
        if let Some((since, asking)) = &*latest
            && now.duration_since(*since) < MAX_AGE
        {
            return asking.clone();
        }
        let answer = |(name, probe): &(&'static str, Probe)| {
            let name = *name;
            timeout(PATIENCE, probe()).map(move |answer| (name, state(name, answer)))
        };
        let answers: Vec<_> = self.shared.checks.iter().map(answer).collect();
        let asking = join_all(answers)
            .map(|answers| Report(answers.into()))
            .boxed()
            .shared();
        *latest = Some((now, asking.clone()));
        asking
    }
}

fn state(name: &str, answer: Result<Result<(), Error>, tokio::time::error::Elapsed>) -> State {
    match answer {
        Ok(Ok(())) => State::Ok,
        Ok(Err(error)) => {
            tracing::warn!(check = name, ?error, "not ready");
            State::Failed
        }
        Err(_elapsed) => {
            tracing::warn!(check = name, "not ready: no answer");
            State::Silent
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// Health that counts how often it asked.
    fn counted() -> (Health, Arc<AtomicU32>) {
        let count = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&count);
        let checks = Checks::default().with("part", move || {
            counted.fetch_add(1, Ordering::Relaxed);
            async { Ok(()) }
        });
        (Health::new(checks), count)
    }

    #[tokio::test(start_paused = true)]
    async fn a_part_is_asked_once_a_second_however_many_ask() {
        let (health, count) = counted();
        for _ in 0..100 {
            assert!(health.report().await.is_good());
        }
        join_all((0..100).map(|_| health.report())).await;
        // Those who do not wait for the answer make no difference.
        for _ in 0..100 {
            drop(health.report());
        }
        assert_eq!(count.load(Ordering::Relaxed), 1);
        tokio::time::advance(MAX_AGE).await;
        health.report().await;
        assert_eq!(count.load(Ordering::Relaxed), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn each_part_has_its_own_state_and_none_is_waited_for_for_ever() {
        let checks = Checks::default()
            .with("good", async || Ok(()))
            .with("bad", async || Err(Error::Conflict("no")))
            .with("mute", std::future::pending);
        let report = Health::new(checks).report().await;
        assert_eq!(
            *report.0,
            [
                ("good", State::Ok),
                ("bad", State::Failed),
                ("mute", State::Silent)
            ]
        );
        assert!(!report.is_good());
        assert!(!report.is_good_without(&["bad"]));
        assert!(report.is_good_without(&["bad", "mute"]));
    }
}
