//! Readiness of the server: a check for each part that it needs.
//!
//! A report is cached for a second, and concurrent callers share one, so frequent requests do not
//! load the database.

use std::{fmt, sync::Arc, time::Duration};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared, join_all},
};
use parking_lot::Mutex;
use serde::Serialize;
use tokio::time::{Instant, error::Elapsed, timeout};

use crate::error::Error;

/// Age at which a report is replaced.
const MAX_AGE: Duration = Duration::from_secs(1);
/// Timeout of each check.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

type Check = Box<dyn Fn() -> BoxFuture<'static, Result<(), Error>> + Send + Sync>;

/// The named checks of a server, with a cache of their results. Clones share both.
#[derive(Clone)]
pub struct Health {
    shared: Arc<Inner>,
}

struct Inner {
    checks: Vec<(&'static str, Check)>,
    /// The latest report, which may still be pending, and the time when it was started.
    latest: Mutex<Option<(Instant, PendingReport)>>,
}

type PendingReport = Shared<BoxFuture<'static, Report>>;

/// The state of each part, in the order of the checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report(pub Arc<[(&'static str, State)]>);

/// The result of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The check passed.
    Ok,
    /// The check failed with an error, which is logged.
    Failed,
    /// The check timed out.
    Silent,
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.shared.checks.iter().map(|(name, _)| name);
        f.debug_list().entries(names).finish()
    }
}

impl Report {
    /// Returns true if every check passed.
    pub fn is_good(&self) -> bool {
        self.is_good_without::<&str>(&[])
    }

    /// Returns true if every check passed, not counting those named in `excluded`.
    pub fn is_good_without<Name: AsRef<str>>(&self, excluded: &[Name]) -> bool {
        self.0.iter().all(|(name, state)| {
            *state == State::Ok || excluded.iter().any(|part| part.as_ref() == *name)
        })
    }
}

/// A builder of [`Health`].
#[derive(Default)]
pub struct Checks(Vec<(&'static str, Check)>);

impl Checks {
    /// Adds a check named `name`.
    #[must_use]
    pub fn with<Checked>(
        mut self,
        name: &'static str,
        check: impl Fn() -> Checked + Send + Sync + 'static,
    ) -> Self
    where
        Checked: Future<Output = Result<(), Error>> + Send + 'static,
    {
        self.0.push((name, Box::new(move || check().boxed())));
        self
    }
}

impl Health {
    /// Creates the health of a server from its checks. Runs none of them yet.
    pub fn new(checks: Checks) -> Self {
        Self {
            shared: Arc::new(Inner {
                checks: checks.0,
                latest: Mutex::new(None),
            }),
        }
    }

    /// Runs all checks at the same time, or returns a report that is at most a second old. Takes at
    /// most two seconds.
    pub async fn report(&self) -> Report {
        self.pending_report().await
    }

    fn pending_report(&self) -> PendingReport {
        let mut latest = self.shared.latest.lock();
        let now = Instant::now();
        if let Some((started, report)) = &*latest
            && now.duration_since(*started) < MAX_AGE
        {
            return report.clone();
        }
        let run = |(name, check): &(&'static str, Check)| {
            let name = *name;
            timeout(CHECK_TIMEOUT, check()).map(move |result| (name, state(name, result)))
        };
        let results: Vec<_> = self.shared.checks.iter().map(run).collect();
        let report = join_all(results)
            .map(|states| Report(states.into()))
            .boxed()
            .shared();
        *latest = Some((now, report.clone()));
        report
    }
}

fn state(name: &str, result: Result<Result<(), Error>, Elapsed>) -> State {
    match result {
        Ok(Ok(())) => State::Ok,
        Ok(Err(error)) => {
            tracing::warn!(check = name, ?error, "health check failed");
            State::Failed
        }
        Err(_elapsed) => {
            tracing::warn!(check = name, "health check timed out");
            State::Silent
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// Returns a health whose check counts its runs.
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
    async fn checks_run_once_a_second_however_many_callers() {
        let (health, count) = counted();
        for _ in 0..100 {
            assert!(health.report().await.is_good());
        }
        join_all((0..100).map(|_| health.report())).await;
        // Callers that drop the future make no difference.
        for _ in 0..100 {
            drop(health.report());
        }
        assert_eq!(count.load(Ordering::Relaxed), 1);
        tokio::time::advance(MAX_AGE).await;
        health.report().await;
        assert_eq!(count.load(Ordering::Relaxed), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn each_check_has_its_own_state_and_times_out() {
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
