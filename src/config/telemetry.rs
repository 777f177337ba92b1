//! Values of the settings of logs and spans.

use clap::ValueEnum;
use tracing::level_filters::LevelFilter;
use url::Url;

/// Format of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Text for people, in colour on a terminal.
    Pretty,
    /// A JSON object a line.
    Json,
}

/// Parses a log filter. Refuses a word that is no level: the logging library would take it for a
/// target's name, and log next to nothing.
pub(super) fn log_filter(text: &str) -> Result<String, String> {
    let is_level = |level: &str| !level.is_empty() && level.parse::<LevelFilter>().is_ok();
    let is_filter = text
        .split(',')
        .all(|part| is_level(part.rsplit_once('=').map_or(part, |(_, level)| level)));
    if is_filter {
        Ok(text.to_owned())
    } else {
        Err(
            "must be a level (error, warn, info, debug, trace, off) or a list of target=level"
                .into(),
        )
    }
}

pub(super) fn collector(text: &str) -> Result<Url, String> {
    match Url::parse(text) {
        Ok(url) if url.scheme() == "http" => Ok(url),
        _ => Err("must be a URL such as http://127.0.0.1:4318".into()),
    }
}
