//! The benchmark: starts the servers one after another, loads them, checks that nothing is lost, and reports.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

use clap::Parser;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use time::{OffsetDateTime, macros::format_description};

use load::{
    cluster,
    cluster_page::{self, Rounds},
    digits,
    interrupt::{Interrupt, Interrupted},
    machine,
    plan::{Plan, Turn},
    report::{self, Circumstances},
    results::{Figures, Measurement, Metric, Results},
    scenario,
    server::{Programs, Server},
};

/// Measures Causerie, the floor and the peers on this machine.
///
/// Only a run of everything writes bench/RESULTS.md. Other runs leave their report next to the built
/// programs.
#[derive(Parser)]
#[command(name = "run")]
struct Options {
    /// A small run, to see that everything works.
    #[arg(long)]
    quick: bool,
    /// Number of turns of each server.
    #[arg(long)]
    rounds: Option<usize>,
    /// The folder that the report is written into.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Limit of open files of a process; the system's maximum by default.
    #[arg(long, env = "OPEN_FILES")]
    open_files: Option<u64>,
    /// Another build of the server.
    #[arg(long, env = "CAUSERIE_BIN")]
    causerie: Option<PathBuf>,
    /// The benchmark's folder.
    #[arg(long, default_value = ".", hide = true)]
    bench: PathBuf,
    /// Scenarios and servers; all by default. `cluster` alone measures Causerie on several nodes.
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

/// Runs the benchmark. Returns true if every turn succeeded.
fn run(options: Options) -> Result<bool, Failure> {
    // A cluster is measured without other servers, and has its own page.
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

/// The name of a run about clusters on the command line.
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

/// Runs all turns. A failure of a peer is reported at the end. A failure of Causerie or the floor ends the
/// run at once, because then there is nothing to compare.
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
            // Ctrl-C ends the servers too, so it is the cause of whatever error appears.
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

/// Raises the limit of open files, which the servers inherit.
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
