//! Settings: each is a flag, an environment variable of the same name, a default and one line of help.
//!
//! Each concern has a struct of its own, beside the parsers of its values. A part of the server is
//! given its struct and reads nothing else. Only clap reads the environment.

mod auth;
mod backplane;
mod cli_error;
mod clients;
mod http;
mod moderation;
mod parse;
mod posts;
mod reactions;
mod rooms;
mod secret;
mod signing_secret;
mod store;
mod telemetry;
mod writing;
mod ws;

use std::{net::SocketAddr, time::Duration};

use clap::Args;
use url::Url;

pub use self::{
    auth::{AuthConfig, JwksSource, JwtAlgorithm},
    backplane::BackplaneConfig,
    cli_error::in_one_line,
    clients::{ClientsConfig, MIN_MEMORY, ProxyHeader},
    http::HttpConfig,
    moderation::{ModerationConfig, ModerationMode},
    posts::PostsConfig,
    reactions::{ReactionContent, ReactionContents},
    rooms::RoomsConfig,
    secret::Secret,
    signing_secret::SigningSecret,
    store::StoreConfig,
    telemetry::LogFormat,
    writing::{Switch, WritingConfig},
    ws::WsConfig,
};
use self::{
    parse::{duration, duration_or_zero},
    telemetry::{collector, log_filter},
};

/// All settings of a server.
#[derive(Args, Clone, Debug)]
pub struct Config {
    /// Address and port to listen on; port 0 picks a free port.
    #[arg(long, env = "LISTEN", default_value = "127.0.0.1:8000")]
    pub listen: SocketAddr,
    /// A second address and port, for `/metrics`. The first then has no `/metrics`; `/healthz` and
    /// `/readyz` are on both.
    #[arg(long, env = "METRICS_LISTEN")]
    pub metrics_listen: Option<SocketAddr>,
    /// Delay after SIGTERM or Ctrl-C in which only `/readyz` changes, so that load balancers stop
    /// sending clients here. It should be a little longer than a load balancer takes to notice.
    #[arg(long, env = "DRAIN_DELAY", default_value = "0s", value_parser = duration_or_zero)]
    pub drain_delay: Duration,
    /// Window after the delay over which sockets and streams are closed, evenly spread, so that
    /// clients do not all reconnect at once. `0s` closes all at once.
    #[arg(long, env = "DRAIN_WINDOW", default_value = "5s", value_parser = duration_or_zero)]
    pub drain_window: Duration,
    /// Time that requests and mutations have to finish after the window.
    #[arg(long, env = "GRACE_PERIOD", default_value = "10s", value_parser = duration)]
    pub grace_period: Duration,
    /// Filter of the log lines on standard error: a level, or a list of `target=level`. Below `info`
    /// only the server's own lines are logged, because its libraries would log tokens and texts.
    #[arg(long, env = "LOG", default_value = "info", value_parser = log_filter)]
    pub log: String,
    /// Format of log lines: `pretty` for people, `json` for programs.
    #[arg(long, env = "LOG_FORMAT", default_value = "pretty")]
    pub log_format: LogFormat,
    /// Collector to send spans to by OTLP over plain HTTP, such as `http://127.0.0.1:4318`. If
    /// unset, no spans are recorded.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_parser = collector)]
    pub otel_exporter_otlp_endpoint: Option<Url>,
    /// Settings of the database.
    #[command(flatten)]
    pub store: StoreConfig,
    /// Settings of tokens, guests and bans.
    #[command(flatten)]
    pub auth: AuthConfig,
    /// Settings of comments and their rate limits.
    #[command(flatten)]
    pub writing: WritingConfig,
    /// Settings of what is held back from readers.
    #[command(flatten)]
    pub moderation: ModerationConfig,
    /// Settings of posts.
    #[command(flatten)]
    pub posts: PostsConfig,
    /// Settings of rooms and feeds.
    #[command(flatten)]
    pub rooms: RoomsConfig,
    /// Settings of the connection to other nodes.
    #[command(flatten)]
    pub backplane: BackplaneConfig,
    /// Settings of HTTP.
    #[command(flatten)]
    pub http: HttpConfig,
    /// Settings of WebSockets.
    #[command(flatten)]
    pub ws: WsConfig,
    /// Settings of clients and their addresses.
    #[command(flatten)]
    pub clients: ClientsConfig,
}
