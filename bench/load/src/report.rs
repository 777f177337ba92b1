//! What a run came to: RESULTS.md, its plots, every single figure as JSON, and the ratio in one line.

use std::{fmt::Write, fs, io, path::Path};

use crate::{
    plan::{Plan, Scenario},
    plot::{self, Bar, Panel, Percentiles, figure},
    results::{Metric, Results},
    server::Server,
    statistics::Spread,
};

/// What a report says besides the figures.
#[derive(Debug)]
pub struct Circumstances {
    pub date: String,
    pub machine: String,
    pub versions: Vec<(&'static str, String)>,
    /// The load of the machine over a minute before the run.
    pub load_before: String,
}

/// A column of a table.
struct Column {
    title: &'static str,
    metric: Metric,
    /// Whether the spread over the rounds and the ratio to the floor are shown.
    is_main: bool,
}

const fn main_column(title: &'static str, metric: Metric) -> Column {
    Column {
        title,
        metric,
        is_main: true,
    }
}

const fn column(title: &'static str, metric: Metric) -> Column {
    Column {
        title,
        metric,
        is_main: false,
    }
}

/// Writes the report into a folder.
pub fn write(
    folder: &Path,
    plan: &Plan,
    results: &Results,
    circumstances: &Circumstances,
) -> io::Result<()> {
    let plots = folder.join("plots");
    // Those of another run would pass for this one's.
    if plots.exists() {
        fs::remove_dir_all(&plots)?;
    }
    fs::create_dir_all(&plots)?;
    for (name, svg) in plots_of(plan, results) {
        fs::write(plots.join(name), svg)?;
    }
    let json = serde_json::json!({
        "date": circumstances.date,
        "machine": circumstances.machine,
        "versions": circumstances.versions.iter().cloned().collect::<std::collections::BTreeMap<_, _>>(),
        "measurements": results.to_json(),
    });
    fs::write(folder.join("results.json"), format!("{json:#}\n"))?;
    fs::write(
        folder.join("RESULTS.md"),
        markdown(plan, results, circumstances),
    )
}

/// Causerie and the floor in one line; none where one of them was not measured.
pub fn ratio(plan: &Plan, results: &Results) -> Option<String> {
    let ratios: Vec<String> = plan
        .scenarios
        .iter()
        .filter_map(|scenario| {
            let ratio = results.ratio(*scenario, Server::Causerie, Metric::Cpu)?;
            let ratio = format!("{:.2}", ratio.median);
            Some(format!("{ratio} {}", clause(*scenario)))
        })
        .collect();
    (!ratios.is_empty()).then(|| format!("causerie / floor, CPU: {}", ratios.join("; ")))
}

fn clause(scenario: Scenario) -> String {
    let connections = figure_of(scenario.connections());
    match scenario {
        Scenario::Fanout(_) => format!("a delivery to {connections} connections"),
        Scenario::Join(_) => format!("a client of {connections} that join"),
        Scenario::Writes(_) => "a write".into(),
        Scenario::Reads(_) => format!("a page over {connections} connection(s)"),
    }
}

fn figure_of(count: usize) -> String {
    match count {
        0..100 => count.to_string(),
        _ => figure(count as f64),
    }
}

fn markdown(plan: &Plan, results: &Results, circumstances: &Circumstances) -> String {
    let mut text = String::new();
    let rounds = plan.rounds;
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "# Results\n\nMade by `./bench/run` on {}. What is measured, how, and why the figures can be trusted: \
         [README.md](README.md). Medians of {rounds} round{}, the least and the greatest in brackets; “× floor” \
         compares with the floor's turn in the same round. Every single figure is in \
         [results.json](results.json).\n\nMachine: {}. Load before the run: {}.\n",
        circumstances.date,
        if rounds == 1 { "" } else { "s" },
        circumstances.machine,
        circumstances.load_before,
    );
    if let Some(ratio) = ratio(plan, results) {
        let _ = writeln!(text, "**{ratio}.**\n");
    }
    failures(&mut text, results);
    for scenario in &plan.scenarios {
        section(&mut text, *scenario, results);
    }
    let _ = writeln!(
        text,
        "## What each client holds open\n\n| server | a client |\n|---|---|"
    );
    for server in &plan.servers {
        let _ = writeln!(text, "| {} | {} |", server.title(), server.streams());
    }
    let _ = writeln!(text, "\n## Versions\n\n| | |\n|---|---|");
    for (name, version) in &circumstances.versions {
        let _ = writeln!(text, "| {name} | {version} |");
    }
    text
}

