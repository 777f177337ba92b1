//! Every setting: a flag, an environment variable of the same name, a default, a sentence.
//!
//! One struct a concern; each part of the server is handed its own and reads nothing else. This is
//! the only file that reads the environment, and clap does that.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use clap::{
    Arg, Args, ValueEnum,
    error::{ContextKind, ContextValue, ErrorKind},
};
use ipnet::IpNet;
use tracing::level_filters::LevelFilter;
use url::{Host, Url};

/// All that a server can be told.
#[derive(Args, Clone, Debug)]
pub struct Config {
    /// The address and port to listen on; port 0 takes a free one.
    #[arg(long, env = "LISTEN", default_value = "127.0.0.1:8000")]
    pub listen: SocketAddr,
    /// A second address and port for `/metrics`, which is then not at the first; `/healthz` and
    /// `/readyz` are at both.
    #[arg(long, env = "METRICS_LISTEN")]
    pub metrics_listen: Option<SocketAddr>,
    /// How long after SIGTERM or Ctrl-C everything goes on as before but for `/readyz`, so that a
    /// load balancer sends nobody here any more: somewhat longer than it takes to notice.
    #[arg(long, env = "DRAIN_DELAY", default_value = "0s", value_parser = any_duration)]
    pub drain_delay: Duration,
    /// Over how long the sockets and streams are then closed, a few at a time, so that their clients
    /// do not all come back at once; `0s` closes all at once.
    #[arg(long, env = "DRAIN_WINDOW", default_value = "5s", value_parser = any_duration)]
    pub drain_window: Duration,
    /// How long requests and mutations may take to end after that.
    #[arg(long, env = "GRACE_PERIOD", default_value = "10s", value_parser = duration)]
    pub grace_period: Duration,
    /// Which log lines are written to standard error: a level, or a list of `target=level`. Below
    /// `info` only the server itself is heard: its libraries would tell of tokens and texts.
    #[arg(long, env = "LOG", default_value = "info", value_parser = log_filter)]
    pub log: String,
    /// How log lines are written: `pretty` for people, `json` for programs.
    #[arg(long, env = "LOG_FORMAT", default_value = "pretty")]
    pub log_format: LogFormat,
    /// Where spans are sent to by OTLP over HTTP, such as `http://127.0.0.1:4318`: a collector beside
    /// the server. Without one there are none.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_parser = collector)]
    pub otel_exporter_otlp_endpoint: Option<Url>,
    /// The database.
    #[command(flatten)]
    pub store: StoreConfig,
    /// Tokens and guests.
    #[command(flatten)]
    pub auth: AuthConfig,
    /// What may be written, and how often.
    #[command(flatten)]
    pub writing: WritingConfig,
    /// Rooms and feeds.
    #[command(flatten)]
    pub rooms: RoomsConfig,
    /// Other nodes.
    #[command(flatten)]
    pub backplane: BackplaneConfig,
    /// Requests over HTTP.
    #[command(flatten)]
    pub http: HttpConfig,
    /// Requests over WebSocket.
    #[command(flatten)]
    pub ws: WsConfig,
    /// Clients, by their address.
    #[command(flatten)]
    pub clients: ClientsConfig,
}

