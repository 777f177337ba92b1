//! The benchmark: starts the servers one after another, loads them, checks that nothing is lost, and reports.

mod client;
mod closed_loop;
mod cluster;
mod cluster_page;
mod comment;
mod crowd;
mod digits;
mod frame;
mod http;
mod interrupt;
mod machine;
mod plan;
mod plots;
mod process;
mod protocol;
mod report;
mod results;
mod scenario;
mod server;
mod statistics;
mod svg;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

use clap::Parser;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use time::{OffsetDateTime, macros::format_description};

use crate::{
    cluster_page::Rounds,
    interrupt::{Interrupt, Interrupted},
    plan::{Plan, Turn},
    report::Circumstances,
    results::{Figures, Measurement, Metric, Results},
    server::{Programs, Server},
};

/// Measures Causerie, the floor and the peers on this machine.
///
/// Only a run of everything writes bench/RESULTS.md; other runs leave their report beside the programs that
/// were built.
#[derive(Parser)]
#[command(name = "run")]
struct Options {
    /// A small run, to see that everything works.
    #[arg(long)]
    quick: bool,
    /// How often each server has its turn.
    #[arg(long)]
    rounds: Option<usize>,
    /// The folder that the report is written into.
    #[arg(long)]
    out: Option<PathBuf>,
    /// How many files a process may have open; as many as the system lets it, if not given.
    #[arg(long, env = "OPEN_FILES")]
    open_files: Option<u64>,
    /// Another build of the server.
    #[arg(long, env = "CAUSERIE_BIN")]
    causerie: Option<PathBuf>,
    /// The benchmark's folder.
    #[arg(long, default_value = ".", hide = true)]
    bench: PathBuf,
    /// Scenarios and servers; all, if none is named. `cluster` alone measures Causerie on several nodes.
    names: Vec<String>,
}

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    match run(Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("\nFAILED: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether every turn went well.
fn run(options: Options) -> Result<bool, Failure> {
    // It is measured beside nobody else, and has a page of its own.
    let is_cluster = options.names == [CLUSTER];
    let names = if is_cluster { &[] } else { &options.names[..] };
    let plan = Plan::new(options.quick, options.rounds, names)?;
    let interrupt = Interrupt::listen()?;
    let folder = std::env::current_exe()?;
    let folder = folder
        .parent()
        .ok_or("this program has no folder")?
        .to_owned();
    let programs = Programs {
        causerie: options.causerie.unwrap_or_else(|| folder.join("causerie")),
        node: options.bench.join("peers/node"),
        folder,
    };
    raise_open_files(options.open_files, &plan)?;
    let circumstances = Circumstances {
        date: OffsetDateTime::now_utc().format(format_description!(
            "[year]-[month]-[day] [hour]:[minute] UTC"
        ))?,
        machine: machine::machine(),
        versions: if is_cluster {
            machine::cluster_versions(&programs)
        } else {
            machine::versions(&programs, &options.bench)
        },
        load_before: fs::read_to_string("/proc/loadavg")?
            .split(' ')
            .next()
            .unwrap_or_default()
            .to_owned(),
    };
    if is_cluster {
        let out = match (options.out, options.quick) {
            (Some(out), _) => out,
            (None, true) => programs.folder.with_file_name("report"),
            (None, false) => options.bench,
        };
        return measure_clusters(&plan, &programs, &interrupt, &out, &circumstances);
    }
    let results = play(&plan, &programs, &interrupt)?;
    let out = options.out.unwrap_or_else(|| {
        if plan.is_whole {
            options.bench.clone()
        } else {
            programs.folder.with_file_name("report")
        }
    });
    report::write(&out, &plan, &results, &circumstances)?;
    eprintln!("\nThe report is {}", out.join("RESULTS.md").display());
    for (turn, failure) in results.failures() {
        eprintln!(
            "FAILED: {}, {}, round {}: {failure}",
            turn.server.name(),
            turn.scenario,
            turn.round
        );
    }
    match report::ratio(&plan, &results) {
        Some(ratio) => println!("{ratio}"),
        None => println!("causerie / floor: not both were measured"),
    }
    Ok(results.failures().count() == 0)
}

/// How the command line names a run about clusters.
const CLUSTER: &str = "cluster";

/// Measures clusters of one node and more, round by round. Any failure ends the run.
fn measure_clusters(
    plan: &Plan,
    programs: &Programs,
    interrupt: &Interrupt,
    out: &Path,
    circumstances: &Circumstances,
) -> Result<bool, Failure> {
    let readers = plan.scenarios[0].connections();
    let mut rounds = Rounds::default();
    for round in 1..=plan.rounds {
        for nodes in 1..=cluster::NODES {
            eprintln!("cluster, round {round} of {}: nodes: {nodes}", plan.rounds);
            let figures = cluster::measure(programs, nodes, readers, &plan.effort, interrupt)?;
            eprintln!("  {figures:.2?}");
            rounds.0.entry(nodes).or_default().push(figures);
        }
    }
    cluster_page::write(out, readers, &rounds, circumstances)?;
    eprintln!("\nThe page is {}", out.join("CLUSTER.md").display());
    Ok(true)
}

/// Plays all turns. A failure of a peer's is reported at the end; one of Causerie's or the floor's, without which
/// there is nothing to compare, ends the run at once.
fn play(plan: &Plan, programs: &Programs, interrupt: &Interrupt) -> Result<Results, Failure> {
    let turns = plan.turns();
    let start = Instant::now();
    let mut results = Results::default();
    for (place, turn) in turns.iter().enumerate() {
        announce(turn, place, turns.len(), plan.rounds, start);
        match scenario::play(programs, *turn, &plan.effort, interrupt) {
            Ok(measured) => {
                for measurement in &measured {
                    tell(measurement);
                }
                results.0.extend(measured);
            }
            // Ctrl-C ends the servers too: whatever it looks like, that is why.
            Err(_) if interrupt.check().is_err() => return Err(Interrupted.into()),
            Err(error) if matches!(turn.server, Server::Floor | Server::Causerie) => {
                return Err(format!("{}, {}: {error}", turn.server.name(), turn.scenario).into());
            }
            Err(error) => {
                eprintln!("  FAILED: {error}");
                results.0.push(Measurement {
                    turn: *turn,
                    figures: Err(error.to_string()),
                });
            }
        }
    }
    Ok(results)
}

fn announce(turn: &Turn, place: usize, turns: usize, rounds: usize, start: Instant) {
    let passed = start.elapsed().as_secs_f64();
    let left = match place {
        0 => String::new(),
        _ => {
            let left = passed / place as f64 * (turns - place) as f64 / 60.0;
            format!(", about {:.0} min left", left.ceil())
        }
    };
    eprintln!(
        "[{}/{turns}{left}] {}, round {} of {rounds}: {}",
        place + 1,
        turn.scenario,
        turn.round,
        turn.server.name(),
    );
}

fn tell(measurement: &Measurement) {
    let Ok(figures) = &measurement.figures else {
        return;
    };
    let shown = [
        (Metric::Cpu, "CPU µs"),
        (Metric::Rate, "a second"),
        (Metric::P50, "p50 ms"),
        (Metric::P99, "p99 ms"),
        (Metric::Memory, "kB a connection"),
        (Metric::GeneratorCpu, "% of a core for the generator"),
    ];
    let shown: Vec<String> = shown
        .iter()
        .filter_map(|(metric, unit)| line(figures, *metric, unit))
        .collect();
    eprintln!("  {}: {}", measurement.turn.server.name(), shown.join(", "));
}

fn line(figures: &Figures, metric: Metric, unit: &str) -> Option<String> {
    Some(format!("{} {unit}", digits::figure(*figures.get(&metric)?)))
}

/// Raises the limit of open files; the servers inherit it.
fn raise_open_files(wanted: Option<u64>, plan: &Plan) -> Result<(), Failure> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let limit = wanted.unwrap_or(hard);
    setrlimit(Resource::RLIMIT_NOFILE, limit, hard.max(limit))
        .map_err(|error| format!("the limit of open files cannot be {limit}: {error}"))?;
    let most = plan
        .scenarios
        .iter()
        .map(|scenario| scenario.connections())
        .max();
    let needed = most.unwrap_or_default() as u64 + 200;
    if limit < needed {
        let message = format!(
            "{needed} files must be open at once, and the limit is {limit}: as root, \
             `./bench/run --open-files {needed}`; else raise the hard limit (ulimit -Hn)"
        );
        return Err(message.into());
    }
    Ok(())
}
