//! Plots as SVG, by hand: bars, and percentiles on a logarithmic scale. They follow the reader's light or
//! dark scheme, and need no script.

use std::fmt::Write;

use crate::{
    digits::{figure, grouped},
    server::Server,
    statistics::Spread,
};

const WIDTH: f64 = 820.0;
/// The beginning of the scale and its length. Figures stand to the right of it.
const LEFT: f64 = 220.0;
const LENGTH: f64 = 400.0;
const ROW: f64 = 26.0;
const HEADING: f64 = 34.0;
const TOP: f64 = 66.0;

const STYLE: &str = "\
text { font: 13px system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif; fill: #1f2933 }
.title { font-size: 17px; font-weight: 600 }
.heading { font-weight: 600 }
.quiet { fill: #5b6673 }
.ours { font-weight: 600 }
.paper { fill: #ffffff }
.floor { fill: #9aa5b1; stroke: #9aa5b1 }
.causerie { fill: #0b7a6f; stroke: #0b7a6f }
.peer { fill: #7f9ccb; stroke: #7f9ccb }
.hollow { fill: #ffffff }
.grid { stroke: #d5dbe1 }
.whisker { stroke: #1f2933 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 }
.quiet { fill: #9aa7b4 }
.paper { fill: #0d1117 }
.floor { fill: #6b7682; stroke: #6b7682 }
.causerie { fill: #2fc4b2; stroke: #2fc4b2 }
.peer { fill: #5877ab; stroke: #5877ab }
.hollow { fill: #0d1117 }
.grid { stroke: #2d3640 }
.whisker { stroke: #e6edf3 }
}";

/// Rows under a heading.
#[derive(Clone, Debug)]
pub struct Panel<R> {
    pub heading: String,
    pub rows: Vec<R>,
}

/// A bar: the median, with a line from the least to the greatest.
#[derive(Clone, Debug)]
pub struct Bar {
    pub server: Server,
    pub value: Spread,
    /// A note after the figure.
    pub note: String,
}

/// Three percentiles of one server.
#[derive(Clone, Debug)]
pub struct Percentiles {
    pub server: Server,
    /// p50, p99 and p99.9, in milliseconds.
    pub values: [f64; 3],
}

/// Plots bars that start at zero, all on one scale.
pub fn bars(title: &str, subtitle: &str, panels: &[Panel<Bar>]) -> String {
    let all = panels.iter().flat_map(|panel| &panel.rows);
    let greatest = all.map(|bar| bar.value.greatest).fold(0.0, f64::max);
    let x = |value: f64| LEFT + LENGTH * value / greatest.max(f64::MIN_POSITIVE);
    let mut svg = Svg::new(title, subtitle, panels);
    for panel in panels {
        svg.heading(&panel.heading);
        for bar in &panel.rows {
            let y = svg.row(bar.server);
            let Spread {
                least,
                median,
                greatest,
            } = bar.value;
            let class = class(bar.server);
            svg.line(format_args!(
                r#"<rect class="{class}" stroke-width="0" x="{LEFT}" y="{:.1}" width="{:.1}" height="16" rx="2"/>"#,
                y - 12.0,
                (x(median) - LEFT).max(1.0),
            ));
            if greatest > least {
                svg.line(format_args!(
                    r#"<path class="whisker" d="M{:.1} {mid:.1}H{:.1}M{:.1} {low:.1}v6M{:.1} {low:.1}v6" fill="none"/>"#,
                    x(least),
                    x(greatest),
                    x(least),
                    x(greatest),
                    mid = y - 4.0,
                    low = y - 7.0,
                ));
            }
            let figure = format!("{}{}", figure(median), bar.note);
            svg.text(
                x(greatest.max(median)) + 8.0,
                y,
                emphasis(bar.server),
                &figure,
            );
        }
    }
    svg.end()
}

/// Plots percentiles on a logarithmic scale.
pub fn percentiles(title: &str, subtitle: &str, panels: &[Panel<Percentiles>]) -> String {
    let all = panels.iter().flat_map(|panel| &panel.rows);
    let values: Vec<f64> = all
        .flat_map(|row| row.values)
        .filter(|value| *value > 0.0)
        .collect();
    let least = values
        .iter()
        .copied()
        .fold(f64::INFINITY, f64::min)
        .min(1.0);
    let greatest = values.iter().copied().fold(1.0, f64::max);
    let (first, last) = (
        least.log10().floor() as i32,
        greatest.log10().ceil().max(1.0) as i32,
    );
    let x = |value: f64| {
        let place = (value.log10() - f64::from(first)) / f64::from(last - first);
        LEFT + LENGTH * place.clamp(0.0, 1.0)
    };
    let mut svg = Svg::new(title, subtitle, panels);
    for panel in panels {
        svg.heading(&panel.heading);
        let height = ROW * panel.rows.len() as f64;
        for power in first..=last {
            let value = 10f64.powi(power);
            let (x, y) = (x(value), svg.y);
            svg.line(format_args!(
                r#"<path class="grid" d="M{x:.1} {:.1}v{:.1}"/>"#,
                y + 4.0,
                height
            ));
            let label = format!("{} ms", round(value));
            svg.centred(x, y - 2.0, &label);
        }
        for row in &panel.rows {
            let y = svg.row(row.server);
            let (class, mid) = (class(row.server), y - 4.0);
            let [p50, p99, p999] = row.values.map(x);
            svg.line(format_args!(
                r#"<path class="{class}" d="M{p50:.1} {mid:.1}H{p999:.1}" stroke-width="2"/>"#
            ));
            svg.line(format_args!(
                r#"<circle class="{class}" cx="{p50:.1}" cy="{mid:.1}" r="5"/>"#
            ));
            svg.line(format_args!(
                r#"<circle class="{class} hollow" cx="{p99:.1}" cy="{mid:.1}" r="4.5" stroke-width="2"/>"#
            ));
            svg.line(format_args!(
                r#"<path class="{class}" d="M{p999:.1} {:.1}v12" stroke-width="3"/>"#,
                mid - 6.0
            ));
            let figures = row.values.map(figure).join(" / ");
            svg.text(LEFT + LENGTH + 16.0, y, emphasis(row.server), &figures);
        }
    }
    svg.end()
}

/// Formats a power of ten.
fn round(value: f64) -> String {
    if value >= 1.0 {
        grouped(value)
    } else {
        value.to_string()
    }
}

fn class(server: Server) -> &'static str {
    match server {
        Server::Causerie => "causerie",
        server if server.is_floor() => "floor",
        _ => "peer",
    }
}

fn emphasis(server: Server) -> &'static str {
    if server == Server::Causerie {
        "ours"
    } else {
        ""
    }
}

struct Svg {
    text: String,
    y: f64,
}

impl Svg {
    fn new<R>(title: &str, subtitle: &str, panels: &[Panel<R>]) -> Self {
        let rows: usize = panels.iter().map(|panel| panel.rows.len()).sum();
        let height = TOP + ROW * rows as f64 + HEADING * panels.len() as f64 + 18.0;
        let mut svg = Self {
            text: String::new(),
            y: TOP - 6.0,
        };
        svg.line(format_args!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img">"#
        ));
        svg.line(format_args!("<title>{}</title>", escaped(title)));
        svg.line(format_args!("<style>\n{STYLE}\n</style>"));
        svg.line(format_args!(
            r#"<rect class="paper" width="{WIDTH}" height="{height}" rx="6"/>"#
        ));
        svg.text(20.0, 30.0, "title", title);
        svg.text(20.0, 51.0, "quiet", subtitle);
        svg
    }

    fn heading(&mut self, heading: &str) {
        self.y += HEADING - 8.0;
        self.text(20.0, self.y, "heading", heading);
        self.y += 8.0;
    }

    /// Begins a row, and returns the vertical position of its text.
    fn row(&mut self, server: Server) -> f64 {
        self.y += ROW;
        let y = self.y - 6.0;
        let (class, title) = (emphasis(server), escaped(server.title()));
        self.line(format_args!(
            r#"<text class="{class}" x="{}" y="{y:.1}" text-anchor="end">{title}</text>"#,
            LEFT - 10.0
        ));
        y
    }

    fn centred(&mut self, x: f64, y: f64, text: &str) {
        self.line(format_args!(
            r#"<text class="quiet" x="{x:.1}" y="{y:.1}" text-anchor="middle">{text}</text>"#
        ));
    }

    fn text(&mut self, x: f64, y: f64, class: &str, text: &str) {
        let text = escaped(text);
        self.line(format_args!(
            r#"<text class="{class}" x="{x:.1}" y="{y:.1}">{text}</text>"#
        ));
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "{line}");
    }

    fn end(mut self) -> String {
        self.line(format_args!("</svg>"));
        self.text
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