/// The database.
#[derive(Args, Clone, Debug)]
pub struct StoreConfig {
    /// The database: `sqlite://` and a path (`?mode=rwc` makes the file where there is none), or
    /// `postgres://user:password@host/database`, which several servers may share.
    #[arg(
        long,
        env = "DATABASE_URL",
        hide_env_values = true,
        default_value = "sqlite://causerie.db?mode=rwc"
    )]
    pub database_url: String,
    /// How many connections read at the same time.
    #[arg(long, env = "DATABASE_READERS", default_value = "4", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub database_readers: u32,
    /// How many connections to PostgreSQL write at the same time; SQLite has always one.
    #[arg(long, env = "DATABASE_WRITERS", default_value = "4", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub database_writers: u32,
    /// How long a request waits for a connection, and then for a lock or PostgreSQL's answer to one
    /// statement, before it fails.
    #[arg(long, env = "DATABASE_TIMEOUT", default_value = "5s", value_parser = duration)]
    pub database_timeout: Duration,
    /// How long the start waits for a PostgreSQL that is not there yet, or that another server is
    /// bringing up to date.
    #[arg(long, env = "DATABASE_WAIT", default_value = "30s", value_parser = duration)]
    pub database_wait: Duration,
    /// How long a connection to PostgreSQL is kept that nobody uses.
    #[arg(long, env = "DATABASE_IDLE_TIMEOUT", default_value = "10m", value_parser = duration)]
    pub database_idle_timeout: Duration,
    /// How long a connection to PostgreSQL is used before another takes its place.
    #[arg(long, env = "DATABASE_MAX_LIFETIME", default_value = "30m", value_parser = duration)]
    pub database_max_lifetime: Duration,
}

/// Tokens and guests.
#[derive(Args, Clone, Debug)]
pub struct AuthConfig {
    /// The secret shared with the host site, for tokens signed with HS256; best 32 random bytes
    /// or more. Without one a random secret is made at each start.
    #[arg(long, env = "JWT_SECRET", hide_env_values = true, value_parser = secret)]
    pub jwt_secret: Option<Secret>,
    /// The host site's public keys (a JSON Web Key Set, RFC 7517), for tokens signed with RS256,
    /// ES256 or EdDSA: a file, or an https URL; http is taken for this machine's own addresses.
    #[arg(long, env = "JWKS", value_parser = jwks)]
    pub jwks: Option<JwksSource>,
    /// How often the public keys are read anew, where the answer has no `Cache-Control: max-age` of
    /// its own; that is held to a minute at least and a day at most.
    #[arg(long, env = "JWKS_REFRESH", default_value = "15m", value_parser = duration)]
    pub jwks_refresh: Duration,
    /// How soon after a token of an unknown key had the public keys read anew another may.
    #[arg(long, env = "JWKS_COOLDOWN", default_value = "10s", value_parser = duration)]
    pub jwks_cooldown: Duration,
    /// How long public keys are trusted that could not be read anew; then every token signed with
    /// one is refused.
    #[arg(long, env = "JWKS_MAX_STALE", default_value = "1day", value_parser = duration)]
    pub jwks_max_stale: Duration,
    /// The algorithms that the host site signs with: a list with commas of HS256, RS256, ES256 and
    /// EdDSA. Without one: HS256 where JWT_SECRET is set, and the other three where JWKS is.
    #[arg(long, env = "JWT_ALGORITHMS", value_delimiter = ',')]
    pub jwt_algorithms: Vec<JwtAlgorithm>,
    /// The issuers whose tokens are taken (`iss`): a list with commas. Without one the claim is not
    /// looked at.
    #[arg(long, env = "JWT_ISSUER", value_delimiter = ',', value_parser = issuer)]
    pub jwt_issuer: Vec<String>,
    /// The audiences of which a token must name one (`aud`): a list with commas. Without one the
    /// claim is not looked at.
    #[arg(long, env = "JWT_AUDIENCE", value_delimiter = ',', value_parser = name)]
    pub jwt_audience: Vec<String>,
    /// How much the clock of the host site and this one may differ: a token is taken so long before
    /// its `nbf` and after its `exp`. At most 5m.
    #[arg(long, env = "JWT_LEEWAY", default_value = "5s", value_parser = leeway)]
    pub jwt_leeway: Duration,
    /// Whether readers without an account may sign in under a name that they choose.
    #[arg(long, env = "ALLOW_GUESTS", default_value = "true", action = clap::ArgAction::Set)]
    pub allow_guests: bool,
    /// How long a guest's token is good for.
    #[arg(long, env = "GUEST_TOKEN_LIFETIME", default_value = "7days", value_parser = duration)]
    pub guest_token_lifetime: Duration,
    /// How often bans that another node made are looked for in the database.
    #[arg(long, env = "BAN_REFRESH", default_value = "2s", value_parser = duration)]
    pub ban_refresh: Duration,
}