fn failures(text: &mut String, results: &Results) {
    let mut failures = results.failures().peekable();
    if failures.peek().is_none() {
        return;
    }
    let _ = writeln!(text, "## Failed\n\nThese turns have no figures:\n");
    for (turn, failure) in failures {
        let failure = failure.lines().next().unwrap_or_default();
        let (server, scenario, round) = (turn.server.title(), turn.scenario, turn.round);
        let _ = writeln!(text, "- {server}, {scenario}, round {round}: {failure}");
    }
    text.push('\n');
}

fn section(text: &mut String, scenario: Scenario, results: &Results) {
    let connections = figure_of(scenario.connections());
    let (title, plots, columns): (_, &[&str], &[Column]) = match scenario {
        Scenario::Fanout(_) => (
            format!("Fan-out to {connections} connections"),
            &["cpu", "latency", "memory"],
            &[
                main_column("CPU µs a delivery", Metric::Cpu),
                column("p50 ms", Metric::P50),
                column("p99 ms", Metric::P99),
                column("p99.9 ms", Metric::P999),
                column("kB a connection", Metric::Memory),
                column("deliveries/s at saturation", Metric::Rate),
                column("CPU µs there", Metric::CpuSaturated),
                column("bytes a message", Metric::MessageBytes),
                column("generator's CPU %", Metric::GeneratorCpu),
                column("at saturation", Metric::GeneratorCpuSaturated),
            ],
        ),
        Scenario::Join(_) => (
            format!("Join storm of {connections} clients"),
            &["join"],
            &[
                column("clients/s", Metric::Rate),
                main_column("CPU µs a client", Metric::Cpu),
                column("generator's CPU %", Metric::GeneratorCpu),
            ],
        ),
        Scenario::Writes(_) => (
            format!("Writes: `createComment` over {connections} HTTP connections"),
            &["writes"],
            &[
                column("writes/s", Metric::Rate),
                main_column("CPU µs a write", Metric::Cpu),
                column("p50 ms", Metric::P50),
                column("p99 ms", Metric::P99),
                column("generator's CPU %", Metric::GeneratorCpu),
            ],
        ),
        Scenario::Reads(_) => (
            format!("Reads: a page of 50 comments with authors, {connections} HTTP connection(s)"),
            &["reads"],
            &[
                column("pages/s", Metric::Rate),
                main_column("CPU µs a page", Metric::Cpu),
                column("p50 ms", Metric::P50),
                column("p99 ms", Metric::P99),
                column("generator's CPU %", Metric::GeneratorCpu),
            ],
        ),
    };
    let _ = writeln!(text, "## {title}\n");
    for plot in plots {
        if !text.contains(&format!("plots/{plot}.svg")) {
            let _ = writeln!(text, "![{plot}](plots/{plot}.svg)\n");
        }
    }
    table(text, scenario, columns, results);
    let servers = results.servers(scenario);
    if matches!(scenario, Scenario::Writes(_) | Scenario::Reads(_))
        && !servers.contains(&Server::Bare)
    {
        let _ = writeln!(text, "The database alone was not measured.\n");
    }
}

fn table(text: &mut String, scenario: Scenario, columns: &[Column], results: &Results) {
    let mut head = String::from("| server |");
    let mut rule = String::from("|---|");
    for column in columns {
        let _ = write!(head, " {} |", column.title);
        rule.push_str("---|");
        if column.is_main {
            head.push_str(" × floor |");
            rule.push_str("---|");
        }
    }
    let _ = writeln!(text, "{head}\n{rule}");
    for server in results.servers(scenario) {
        let name = match server {
            Server::Causerie => format!("**{}**", server.title()),
            _ => server.title().into(),
        };
        let _ = write!(text, "| {name} |");
        for column in columns {
            let spread = results.spread(scenario, server, column.metric);
            let _ = write!(text, " {} |", cell(spread, column.is_main));
            if column.is_main {
                let ratio = results.ratio(scenario, server, column.metric);
                let _ = write!(text, " {} |", cell(ratio, true));
            }
        }
        text.push('\n');
    }
    text.push('\n');
}

