//! Waiting for conditions without a notification, by polling with a timeout.

use std::{
    fmt::Debug,
    future::Future,
    time::{Duration, Instant},
};

/// Timeout for conditions without a bound in the contract.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The polling interval. Each poll costs the programs under test some work.
const PAUSE: Duration = Duration::from_millis(50);

/// Polls until `look` returns `Ok`.
pub(crate) async fn wait_until<E: Debug, F: Future<Output = Result<(), E>>>(
    what: &str,
    look: impl FnMut() -> F,
) {
    wait(TIMEOUT, what, look).await;
}

/// Polls until `look` returns `Ok` within the contract's `limit`. Prints the time that it took.
pub(crate) async fn wait_until_within<E: Debug, F: Future<Output = Result<(), E>>>(
    limit: Duration,
    what: &str,
    look: impl FnMut() -> F,
) {
    let took = wait(limit, what, look).await;
    eprintln!("{what}: after {:.1} s", took.as_secs_f64());
}

async fn wait<E: Debug, F: Future<Output = Result<(), E>>>(
    limit: Duration,
    what: &str,
    mut look: impl FnMut() -> F,
) -> Duration {
    let start = Instant::now();
    while let Err(error) = look().await {
        assert!(
            start.elapsed() < limit,
            "{what}: not within {limit:?}: {error:?}"
        );
        tokio::time::sleep(PAUSE).await;
    }
    start.elapsed()
}