/// Where the host site's public keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JwksSource {
    /// In a file, which may be replaced by another while the server runs.
    File(PathBuf),
    /// At an https URL, or an http one of this machine.
    Url(Url),
}

/// An algorithm that tokens may be signed with (RFC 7518, section 3.1; RFC 8037, section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum JwtAlgorithm {
    /// HMAC with SHA-256 and the shared secret.
    #[value(name = "HS256")]
    Hs256,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    #[value(name = "RS256")]
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    #[value(name = "ES256")]
    Es256,
    /// EdDSA on Ed25519.
    #[value(name = "EdDSA")]
    EdDsa,
}

/// What may be written, and how often.
#[derive(Args, Clone, Debug)]
pub struct WritingConfig {
    /// How long after writing it an author may edit a comment.
    #[arg(long, env = "EDIT_WINDOW", default_value = "15m", value_parser = duration)]
    pub edit_window: Duration,
    /// Whether users and addresses are held to a number of requests in a time, and addresses to a
    /// number of connections; `off` is for load tests.
    #[arg(long, env = "RATE_LIMITS", default_value = "on")]
    pub rate_limits: Switch,
    /// How many comments a user may write in a minute, edits included.
    #[arg(long, env = "COMMENTS_PER_USER", default_value = "20", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub comments_per_user: u32,
    /// How many comments may be written from one address in a minute, edits included.
    #[arg(long, env = "COMMENTS_PER_ADDRESS", default_value = "120", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub comments_per_address: u32,
    /// How many times a second a user may say that they type.
    #[arg(long, env = "TYPING_PER_USER", default_value = "4", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub typing_per_user: u32,
    /// How many guests may sign in from one address in a minute.
    #[arg(long, env = "GUESTS_PER_ADDRESS", default_value = "20", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub guests_per_address: u32,
    /// How deep replies may stand below one another; a reply to a top-level comment is 1 deep.
    #[arg(long, env = "REPLY_DEPTH", default_value = "32", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub reply_depth: u32,
}

/// Rooms and feeds.
#[derive(Args, Clone, Debug)]
pub struct RoomsConfig {
    /// How many changes a room keeps until they are rendered; those who follow the room and are
    /// further behind are caught up from the database.
    #[arg(long, env = "ROOM_BUFFER", default_value = "128", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub room_buffer: u32,
    /// How many comments a member that catches up reads at a time.
    #[arg(long, env = "CATCH_UP_PAGE", default_value = "50", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub catch_up_page: u32,
    /// How often the rooms are compared with the database, to find changes that no room was told of.
    #[arg(long, env = "RECONCILE_INTERVAL", default_value = "2s", value_parser = duration)]
    pub reconcile_interval: Duration,
}

/// Other nodes.
#[derive(Args, Clone, Debug)]
pub struct BackplaneConfig {
    /// The NATS servers that the nodes meet at: a list with commas of `nats://host:4222`, or
    /// `tls://host:4222`; any one that answers will do. Without it this node is the only one.
    #[arg(
        long,
        env = "BACKPLANE_URL",
        value_delimiter = ',',
        hide_env_values = true,
        value_parser = nats_url
    )]
    pub backplane_url: Vec<String>,
    /// What the subjects begin with: another for each site that shares these NATS servers.
    #[arg(long, env = "BACKPLANE_PREFIX", default_value = "causerie", value_parser = subject_prefix)]
    pub backplane_prefix: String,
    /// A file of NATS credentials (`.creds`). A name and a password, or a token, stand in the URL.
    #[arg(long, env = "BACKPLANE_CREDENTIALS", value_parser = file)]
    pub backplane_credentials: Option<PathBuf>,
    /// A file of root certificates (PEM) to trust besides the system's.
    #[arg(long, env = "BACKPLANE_CA", value_parser = file)]
    pub backplane_ca: Option<PathBuf>,
}

