//! Waiting for what has no notification. Every timeout is for hangs: only a failing test waits that long, and
//! no test passes because something took its time.

use std::{
    fmt::Debug,
    thread,
    time::{Duration, Instant},
};

/// Timeout for what must happen, however busy the machine is.
pub const TIMEOUT: Duration = Duration::from_secs(60);

/// The polling interval of conditions that are read from a program's output.
const PAUSE: Duration = Duration::from_millis(5);

/// The result of looking for a condition.
pub trait Condition {
    /// Returns `None` if the condition holds, or else what was seen instead.
    fn missing(self) -> Option<String>;
}

impl Condition for bool {
    fn missing(self) -> Option<String> {
        (!self).then(|| "it is not so".to_owned())
    }
}

impl<E: Debug> Condition for Result<(), E> {
    fn missing(self) -> Option<String> {
        self.err().map(|error| format!("{error:?}"))
    }
}

/// Blocks until `look` returns true, on a thread without a runtime. Returns false if it never does.
#[must_use]
pub fn block_until(mut look: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    while !look() {
        if start.elapsed() > TIMEOUT {
            return false;
        }
        thread::sleep(PAUSE);
    }
    true
}

#[cfg(feature = "clients")]
pub use on_tokio::{wait_until, wait_until_within, within};

/// Waiting on tokio's clock, which a test may have paused.
#[cfg(feature = "clients")]
mod on_tokio {
    use std::{future::Future, time::Duration};

    use tokio::time::{Instant, sleep, timeout};

    use super::{Condition, TIMEOUT};

    /// The shortest polling interval, and the longest. Each poll may cost the program under test some work.
    const PAUSES: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(50));
    /// The time waited so far, as a multiple of the next interval.
    const PATIENCE: u32 = 4;

    /// Awaits a future, and panics if it hangs.
    pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
        let result = timeout(TIMEOUT, future).await;
        result.unwrap_or_else(|_| panic!("not within {TIMEOUT:?}: {what}"))
    }

    /// Polls until the condition holds, and panics if it never does.
    pub async fn wait_until<C: Condition>(what: &str, look: impl AsyncFnMut() -> C) {
        wait_until_within(TIMEOUT, what, look).await;
    }

    /// Polls until the condition holds, within a limit that the contract states. Prints the time it took.
    pub async fn wait_until_within<C: Condition>(
        limit: Duration,
        what: &str,
        mut look: impl AsyncFnMut() -> C,
    ) {
        let start = Instant::now();
        let (shortest, longest) = PAUSES;
        while let Some(seen) = look().await.missing() {
            assert!(
                start.elapsed() < limit,
                "{what}: not within {limit:?}: {seen}"
            );
            sleep((start.elapsed() / PATIENCE).clamp(shortest, longest)).await;
        }
        eprintln!("{what}: after {:.1} s", start.elapsed().as_secs_f64());
    }
}
