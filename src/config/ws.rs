//! Settings of WebSockets.

use std::time::Duration;

use clap::{Args, value_parser};

use super::parse::{bytes, duration};

/// Settings of WebSockets.
#[derive(Args, Clone, Debug)]
pub struct WsConfig {
    /// Maximum size of a client's message, in bytes.
    #[arg(long, env = "WS_MESSAGE_LIMIT", default_value = "262144", value_parser = bytes)]
    pub ws_message_limit: usize,
    /// Maximum number of operations that one connection may have in flight.
    #[arg(long, env = "WS_OPERATION_LIMIT", default_value = "64", value_parser = value_parser!(u32).range(1..=10_000))]
    pub ws_operation_limit: u32,
    /// Messages queued for a slow client before its streams and its own messages have to wait.
    #[arg(long, env = "WS_QUEUE", default_value = "32", value_parser = value_parser!(u32).range(1..=10_000))]
    pub ws_queue: u32,
    /// Bytes queued for a slow client before the same happens; the last message may exceed them.
    #[arg(long, env = "WS_QUEUE_BYTES", default_value = "65536", value_parser = bytes)]
    pub ws_queue_bytes: usize,
    /// Timeout for a client's `connection_init` (close code 4408).
    #[arg(long, env = "WS_INIT_TIMEOUT", default_value = "3s", value_parser = duration)]
    pub ws_init_timeout: Duration,
    /// Interval of pings; a client that has not answered a ping when the next is due is disconnected.
    #[arg(long, env = "WS_PING_INTERVAL", default_value = "12s", value_parser = duration)]
    pub ws_ping_interval: Duration,
    /// Time after which a client that reads nothing of what waits for it is closed with code 1013.
    #[arg(long, env = "WS_WRITE_TIMEOUT", default_value = "10s", value_parser = duration)]
    pub ws_write_timeout: Duration,
}
