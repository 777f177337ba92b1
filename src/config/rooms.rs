//! Settings of rooms and feeds.

use std::time::Duration;

use clap::{Args, value_parser};

use super::parse::duration;

/// Settings of rooms and feeds.
#[derive(Args, Clone, Debug)]
pub struct RoomsConfig {
    /// Changes that a room buffers until they are rendered. A subscriber that is further behind
    /// catches up from the database.
    #[arg(long, env = "ROOM_BUFFER", default_value = "128", value_parser = value_parser!(u32).range(1..=65_536))]
    pub room_buffer: u32,
    /// Comments that a subscriber reads at a time while it catches up.
    #[arg(long, env = "CATCH_UP_PAGE", default_value = "50", value_parser = value_parser!(u32).range(1..=1000))]
    pub catch_up_page: u32,
    /// Interval at which rooms are compared with the database, to find changes whose publication was
    /// lost.
    #[arg(long, env = "RECONCILE_INTERVAL", default_value = "2s", value_parser = duration)]
    pub reconcile_interval: Duration,
}
