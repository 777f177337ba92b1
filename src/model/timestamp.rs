//! Instants as databases and tokens have them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// An instant in UTC, in milliseconds since 1970: integers sort the same in every database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Returns the time of the machine's clock, or 1970 if the clock is set before it.
    pub fn now() -> Self {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    /// Converts seconds since 1970, the unit of JWT claims (RFC 7519, section 2). Saturates.
    pub fn from_unix_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// Converts fractional seconds since 1970, rounded down to a millisecond. Saturates.
    #[allow(clippy::cast_possible_truncation, reason = "the cast saturates")]
    pub fn from_unix_seconds_f64(seconds: f64) -> Self {
        Self((seconds * 1000.0).floor() as i64)
    }

    /// Returns the seconds since 1970, rounded down.
    pub fn unix_seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Returns the instant `duration` later. Saturates.
    pub fn plus(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(millis))
    }

    /// Returns the instant `duration` earlier. Saturates.
    pub fn minus(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_sub(millis))
    }

    /// Returns the time from `earlier` to this instant, or zero if `earlier` is not earlier.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0).try_into().unwrap_or(0))
    }
}
