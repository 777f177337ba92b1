//! The plots of a report.

use crate::{
    digits::{self, count},
    plan::{Plan, Scenario},
    results::{Metric, Results},
    svg::{self, Bar, Panel, Percentiles},
};

/// Returns the plots of a report, each with its file name.
pub fn all(plan: &Plan, results: &Results) -> Vec<(&'static str, String)> {
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
        (!panels.is_empty()).then(|| svg::bars(title, subtitle, &panels))
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
        svg::percentiles(
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
    let connections = count(scenario.connections());
    match scenario {
        Scenario::Fanout(_) => format!("{connections} connections"),
        Scenario::Join(_) => format!("{connections} clients"),
        Scenario::Writes(number) | Scenario::Reads(number) => digits::connections(number),
    }
}
