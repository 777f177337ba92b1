//! Keepalive: pings at an interval, until one finds the client silent. Takes the time as an argument.

use std::time::{Duration, Instant};

/// The pings of one connection.
#[derive(Debug)]
pub(super) struct Keepalive {
    interval: Duration,
    next_ping: Instant,
    is_ping_unanswered: bool,
}

/// The result of reaching the time of a ping.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PingTimeout {
    /// A ping is due.
    Due,
    /// The client has sent nothing since the last ping.
    Silent,
}

impl Keepalive {
    /// Creates the keepalive of a connection opened at `now`.
    pub(super) fn new(interval: Duration, now: Instant) -> Self {
        Self {
            interval,
            next_ping: now + interval,
            is_ping_unanswered: false,
        }
    }

    /// Records that the client sent something, which answers a ping.
    pub(super) fn record_activity(&mut self) {
        self.is_ping_unanswered = false;
    }

    /// Returns the time at which to call [`on_timeout`](Self::on_timeout).
    pub(super) fn deadline(&self) -> Instant {
        self.next_ping
    }

    /// Returns the timeout that is reached at `now`, if any.
    pub(super) fn on_timeout(&mut self, now: Instant) -> Option<PingTimeout> {
        if now < self.next_ping {
            return None;
        }
        if self.is_ping_unanswered {
            return Some(PingTimeout::Silent);
        }
        self.next_ping = now + self.interval;
        self.is_ping_unanswered = true;
        Some(PingTimeout::Due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_silent_for_an_interval_after_a_ping_is_found() {
        const INTERVAL: Duration = Duration::from_secs(12);
        let now = Instant::now();
        let mut keepalive = Keepalive::new(INTERVAL, now);
        let first = now + INTERVAL;
        assert_eq!(keepalive.on_timeout(first), Some(PingTimeout::Due));
        keepalive.record_activity();
        let second = first + INTERVAL;
        assert_eq!(keepalive.on_timeout(second), Some(PingTimeout::Due));
        let third = second + INTERVAL;
        let early = keepalive.on_timeout(third - Duration::from_millis(1));
        assert_eq!(early, None);
        assert_eq!(keepalive.on_timeout(third), Some(PingTimeout::Silent));
    }
}