fn cell(spread: Option<Spread>, with_range: bool) -> String {
    match spread {
        None => "–".into(),
        Some(spread) if with_range && spread.least < spread.greatest => format!(
            "{} ({}–{})",
            figure(spread.median),
            figure(spread.least),
            figure(spread.greatest)
        ),
        Some(spread) => figure(spread.median),
    }
}

fn plots_of(plan: &Plan, results: &Results) -> Vec<(&'static str, String)> {
    let is = |name: &'static str| move |scenario: &Scenario| scenario.name() == name;
    let bars = |name, title, subtitle, metric, ascending| {
        let panels: Vec<_> = plan
            .scenarios
            .iter()
            .copied()
            .filter(is(name))
            .map(|scenario| bar_panel(scenario, metric, ascending, results))
            .filter(|panel| !panel.rows.is_empty())
            .collect();
        (!panels.is_empty()).then(|| plot::bars(title, subtitle, &panels))
    };
    let latency: Vec<_> = plan
        .scenarios
        .iter()
        .copied()
        .filter(is("fanout"))
        .map(|scenario| percentile_panel(scenario, results))
        .filter(|panel| !panel.rows.is_empty())
        .collect();
    let latency = (!latency.is_empty()).then(|| {
        plot::percentiles(
            "Latency of a delivery",
            "p50 (disc), p99 (ring) and p99.9 (bar), counted from when the comment was due to be sent; less is better",
            &latency,
        )
    });
    let plots = [
        (
            "cpu.svg",
            bars(
                "fanout",
                "CPU time of the server for one delivery",
                "µs for each comment that reaches a subscriber, at a steady pace; less is better",
                Metric::Cpu,
                true,
            ),
        ),
        ("latency.svg", latency),
        (
            "memory.svg",
            bars(
                "fanout",
                "Memory for one idle connection",
                "kB of the server's resident memory; less is better",
                Metric::Memory,
                true,
            ),
        ),
        (
            "join.svg",
            bars(
                "join",
                "Join storm",
                "clients a second that connect and are in the post's room; more is better",
                Metric::Rate,
                false,
            ),
        ),
        (
            "writes.svg",
            bars(
                "writes",
                "Writing comments",
                "comments committed a second; more is better",
                Metric::Rate,
                false,
            ),
        ),
        (
            "reads.svg",
            bars(
                "reads",
                "Reading a page of 50 comments with their authors",
                "µs of CPU time a page; less is better",
                Metric::Cpu,
                true,
            ),
        ),
    ];
    plots
        .into_iter()
        .filter_map(|(name, svg)| Some((name, svg?)))
        .collect()
}

fn bar_panel(scenario: Scenario, metric: Metric, ascending: bool, results: &Results) -> Panel<Bar> {
    let mut rows: Vec<Bar> = results
        .servers(scenario)
        .into_iter()
        .filter_map(|server| {
            let ratio = results.ratio(scenario, server, metric);
            let ratio = ratio.filter(|_| !server.is_floor() && metric == Metric::Cpu);
            let note = ratio.map(|ratio| format!(" (× {:.2} floor)", ratio.median));
            Some(Bar {
                server,
                value: results.spread(scenario, server, metric)?,
                note: note.unwrap_or_default(),
            })
        })
        .collect();
    rows.sort_by(|one, other| one.value.median.total_cmp(&other.value.median));
    if !ascending {
        rows.reverse();
    }
    Panel {
        heading: heading(scenario),
        rows,
    }
}

fn percentile_panel(scenario: Scenario, results: &Results) -> Panel<Percentiles> {
    let mut rows: Vec<Percentiles> = results
        .servers(scenario)
        .into_iter()
        .filter_map(|server| {
            let median = |metric| Some(results.spread(scenario, server, metric)?.median);
            Some(Percentiles {
                server,
                values: [
                    median(Metric::P50)?,
                    median(Metric::P99)?,
                    median(Metric::P999)?,
                ],
            })
        })
        .collect();
    rows.sort_by(|one, other| one.values[1].total_cmp(&other.values[1]));
    Panel {
        heading: heading(scenario),
        rows,
    }
}

fn heading(scenario: Scenario) -> String {
    let connections = figure_of(scenario.connections());
    match scenario {
        Scenario::Fanout(_) => format!("{connections} connections"),
        Scenario::Join(_) => format!("{connections} clients"),
        Scenario::Writes(_) | Scenario::Reads(_) => format!("{connections} HTTP connection(s)"),
    }
}
