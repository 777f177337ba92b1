//! Settings of HTTP.

use std::time::Duration;

use clap::{Args, value_parser};

use super::parse::{bytes, duration, origin};

/// Settings of HTTP.
#[derive(Args, Clone, Debug)]
pub struct HttpConfig {
    /// Maximum size of a request's body, in bytes.
    #[arg(long, env = "HTTP_BODY_LIMIT", default_value = "262144", value_parser = bytes)]
    pub http_body_limit: usize,
    /// Origins whose pages may call this server from a browser, in addition to its own: a
    /// comma-separated list, each as `https://blog.example.org` or `capacitor://localhost`.
    #[arg(long, env = "ALLOWED_ORIGINS", value_delimiter = ',', value_parser = origin)]
    pub allowed_origins: Vec<String>,
    /// Time after which an idle connection is closed. The head of the next request must be complete
    /// by then. Proxies close theirs after 60 seconds or less; theirs must be the shorter.
    #[arg(long, env = "HTTP_IDLE_TIMEOUT", default_value = "75s", value_parser = duration)]
    pub http_idle_timeout: Duration,
    /// Timeout for the body of a request. The connection is closed after it.
    #[arg(long, env = "HTTP_READ_TIMEOUT", default_value = "30s", value_parser = duration)]
    pub http_read_timeout: Duration,
    /// Time after which a client that reads nothing of what waits for it is disconnected.
    #[arg(long, env = "HTTP_WRITE_TIMEOUT", default_value = "10s", value_parser = duration)]
    pub http_write_timeout: Duration,
    /// Silence of a stream of results (SSE, multipart) after which a keep-alive is sent.
    #[arg(long, env = "STREAM_KEEP_ALIVE", default_value = "12s", value_parser = duration)]
    pub stream_keep_alive: Duration,
    /// Maximum number of documents kept for automatic persisted queries; the least recently used one
    /// is evicted.
    #[arg(long, env = "PERSISTED_QUERIES", default_value = "1000", value_parser = value_parser!(u32).range(1..=1_000_000))]
    pub persisted_queries: u32,
    /// Maximum size of all these documents together, in bytes.
    #[arg(long, env = "PERSISTED_QUERY_BYTES", default_value = "4194304", value_parser = bytes)]
    pub persisted_query_bytes: usize,
}
