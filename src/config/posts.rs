//! Settings of posts.

use std::time::Duration;

use clap::{Args, value_parser};

/// Seconds of a day.
const DAY: u64 = 24 * 60 * 60;

/// Settings of posts.
#[derive(Args, Clone, Debug)]
pub struct PostsConfig {
    /// Days without a new comment after which a post is closed. Opening it again restarts them. `0` closes
    /// none.
    #[arg(long, env = "CLOSE_AFTER", default_value = "0", value_parser = value_parser!(u32).range(0..=3650))]
    pub close_after: u32,
}

impl PostsConfig {
    /// Returns the time without a new comment after which a post is closed, if posts are closed.
    pub fn close_after(&self) -> Option<Duration> {
        let days = u64::from(self.close_after);
        (days > 0).then(|| Duration::from_secs(days * DAY))
    }
}
