//! The scenarios: each starts a fresh server, loads it, and returns its values.

use std::{
    process::{Command, Stdio},
    time::Duration,
};

use serde::Deserialize;
use serde_json::json;
use testkit::process::Failure;

use crate::{
    closed_loop::{self, Answered, Until},
    comment::{self, POST, Publication},
    crowd::{Crowd, CrowdError},
    interrupt::Interrupt,
    machine::own_cpu,
    plan::{Effort, Scenario, Turn},
    results::{Figures, Measurement, Metric},
    server::{Programs, Server, ServerError, Started, Stopped},
    statistics::percentile,
};

/// The error of a turn.
#[derive(Debug, thiserror::Error)]
pub enum TurnError {
    #[error("{0}")]
    Server(#[from] ServerError),
    #[error("{0}")]
    Program(#[from] Failure),
    #[error("{0}")]
    Crowd(#[from] CrowdError),
    #[error("{program}: {cause}")]
    Bare { program: String, cause: String },
}

/// Runs one server's turn. A turn of Causerie with a database includes one of the database alone.
pub fn play(
    programs: &Programs,
    turn: Turn,
    effort: &Effort,
    interrupt: &Interrupt,
) -> Result<Vec<Measurement>, TurnError> {
    let started = programs.start(turn.server)?;
    let measured = |server, figures| Measurement {
        turn: Turn { server, ..turn },
        figures: Ok(figures),
    };
    let played = match turn.scenario {
        Scenario::Fanout(connections) => fanout(&started, connections, effort, interrupt),
        Scenario::Join(clients) => join(&started, clients, interrupt),
        Scenario::Writes(connections) => writes(&started, connections, effort, interrupt),
        Scenario::Reads(connections) => reads(programs, &started, connections, effort, interrupt),
    };
    let figures = match played {
        Ok(figures) => figures,
        Err(error) => {
            let words = started.node.program().last_errors();
            if !words.is_empty() {
                eprintln!("  {} said: {words}", turn.server.name());
            }
            return Err(error);
        }
    };
    let mut measurements = vec![measured(turn.server, figures)];
    let bare = match turn.scenario {
        Scenario::Writes(_) => bare(programs, "bare-writes", &[], started.stop(), effort)?,
        Scenario::Reads(_) => {
            let arguments = ["--post", POST, "--first", "50"];
            bare(programs, "bare-reads", &arguments, started.stop(), effort)?
        }
        Scenario::Fanout(_) | Scenario::Join(_) => None,
    };
    measurements.extend(bare.map(|figures| measured(Server::Bare, figures)));
    Ok(measurements)
}

/// Runs the fan-out: all clients have the post open, and comments come at a steady pace, then at saturation.
fn fanout(
    started: &Started,
    connections: usize,
    effort: &Effort,
    interrupt: &Interrupt,
) -> Result<Figures, TurnError> {
    let process = started.node.program();
    let mut crowd = crowd(started, interrupt)?;
    let before = process.resident()?;
    crowd.join(connections)?;
    crowd.rest()?;
    let memory = process.resident()?.saturating_sub(before) as f64 / connections as f64;
    crowd.warm_up()?;
    crowd.rest()?;

    let (cpu, own) = (process.cpu()?, own_cpu());
    let pace = effort.steady_rate / connections as f64;
    let comments = (pace * effort.steady.as_secs_f64()).ceil() as u32;
    let steady = crowd.steady(comments, pace)?;
    let (cpu, own) = (process.cpu()? - cpu, own_cpu() - own);

    let (cpu_before, own_before) = (process.cpu()?, own_cpu());
    let saturated = crowd.saturate(effort.saturation)?;
    let cpu_saturated = process.cpu()? - cpu_before;
    let own_saturated = own_cpu() - own_before;
    // A duplicate would have arrived by the end of this.
    crowd.rest()?;

    let mut figures = latencies(&steady.latencies[0]);
    figures.extend([
        (Metric::Cpu, micros(cpu, steady.deliveries)),
        (
            Metric::CpuSaturated,
            micros(cpu_saturated, saturated.deliveries),
        ),
        (
            Metric::Rate,
            saturated.deliveries as f64 / saturated.elapsed.as_secs_f64(),
        ),
        (Metric::Memory, memory / 1000.0),
        (Metric::MessageBytes, crowd.message_bytes()),
        (Metric::GeneratorCpu, percent(own, steady.elapsed)),
        (
            Metric::GeneratorCpuSaturated,
            percent(own_saturated, saturated.elapsed),
        ),
    ]);
    Ok(figures)
}

/// Runs the join: clients join as fast as the server admits them, and then a comment must reach them all.
fn join(started: &Started, clients: usize, interrupt: &Interrupt) -> Result<Figures, TurnError> {
    let mut crowd = crowd(started, interrupt)?;
    let (cpu, own) = (started.node.program().cpu()?, own_cpu());
    let elapsed = crowd.join(clients)?;
    let own = own_cpu() - own;
    crowd.rest()?;
    let cpu = started.node.program().cpu()? - cpu;
    crowd.warm_up()?;
    Ok(Figures::from([
        (Metric::Cpu, micros(cpu, clients as u64)),
        (Metric::Rate, clients as f64 / elapsed.as_secs_f64()),
        (Metric::GeneratorCpu, percent(own, elapsed)),
    ]))
}

/// Runs the writes: comments are written as fast as they are committed.
fn writes(
    started: &Started,
    connections: usize,
    effort: &Effort,
    interrupt: &Interrupt,
) -> Result<Figures, TurnError> {
    let mut number = 0;
    let mut next = || {
        number += 1;
        started.publication.request(number)
    };
    let (address, warm_up) = (started.node.address(), Until::Answered(100));
    closed_loop::run(address, connections, warm_up, interrupt, &mut next)?;
    let (cpu, own) = (started.node.program().cpu()?, own_cpu());
    let until = Until::Passed(effort.operations);
    let answered = closed_loop::run(address, connections, until, interrupt, &mut next)?;
    Ok(operations(
        &answered,
        started.node.program().cpu()? - cpu,
        own_cpu() - own,
    ))
}

/// A page with exactly the fields that `bare-reads` reads.
const PAGE: &str = "query Page($id: ID!) { post(id: $id) { comments(first: 50) { nodes { \
    id body createdAt author { id name avatar } } } } }";

/// The number of authors of the comments on the page.
const AUTHORS: usize = 20;

/// Runs the reads: the first page of a post is read as fast as it is answered.
fn reads(
    programs: &Programs,
    started: &Started,
    connections: usize,
    effort: &Effort,
    interrupt: &Interrupt,
) -> Result<Figures, TurnError> {
    let authors: Result<Vec<_>, _> = (1..=AUTHORS)
        .map(|user| {
            let token = Some(programs.token(user)?);
            Ok::<_, ServerError>(Publication::Mutation { token })
        })
        .collect();
    let mut comments = authors?.into_iter().cycle().zip(0..);
    let mut next = || {
        let (author, number) = comments.next().expect("authors without end");
        author.request(number)
    };
    let all = Until::Answered(effort.comments_to_read);
    closed_loop::run(started.node.address(), 8, all, interrupt, &mut next)?;

    let page = comment::mutation(None, PAGE, &json!({ "id": POST }));
    let read = |until| {
        closed_loop::run(
            started.node.address(),
            connections,
            until,
            interrupt,
            || page.clone(),
        )
    };
    read(Until::Answered(100))?;
    let (cpu, own) = (started.node.program().cpu()?, own_cpu());
    let answered = read(Until::Passed(effort.operations))?;
    Ok(operations(
        &answered,
        started.node.program().cpu()? - cpu,
        own_cpu() - own,
    ))
}

/// The output of a program that does the same on the database, without a server.
#[derive(Deserialize)]
struct BareOperations {
    operations: u64,
    seconds: f64,
    cpu_seconds: f64,
}

/// Returns `None` if there is no such program.
fn bare(
    programs: &Programs,
    program: &str,
    arguments: &[&str],
    stopped: Stopped,
    effort: &Effort,
) -> Result<Option<Figures>, TurnError> {
    let path = programs.folder.join(program);
    if !path.exists() {
        return Ok(None);
    }
    let failed = |cause: String| TurnError::Bare {
        program: program.into(),
        cause,
    };
    let output = Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "--"])
        .arg(path)
        .arg("--database")
        .arg(stopped.database())
        .args(["--seconds", &effort.operations.as_secs_f64().to_string()])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    let done: BareOperations =
        serde_json::from_slice(&output.stdout).map_err(|error| failed(error.to_string()))?;
    Ok(Some(Figures::from([
        (Metric::Cpu, done.cpu_seconds * 1e6 / done.operations as f64),
        (Metric::Rate, done.operations as f64 / done.seconds),
    ])))
}

fn crowd<'a>(started: &Started, interrupt: &'a Interrupt) -> Result<Crowd<'a>, CrowdError> {
    let publication = started.publication.clone();
    Crowd::new(
        vec![started.node.address()],
        started.protocol,
        publication,
        interrupt,
    )
}

fn operations(answered: &Answered, cpu: Duration, own: Duration) -> Figures {
    let mut figures = latencies(&answered.latencies);
    figures.extend([
        (Metric::Cpu, micros(cpu, answered.operations)),
        (
            Metric::Rate,
            answered.operations as f64 / answered.elapsed.as_secs_f64(),
        ),
        (Metric::GeneratorCpu, percent(own, answered.elapsed)),
    ]);
    figures
}

fn latencies(sorted: &[u64]) -> Figures {
    let at = |p| percentile(sorted, p) as f64 / 1e6;
    Figures::from([
        (Metric::P50, at(0.5)),
        (Metric::P99, at(0.99)),
        (Metric::P999, at(0.999)),
    ])
}

pub fn micros(cpu: Duration, operations: u64) -> f64 {
    cpu.as_secs_f64() * 1e6 / operations as f64
}

pub fn percent(cpu: Duration, elapsed: Duration) -> f64 {
    100.0 * cpu.as_secs_f64() / elapsed.as_secs_f64()
}
