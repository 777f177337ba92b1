//! How often one user may do what reaches everybody in a room.

use std::{num::NonZeroU32, time::Duration};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter, clock::Clock};

use crate::{config::Switch, error::Error, metrics::LimitMetrics, model::UserId};

/// How many typing requests a user may send in a second, in the long run.
const TYPING_A_SECOND: NonZeroU32 = NonZeroU32::new(4).expect("four is not zero");
/// How many at once, after a while of silence.
const TYPING_BURST: NonZeroU32 = NonZeroU32::new(10).expect("ten is not zero");
/// How often what is known of users who have been quiet is forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(60);

/// The limits of all users of one server.
#[derive(Debug)]
pub struct Limits {
    /// `None` where limits are off.
    typing: Option<DefaultKeyedRateLimiter<UserId>>,
    metrics: LimitMetrics,
}

impl Limits {
    /// On or off.
    pub fn new(switch: Switch) -> Self {
        let quota = Quota::per_second(TYPING_A_SECOND).allow_burst(TYPING_BURST);
        Self {
            typing: (switch == Switch::On).then(|| RateLimiter::keyed(quota)),
            metrics: LimitMetrics::default(),
        }
    }

    /// With what it is counted by.
    #[must_use]
    pub fn measured(self, metrics: LimitMetrics) -> Self {
        Self { metrics, ..self }
    }

    /// Counts a typing request; `RateLimited` where it is one too many.
    pub fn typing(&self, user: &UserId) -> Result<(), Error> {
        let Some(limiter) = &self.typing else {
            return Ok(());
        };
        limiter.check_key(user).map_err(|denied| {
            self.metrics.typing.increment(1);
            Error::RateLimited {
                retry_after: denied.wait_time_from(limiter.clock().now()),
            }
        })
    }

    /// Forgets users who have been quiet, so that memory follows who is active. Runs until it is
    /// dropped.
    pub async fn run(&self) {
        let mut ticks = tokio::time::interval(FORGET_EVERY);
        loop {
            ticks.tick().await;
            if let Some(limiter) = &self.typing {
                limiter.retain_recent();
                limiter.shrink_to_fit();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_let_through_and_then_the_answer_says_when() {
        let limits = Limits::new(Switch::On);
        let (ada, bob) = (UserId::parse("ada").unwrap(), UserId::parse("bob").unwrap());
        for _ in 0..TYPING_BURST.get() {
            limits.typing(&ada).unwrap();
        }
        let Err(Error::RateLimited { retry_after }) = limits.typing(&ada) else {
            panic!("one more than the burst was let through");
        };
        assert!(retry_after > Duration::ZERO && retry_after <= Duration::from_millis(250));
        limits.typing(&bob).unwrap();
    }

    #[test]
    fn off_means_no_limit() {
        let limits = Limits::new(Switch::Off);
        let ada = UserId::parse("ada").unwrap();
        assert!((0..1000).all(|_| limits.typing(&ada).is_ok()));
    }
}
