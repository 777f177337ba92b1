//! How often one user, and one address, may do what reaches everybody in a room, or makes a user.

mod recent;

use std::{hash::Hash, num::NonZeroU32, time::Duration};

use ::metrics::Counter;
use governor::{
    Quota, RateLimiter,
    clock::{Clock, DefaultClock},
};

use self::recent::Recent;
use crate::{
    config::{Switch, WritingConfig},
    error::Error,
    metrics::LimitMetrics,
    model::{ClientAddress, UserId},
};

/// How often what is known of those who have been quiet is forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(60);

/// The limits of all users and addresses of one server.
#[derive(Debug)]
pub struct Limits {
    /// `None` where limits are off.
    rates: Option<Rates>,
    metrics: LimitMetrics,
}

#[derive(Debug)]
struct Rates {
    typing: Rate<UserId>,
    comments: Rate<UserId>,
    comments_from: Rate<ClientAddress>,
    guests_from: Rate<ClientAddress>,
}

impl Limits {
    /// As the settings have them.
    pub fn new(config: &WritingConfig) -> Self {
        let rates = || Rates {
            // After a while of silence, what two seconds and a half may bring may come at once.
            typing: Rate::new(
                Quota::per_second(some(config.typing_per_user)),
                config.typing_per_user.saturating_mul(5) / 2,
            ),
            comments: Rate::a_minute(config.comments_per_user),
            comments_from: Rate::a_minute(config.comments_per_address),
            guests_from: Rate::a_minute(config.guests_per_address),
        };
        Self {
            rates: (config.rate_limits == Switch::On).then(rates),
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
        match &self.rates {
            Some(rates) => rates.typing.count(user, &self.metrics.typing),
            None => Ok(()),
        }
    }

    /// Counts a comment that is written or edited; `RateLimited` where it is one too many of its
    /// user's, or from its address. One whose address is not known counts for its user alone.
    pub fn comment(&self, user: &UserId, from: Option<ClientAddress>) -> Result<(), Error> {
        let Some(rates) = &self.rates else {
            return Ok(());
        };
        rates.comments.count(user, &self.metrics.comments)?;
        from.map_or(Ok(()), |from| {
            let refused = &self.metrics.comments_from_address;
            rates.comments_from.count(&from, refused)
        })
    }

    /// Counts a guest who signs in; `RateLimited` where it is one too many from that address.
    pub fn guest(&self, from: Option<ClientAddress>) -> Result<(), Error> {
        match (&self.rates, from) {
            (Some(rates), Some(from)) => rates.guests_from.count(&from, &self.metrics.guests),
            _ => Ok(()),
        }
    }

    /// Forgets those who have been quiet, so that memory follows who is active. Runs until it is
    /// dropped.
    pub async fn run(&self) {
        let mut ticks = tokio::time::interval(FORGET_EVERY);
        loop {
            ticks.tick().await;
            if let Some(rates) = &self.rates {
                rates.typing.forget();
                rates.comments.forget();
                rates.comments_from.forget();
                rates.guests_from.forget();
            }
        }
    }
}

/// How often something may be done, by each of those who do it.
#[derive(Debug)]
struct Rate<K: Clone + Eq + Hash>(RateLimiter<K, Recent<K>, DefaultClock>);

impl<K: Clone + Eq + Hash> Rate<K> {
    /// So many at once after a while of silence, and then as the quota has it.
    fn new(quota: Quota, at_once: u32) -> Self {
        let quota = quota.allow_burst(some(at_once));
        let limiter = RateLimiter::new(quota, Recent::default(), DefaultClock::default());
        Self(limiter)
    }

    /// So many in a minute, all of them at once if nothing came before.
    fn a_minute(number: u32) -> Self {
        Self::new(Quota::per_minute(some(number)), number)
    }

    fn count(&self, key: &K, refused: &Counter) -> Result<(), Error> {
        self.0.check_key(key).map_err(|denied| {
            refused.increment(1);
            Error::RateLimited {
                retry_after: denied.wait_time_from(self.0.clock().now()),
            }
        })
    }

    fn forget(&self) {
        self.0.retain_recent();
        self.0.shrink_to_fit();
    }
}

/// A setting that is never zero.
fn some(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN)
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn limits(rate_limits: Switch) -> Limits {
        Limits::new(&WritingConfig {
            edit_window: Duration::from_secs(1),
            rate_limits,
            comments_per_user: 3,
            comments_per_address: 5,
            typing_per_user: 4,
            guests_per_address: 2,
            reply_depth: 1,
        })
    }

    fn user(name: &str) -> UserId {
        UserId::parse(name).unwrap()
    }

    fn address(text: &str) -> Option<ClientAddress> {
        Some(text.parse::<IpAddr>().unwrap().into())
    }

    fn wait(result: Result<(), Error>) -> Duration {
        match result {
            Err(Error::RateLimited { retry_after }) => retry_after,
            other => panic!("not limited: {other:?}"),
        }
    }

    #[test]
    fn a_burst_is_let_through_and_then_the_answer_says_when() {
        let limits = limits(Switch::On);
        for _ in 0..10 {
            limits.typing(&user("ada")).unwrap();
        }
        let retry_after = wait(limits.typing(&user("ada")));
        assert!(retry_after > Duration::ZERO && retry_after <= Duration::from_millis(250));
        limits.typing(&user("bob")).unwrap();
    }

    #[test]
    fn comments_are_counted_by_user_and_by_address() {
        let limits = limits(Switch::On);
        let (here, there) = (address("192.0.2.1"), address("192.0.2.2"));
        for _ in 0..3 {
            limits.comment(&user("ada"), here).unwrap();
        }
        // The fourth of a user, from anywhere.
        assert!(wait(limits.comment(&user("ada"), there)) <= Duration::from_secs(20));
        // The sixth from an address, by anybody.
        limits.comment(&user("bob"), here).unwrap();
        limits.comment(&user("bob"), here).unwrap();
        assert!(wait(limits.comment(&user("cleo"), here)) <= Duration::from_secs(12));
        limits.comment(&user("cleo"), there).unwrap();
        limits.comment(&user("cleo"), None).unwrap();
    }

    #[test]
    fn guests_are_counted_by_address() {
        let limits = limits(Switch::On);
        let (here, there) = (address("2001:db8::1"), address("2001:db8:0:1::1"));
        limits.guest(here).unwrap();
        limits.guest(address("2001:db8::2")).unwrap();
        assert!(wait(limits.guest(here)) <= Duration::from_secs(30));
        limits.guest(there).unwrap();
        limits.guest(None).unwrap();
    }

    #[test]
    fn off_means_no_limit() {
        let limits = limits(Switch::Off);
        let here = address("192.0.2.1");
        for _ in 0..1000 {
            limits.typing(&user("ada")).unwrap();
            limits.comment(&user("ada"), here).unwrap();
            limits.guest(here).unwrap();
        }
    }
}
