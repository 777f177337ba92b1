//! The report of a run: RESULTS.md, its plots, all values as JSON, and the ratio in one line.

use std::{fmt::Write, fs, io, path::Path};

use crate::{
    digits::{self, count, figure},
    plan::{Plan, Scenario},
    plots,
    results::{Metric, Results},
    server::Server,
    statistics::Spread,
};

/// The context of a run for its report.
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
    /// True if the spread over the rounds and the ratio to the floor are shown.
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
    // Plots of an older run would look like part of this one.
    if plots.exists() {
        fs::remove_dir_all(&plots)?;
    }
    fs::create_dir_all(&plots)?;
    for (name, svg) in plots::all(plan, results) {
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

/// Compares Causerie with the floor in one line. Returns `None` if one of them was not measured.
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
    let connections = count(scenario.connections());
    match scenario {
        Scenario::Fanout(_) => format!("a delivery to {connections} connections"),
        Scenario::Join(_) => format!("a client of {connections} that join"),
        Scenario::Writes(_) => "a write".into(),
        Scenario::Reads(number) => format!("a page over {}", digits::connections(number)),
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
    let connections = count(scenario.connections());
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
        Scenario::Reads(number) => (
            format!(
                "Reads: a page of 50 comments with authors over {}",
                digits::connections(number)
            ),
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