/// Requests over HTTP.
#[derive(Args, Clone, Debug)]
pub struct HttpConfig {
    /// The largest body of a request, in bytes.
    #[arg(long, env = "HTTP_BODY_LIMIT", default_value = "262144", value_parser = bytes)]
    pub http_body_limit: usize,
    /// The origins whose pages may call this server from a browser, besides its own: a list with
    /// commas, each as `https://blog.example.org`.
    #[arg(long, env = "ALLOWED_ORIGINS", value_delimiter = ',', value_parser = origin)]
    pub allowed_origins: Vec<String>,
    /// How long a client may take to send the head of a request, the first or the next on its
    /// connection, and again to send the body: then its connection is closed.
    #[arg(long, env = "HTTP_READ_TIMEOUT", default_value = "30s", value_parser = duration)]
    pub http_read_timeout: Duration,
    /// How long a client may take nothing of what waits for it: then its connection is dropped.
    #[arg(long, env = "HTTP_WRITE_TIMEOUT", default_value = "10s", value_parser = duration)]
    pub http_write_timeout: Duration,
    /// How long a stream of results (SSE, multipart) may be silent before the server says that it
    /// is still there.
    #[arg(long, env = "STREAM_KEEP_ALIVE", default_value = "12s", value_parser = duration)]
    pub stream_keep_alive: Duration,
    /// How many documents are kept for automatic persisted queries; beyond that those that nobody
    /// has named for longest are forgotten.
    #[arg(long, env = "PERSISTED_QUERIES", default_value = "1000", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub persisted_queries: u32,
    /// How many bytes those documents may have together.
    #[arg(long, env = "PERSISTED_QUERY_BYTES", default_value = "4194304", value_parser = bytes)]
    pub persisted_query_bytes: usize,
}

/// Requests over WebSocket.
#[derive(Args, Clone, Debug)]
pub struct WsConfig {
    /// The largest message of a client, in bytes.
    #[arg(long, env = "WS_MESSAGE_LIMIT", default_value = "262144", value_parser = bytes)]
    pub ws_message_limit: usize,
    /// How many operations one connection may have under way.
    #[arg(long, env = "WS_OPERATION_LIMIT", default_value = "64", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub ws_operation_limit: u32,
    /// How many messages wait for a slow client before its streams and its own messages wait too.
    #[arg(long, env = "WS_QUEUE", default_value = "32", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub ws_queue: u32,
    /// How many bytes wait for a slow client before the same; the last message may go over that.
    #[arg(long, env = "WS_QUEUE_BYTES", default_value = "65536", value_parser = bytes)]
    pub ws_queue_bytes: usize,
    /// How long a client may take to send connection_init (close code 4408).
    #[arg(long, env = "WS_INIT_TIMEOUT", default_value = "3s", value_parser = duration)]
    pub ws_init_timeout: Duration,
    /// How often a client is pinged; one that leaves a ping without an answer until the next is gone.
    #[arg(long, env = "WS_PING_INTERVAL", default_value = "12s", value_parser = duration)]
    pub ws_ping_interval: Duration,
    /// How long a client may take nothing of what waits for it (close code 1013).
    #[arg(long, env = "WS_WRITE_TIMEOUT", default_value = "10s", value_parser = duration)]
    pub ws_write_timeout: Duration,
}

/// Clients, by their address.
#[derive(Args, Clone, Debug)]
pub struct ClientsConfig {
    /// How many connections are open at the same time, whatever they are for.
    #[arg(long, env = "CONNECTION_LIMIT", default_value = "16384", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub connection_limit: u32,
    /// How many connections one address may have; behind a trusted proxy, how many sockets and
    /// streams. An IPv6 client's address is its /64.
    #[arg(long, env = "CONNECTIONS_PER_ADDRESS", default_value = "256", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub connections_per_address: u32,
    /// The proxies whose word is taken for a client's address: a list with commas of addresses and
    /// networks, such as `127.0.0.1,10.0.0.0/8`.
    #[arg(long, env = "TRUSTED_PROXIES", value_delimiter = ',', value_parser = network)]
    pub trusted_proxies: Vec<IpNet>,
    /// The header in which those proxies name the client.
    #[arg(long, env = "PROXY_HEADER", default_value = "x-forwarded-for")]
    pub proxy_header: ProxyHeader,
    /// How long the answer to a query or mutation is waited for. A mutation that has begun ends all
    /// the same.
    #[arg(long, env = "OPERATION_TIMEOUT", default_value = "30s", value_parser = duration)]
    pub operation_timeout: Duration,
}

