//! Parsers of values that several concerns have.

use std::time::Duration;

use url::Url;

/// Maximum of any duration, because instants are computed from them.
const MAX_DURATION: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    match duration_or_zero(text) {
        Ok(Duration::ZERO) => Err("must be longer than zero".into()),
        other => other,
    }
}

pub(super) fn duration_or_zero(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(duration) if duration > MAX_DURATION => Err("must be at most ten years".into()),
        Ok(duration) => Ok(duration),
        Err(_) => Err("must be a duration such as 500ms, 10s or 15m".into()),
    }
}

pub(super) fn bytes(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(bytes @ 1024..=67_108_864) => Ok(bytes),
        _ => Err("must be a number of bytes from 1024 to 67108864".into()),
    }
}

/// Parses an origin as browsers write it: scheme, host, and the port if it is not the scheme's
/// default. Refuses patterns, because a URL parser takes `*` for an ordinary letter.
pub(super) fn origin(text: &str) -> Result<String, String> {
    match Url::parse(text) {
        Ok(_) if text.contains('*') => Err("must name each origin: there are no patterns".into()),
        Ok(url) if serialized(&url).as_deref() == Some(text) => Ok(text.to_owned()),
        _ => Err("must be a list of origins such as https://blog.example.org".into()),
    }
}

/// Returns the origin of a URL as a web view sends it. The pages of native apps have schemes of their
/// own, such as `capacitor://localhost`, for which the URL standard has no origin.
fn serialized(url: &Url) -> Option<String> {
    let origin = url.origin();
    if origin.is_tuple() {
        return Some(origin.ascii_serialization());
    }
    let host = url.host_str().filter(|host| !host.is_empty())?;
    let port = url.port().map(|port| format!(":{port}"));
    Some(format!(
        "{}://{host}{}",
        url.scheme(),
        port.unwrap_or_default()
    ))
}

/// Parses the origin of a web page: as [`origin`] does, http or https.
pub(super) fn page_origin(text: &str) -> Result<String, String> {
    if text.starts_with("http://") || text.starts_with("https://") {
        origin(text)
    } else {
        Err("must be a list of origins such as https://blog.example.org".into())
    }
}
