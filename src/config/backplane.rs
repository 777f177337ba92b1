//! Settings of the connection to other nodes.

use std::path::PathBuf;

use clap::Args;
use url::Url;

/// Settings of the connection to other nodes.
#[derive(Args, Clone, Debug)]
pub struct BackplaneConfig {
    /// NATS servers that connect the nodes: a comma-separated list of `nats://host:4222` or
    /// `tls://host:4222`, of which one must be reachable. If unset, this node is the only one.
    #[arg(
        long,
        env = "BACKPLANE_URL",
        value_delimiter = ',',
        hide_env_values = true,
        value_parser = nats_url
    )]
    pub backplane_url: Vec<String>,
    /// Prefix of the NATS subjects; each site that shares the NATS servers needs its own.
    #[arg(long, env = "BACKPLANE_PREFIX", default_value = "causerie", value_parser = subject_prefix)]
    pub backplane_prefix: String,
    /// File of NATS credentials (`.creds`). A user and password, or a token, belong into the URL.
    #[arg(long, env = "BACKPLANE_CREDENTIALS", value_parser = file)]
    pub backplane_credentials: Option<PathBuf>,
    /// File of root certificates (PEM) to trust in addition to the system's.
    #[arg(long, env = "BACKPLANE_CA", value_parser = file)]
    pub backplane_ca: Option<PathBuf>,
}

/// Parses a server's address as NATS clients write it, optionally with a user and password.
fn nats_url(text: &str) -> Result<String, String> {
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "nats" | "tls") && url.has_host() => Ok(text.to_owned()),
        _ => Err("must be a list of servers such as nats://10.0.0.1:4222".into()),
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
        Err(
            "must be names of letters, digits and hyphens with dots in between, at most 64 bytes"
                .into(),
        )
    }
}

/// Parses the path of a file that can be opened.
fn file(text: &str) -> Result<PathBuf, String> {
    match std::fs::File::open(text) {
        Ok(_) => Ok(text.into()),
        Err(error) => Err(error.to_string()),
    }
}