/// How a proxy names the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProxyHeader {
    /// `X-Forwarded-For: 203.0.113.7, 10.0.0.1`
    XForwardedFor,
    /// `Forwarded: for=203.0.113.7, for=10.0.0.1` (RFC 7239)
    Forwarded,
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// On.
    On,
    /// Off.
    Off,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// One object of JSON a line.
    Json,
}

/// A text that no log shows.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// The secret itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[secret]")
    }
}

/// A command line that was not understood, in one line that names the setting. What clap prints
/// for `--help` and `--version` is printed, and ends the process, as is customary.
pub fn in_one_line(error: clap::Error) -> Box<dyn std::error::Error> {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(texts)) => Some(texts.join(", ")),
        _ => None,
    };
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    ) {
        error.exit();
    }
    let arguments = context(ContextKind::InvalidArg).unwrap_or_default();
    let setting = named(&arguments);
    let value = context(ContextKind::InvalidValue).unwrap_or_default();
    let cause = std::error::Error::source(&error).map(ToString::to_string);
    match (error.kind(), cause) {
        (ErrorKind::ValueValidation, Some(cause)) if is_hidden(&arguments) => {
            format!("{setting}: {cause}").into()
        }
        (ErrorKind::ValueValidation, Some(cause)) => {
            format!("{setting}: {value:?}: {cause}").into()
        }
        (ErrorKind::InvalidValue, _) => match context(ContextKind::ValidValue).as_deref() {
            None | Some("") => format!("{setting}: a value must follow").into(),
            Some(known) => format!("{setting}: {value:?} is none of {known}").into(),
        },
        (ErrorKind::MissingRequiredArgument, _) => format!("missing: {arguments}").into(),
        _ => {
            let text = error.to_string();
            let line = text.lines().next().unwrap_or_default();
            line.trim_start_matches("error: ").to_owned().into()
        }
    }
}

/// `LISTEN (--listen)`, for what clap calls `--listen <LISTEN>`.
fn named(setting: &str) -> String {
    let flag = setting.split_whitespace().next().unwrap_or_default();
    match find(setting).as_ref().and_then(Arg::get_env) {
        Some(variable) => format!("{} ({flag})", variable.display()),
        None => flag.to_owned(),
    }
}

/// Whether the setting's value may hold a secret, and is not to be shown.
fn is_hidden(setting: &str) -> bool {
    find(setting).is_some_and(|argument| argument.is_hide_env_values_set())
}

fn find(setting: &str) -> Option<Arg> {
    let flag = setting.split_whitespace().next()?.strip_prefix("--")?;
    let command = Config::augment_args(clap::Command::new("causerie"));
    let mut arguments = command.get_arguments();
    arguments
        .find(|argument| argument.get_long() == Some(flag))
        .cloned()
}

/// The logging library takes any other word for the name of a target, and would log next to nothing.
fn log_filter(text: &str) -> Result<String, String> {
    let is_level = |level: &str| !level.is_empty() && level.parse::<LevelFilter>().is_ok();
    let is_filter = text
        .split(',')
        .all(|part| is_level(part.rsplit_once('=').map_or(part, |(_, level)| level)));
    if is_filter {
        Ok(text.to_owned())
    } else {
        Err(
            "it must be a level (error, warn, info, debug, trace, off) or a list of target=level"
                .into(),
        )
    }
}

/// The longest time that a setting may name: instants are reckoned with it.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

