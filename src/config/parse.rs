//! Parsers of values that several concerns have.

use std::time::Duration;

/// Maximum of any duration, because instants are computed from them.
const MAX_DURATION: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    match duration_or_zero(text) {
        Ok(Duration::ZERO) => Err("must be longer than zero".into()),
        other => other,
    }
}

pub(super) fn duration_or_zero(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(duration) if duration > MAX_DURATION => Err("must be at most ten years".into()),
        Ok(duration) => Ok(duration),
        Err(_) => Err("must be a duration such as 500ms, 10s or 15m".into()),
    }
}

pub(super) fn bytes(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(bytes @ 1024..=67_108_864) => Ok(bytes),
        _ => Err("must be a number of bytes from 1024 to 67108864".into()),
    }
}
