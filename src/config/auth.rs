//! Settings of tokens, guests and bans.

use std::{path::PathBuf, time::Duration};

use clap::{ArgAction, Args, ValueEnum};
use url::{Host, Url};

use super::{Secret, parse::duration};

/// Maximum of `JWT_LEEWAY`: a longer one would make `exp` meaningless.
const MAX_LEEWAY: Duration = Duration::from_secs(300);

/// Settings of tokens, guests and bans.
#[derive(Args, Clone, Debug)]
pub struct AuthConfig {
    /// Secret shared with the host site, for tokens signed with HS256. It should be 32 random bytes
    /// or more. If unset, each start generates a random secret.
    #[arg(long, env = "JWT_SECRET", hide_env_values = true, value_parser = secret)]
    pub jwt_secret: Option<Secret>,
    /// The host site's public keys (a JSON Web Key Set, RFC 7517), for tokens signed with RS256,
    /// ES256 or EdDSA: a file or an https URL. http is accepted for this machine's own addresses only.
    #[arg(long, env = "JWKS", value_parser = jwks)]
    pub jwks: Option<JwksSource>,
    /// Interval at which the public keys are fetched, if the response has no `Cache-Control: max-age`.
    /// A `max-age` is raised to a minute or lowered to a day.
    #[arg(long, env = "JWKS_REFRESH", default_value = "15m", value_parser = duration)]
    pub jwks_refresh: Duration,
    /// Minimum time between two fetches of the public keys that tokens with an unknown key cause.
    #[arg(long, env = "JWKS_COOLDOWN", default_value = "10s", value_parser = duration)]
    pub jwks_cooldown: Duration,
    /// Time that public keys stay trusted while fetching them fails. Every token signed with one is
    /// refused after it.
    #[arg(long, env = "JWKS_MAX_STALE", default_value = "1day", value_parser = duration)]
    pub jwks_max_stale: Duration,
    /// Algorithms that the host site signs with: a comma-separated list of HS256, RS256, ES256 and
    /// EdDSA. If unset, HS256 if JWT_SECRET is set, and the other three if JWKS is.
    #[arg(long, env = "JWT_ALGORITHMS", value_delimiter = ',')]
    pub jwt_algorithms: Vec<JwtAlgorithm>,
    /// Accepted issuers of tokens (`iss`): a comma-separated list. If unset, the claim is not checked.
    #[arg(long, env = "JWT_ISSUER", value_delimiter = ',', value_parser = issuer)]
    pub jwt_issuer: Vec<String>,
    /// Accepted audiences, of which a token must name one (`aud`): a comma-separated list. If unset,
    /// the claim is not checked.
    #[arg(long, env = "JWT_AUDIENCE", value_delimiter = ',', value_parser = name)]
    pub jwt_audience: Vec<String>,
    /// Tolerated clock difference to the host site: a token is accepted this long before its `nbf`
    /// and after its `exp`. At most 5m.
    #[arg(long, env = "JWT_LEEWAY", default_value = "5s", value_parser = leeway)]
    pub jwt_leeway: Duration,
    /// Permission for readers without an account to sign in under a name of their choice.
    #[arg(long, env = "ALLOW_GUESTS", default_value = "true", action = ArgAction::Set)]
    pub allow_guests: bool,
    /// Lifetime of a guest's token.
    #[arg(long, env = "GUEST_TOKEN_LIFETIME", default_value = "7days", value_parser = duration)]
    pub guest_token_lifetime: Duration,
    /// Interval at which the database is polled for bans that another node made.
    #[arg(long, env = "BAN_REFRESH", default_value = "2s", value_parser = duration)]
    pub ban_refresh: Duration,
}

/// The location of the host site's public keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JwksSource {
    /// A file, which may be replaced while the server runs.
    File(PathBuf),
    /// An https URL, or an http URL of this machine.
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

fn secret(text: &str) -> Result<Secret, String> {
    if text.is_empty() {
        return Err("must not be empty".into());
    }
    Ok(Secret::new(text))
}

/// Parses a path, or a URL whose response cannot be changed in transit.
fn jwks(text: &str) -> Result<JwksSource, String> {
    if text.is_empty() {
        return Err("must not be empty".into());
    }
    if !text.contains("://") {
        return Ok(JwksSource::File(text.into()));
    }
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    let is_local = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    let is_safe = url.scheme() == "https" || (url.scheme() == "http" && is_local);
    if !is_safe || !url.username().is_empty() || url.password().is_some() {
        return Err("must be a file, or an https URL without a password".into());
    }
    Ok(JwksSource::Url(url))
}

fn name(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err("must be a list of names".into());
    }
    Ok(text.trim().to_owned())
}

fn issuer(text: &str) -> Result<String, String> {
    let issuer = name(text)?;
    if issuer.starts_with("urn:causerie:") {
        return Err("is reserved for this server".into());
    }
    Ok(issuer)
}

fn leeway(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(leeway) if leeway > MAX_LEEWAY => Err("must be at most 5m".into()),
        Ok(leeway) => Ok(leeway),
        Err(_) => Err("must be a duration such as 0s, 5s or 1m".into()),
    }
}