fn duration(text: &str) -> Result<Duration, String> {
    match any_duration(text) {
        Ok(Duration::ZERO) => Err("it must be longer than nothing".into()),
        other => other,
    }
}

fn any_duration(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(duration) if duration > LONGEST => Err("it must be at most ten years".into()),
        Ok(duration) => Ok(duration),
        Err(_) => Err("it must be a time such as 500ms, 10s or 15m".into()),
    }
}

fn bytes(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(bytes @ 1024..=67_108_864) => Ok(bytes),
        _ => Err("it must be a number of bytes from 1024 to 67108864".into()),
    }
}

/// An address, or a network in CIDR notation.
fn network(text: &str) -> Result<IpNet, String> {
    let address = text.parse::<IpAddr>().map(IpNet::from);
    address
        .or_else(|_| text.parse())
        .map_err(|_| "it must be a list of addresses and networks such as 10.0.0.0/8".into())
}

/// An origin as browsers write it: scheme, host, and the port where it is not the scheme's own. No
/// pattern: to a parser of URLs a star is a letter like any other.
fn origin(text: &str) -> Result<String, String> {
    match Url::parse(text) {
        Ok(_) if text.contains('*') => Err("an origin is no pattern: name each".into()),
        Ok(url) if url.origin().is_tuple() && url.origin().ascii_serialization() == text => {
            Ok(text.to_owned())
        }
        _ => Err("it must be a list of origins such as https://blog.example.org".into()),
    }
}

/// A server's address as NATS clients write it; a name and a password may stand in it.
fn nats_url(text: &str) -> Result<String, String> {
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "nats" | "tls") && url.has_host() => Ok(text.to_owned()),
        _ => Err("it must be a list of servers such as nats://10.0.0.1:4222".into()),
    }
}

fn file(text: &str) -> Result<PathBuf, String> {
    match std::fs::File::open(text) {
        Ok(_) => Ok(text.into()),
        Err(error) => Err(error.to_string()),
    }
}

fn subject_prefix(text: &str) -> Result<String, String> {
    let is_name = |name: &str| {
        !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    if text.len() <= 64 && text.split('.').all(is_name) {
        Ok(text.to_owned())
    } else {
        Err("it must be of letters, digits, hyphens and, in between, dots".into())
    }
}

fn collector(text: &str) -> Result<Url, String> {
    match Url::parse(text) {
        Ok(url) if url.scheme() == "http" => Ok(url),
        _ => Err("it must be an address such as http://127.0.0.1:4318".into()),
    }
}

fn secret(text: &str) -> Result<Secret, String> {
    if text.is_empty() {
        return Err("it must not be empty".into());
    }
    Ok(Secret::new(text))
}

/// A file, or a URL that nobody on the way can change the answer of.
fn jwks(text: &str) -> Result<JwksSource, String> {
    if text.is_empty() {
        return Err("it must not be empty".into());
    }
    if !text.contains("://") {
        return Ok(JwksSource::File(text.into()));
    }
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    let is_here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    let is_safe = url.scheme() == "https" || (url.scheme() == "http" && is_here);
    if !is_safe || !url.username().is_empty() || url.password().is_some() {
        return Err("it must be a file or an https URL without a password in it".into());
    }
    Ok(JwksSource::Url(url))
}

fn name(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err("it must be a list of names".into());
    }
    Ok(text.trim().to_owned())
}

fn issuer(text: &str) -> Result<String, String> {
    let issuer = name(text)?;
    if issuer.starts_with("urn:causerie:") {
        return Err("that is this server's own".into());
    }
    Ok(issuer)
}

/// The longest leeway: beyond it a token's end would say little.
const LONGEST_LEEWAY: Duration = Duration::from_secs(300);

fn leeway(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(leeway) if leeway > LONGEST_LEEWAY => Err("it must be at most 5m".into()),
        Ok(leeway) => Ok(leeway),
        Err(_) => Err("it must be a time such as 0s, 5s or 1m".into()),
    }
}
