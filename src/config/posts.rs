//! Settings of posts.

use std::time::Duration;

use clap::{Args, value_parser};

use super::parse::page_origin;

/// Seconds of a day.
const DAY: u64 = 24 * 60 * 60;

/// Settings of posts.
#[derive(Args, Clone, Debug)]
pub struct PostsConfig {
    /// Days without a new comment after which a post is closed. Opening it again restarts them. `0` closes
    /// none.
    #[arg(long, env = "CLOSE_AFTER", default_value = "0", value_parser = value_parser!(u32).range(0..=3650))]
    pub close_after: u32,
    /// Origins whose pages any visitor may open a post for: a comma-separated list, each as
    /// `https://blog.example.org`. Their pages may also call this server, as those of `ALLOWED_ORIGINS`.
    #[arg(long, env = "AUTO_OPEN_POSTS", value_delimiter = ',', value_parser = page_origin)]
    pub auto_open_posts: Vec<String>,
}

impl PostsConfig {
    /// Returns the time without a new comment after which a post is closed, if posts are closed.
    pub fn close_after(&self) -> Option<Duration> {
        let days = u64::from(self.close_after);
        (days > 0).then(|| Duration::from_secs(days * DAY))
    }
}
