//! Every setting: a flag, an environment variable of the same name, a default, a sentence.
//!
//! One struct a concern; each part of the server is handed its own and reads nothing else. This is
//! the only file that reads the environment, and clap does that.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{
    Args, ValueEnum,
    error::{ContextKind, ContextValue, ErrorKind},
};
use tracing::level_filters::LevelFilter;
use url::{Host, Url};

/// All that a server can be told.
#[derive(Args, Clone, Debug)]
pub struct Config {
    /// The address and port to listen on; port 0 takes a free one.
    #[arg(long, env = "LISTEN", default_value = "127.0.0.1:8000")]
    pub listen: SocketAddr,
    /// How long open requests and sockets may take to end after SIGTERM or Ctrl-C.
    #[arg(long, env = "GRACE_PERIOD", default_value = "10s", value_parser = duration)]
    pub grace_period: Duration,
    /// Which log lines are written to standard error: a level, or a list of `target=level`.
    #[arg(long, env = "LOG", default_value = "info", value_parser = log_filter)]
    pub log: String,
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
    /// Requests over HTTP.
    #[command(flatten)]
    pub http: HttpConfig,
    /// Requests over WebSocket.
    #[command(flatten)]
    pub ws: WsConfig,
}

/// The database.
#[derive(Args, Clone, Debug)]
pub struct StoreConfig {
    /// The database: `sqlite://` and a path; `?mode=rwc` makes the file where there is none.
    #[arg(
        long,
        env = "DATABASE_URL",
        default_value = "sqlite://causerie.db?mode=rwc"
    )]
    pub database_url: String,
    /// How many connections read at the same time; there is always one that writes.
    #[arg(long, env = "DATABASE_READERS", default_value = "4", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub database_readers: u32,
    /// How long a request waits for a connection or a lock before it fails.
    #[arg(long, env = "DATABASE_TIMEOUT", default_value = "5s", value_parser = duration)]
    pub database_timeout: Duration,
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
    /// Whether a user is held to a number of requests in a time; `off` is for load tests.
    #[arg(long, env = "RATE_LIMITS", default_value = "on")]
    pub rate_limits: Switch,
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

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// On.
    On,
    /// Off.
    Off,
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
    let command = Config::augment_args(clap::Command::new("causerie"));
    let variable = command
        .get_arguments()
        .find(|argument| argument.get_long() == flag.strip_prefix("--"))
        .and_then(|argument| argument.get_env());
    match variable {
        Some(variable) => format!("{} ({flag})", variable.display()),
        None => flag.to_owned(),
    }
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
    match humantime::parse_duration(text) {
        Ok(Duration::ZERO) => Err("it must be longer than nothing".into()),
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
