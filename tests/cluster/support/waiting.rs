//! Waiting for what no message tells of: looking again until it is so, and failing where it never is.

use std::{
    fmt::Debug,
    future::Future,
    time::{Duration, Instant},
};

/// How long a test waits for what has no time of its own in the contract.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often it is looked again. Each look costs the programs that are waited for.
const PAUSE: Duration = Duration::from_millis(50);

/// Waits until `look` finds nothing that is not as expected.
pub(crate) async fn eventually<E: Debug, F: Future<Output = Result<(), E>>>(
    what: &str,
    look: impl FnMut() -> F,
) {
    wait(PATIENCE, what, look).await;
}

/// The same with a time of the contract's. Says how long it took.
pub(crate) async fn within<E: Debug, F: Future<Output = Result<(), E>>>(
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
