//! The machine of a run, and the versions of the programs.

use std::{fs, path::Path, process::Command, thread::available_parallelism, time::Duration};

use nix::time::ClockId;
use serde_json::Value;
use testkit::process::find;

use crate::server::Programs;

/// Describes the machine in one line.
pub fn machine() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = cpu.lines().find_map(|line| line.strip_prefix("model name"));
    let cpu = cpu.map_or("a CPU without a name", |line| {
        line.trim_start_matches([' ', '\t', ':'])
    });
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let memory: f64 = memory
        .lines()
        .find_map(|line| {
            line.strip_prefix("MemTotal:")?
                .trim()
                .strip_suffix(" kB")?
                .parse()
                .ok()
        })
        .unwrap_or_default();
    let cores = available_parallelism().map_or(0, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!(
        "{cpu}, {cores} cores, {:.0} GiB of memory, Linux {}",
        memory / 1024.0 / 1024.0,
        kernel.trim()
    )
}

/// Returns the exact version of each program that was measured or built with. `bench` is the benchmark's
/// folder.
pub fn versions(programs: &Programs, bench: &Path) -> Vec<(&'static str, String)> {
    let lock = fs::read_to_string(bench.join("Cargo.lock")).unwrap_or_default();
    let node = fs::read_to_string(bench.join("peers/node/package.json")).unwrap_or_default();
    let node: Value = serde_json::from_str(&node).unwrap_or_default();
    let package = |name: &str| match node["dependencies"][name].as_str() {
        Some(version) => format!("{name} {version}"),
        None => String::new(),
    };
    let krate = |name: &str| format!("{name} {}", locked(&lock, name).unwrap_or("?"));
    let with_graphql = |names: &[&str]| {
        let names = names.iter().chain(&["graphql"]);
        names
            .map(|name| package(name))
            .collect::<Vec<_>>()
            .join(", ")
    };
    vec![
        ("Causerie", causerie(programs)),
        (
            "socketioxide",
            [krate("socketioxide"), krate("axum")].join(", "),
        ),
        ("Socket.IO", package("socket.io")),
        (
            "async-graphql-axum",
            [
                krate("async-graphql-axum"),
                krate("async-graphql"),
                krate("axum"),
            ]
            .join(", "),
        ),
        ("Mercurius", with_graphql(&["mercurius", "fastify"])),
        (
            "Apollo Server",
            with_graphql(&["@apollo/server", "express", "graphql-ws", "ws"]),
        ),
        (
            "GraphQL Yoga",
            with_graphql(&["graphql-yoga", "graphql-ws", "ws"]),
        ),
        ("Rust", said("rustc", &["--version"])),
        ("Node", said("node", &["--version"])),
    ]
}

/// Returns the versions of a cluster's programs.
pub fn cluster_versions(programs: &Programs) -> Vec<(&'static str, String)> {
    let of = |program| find(program).map(|path| said(&path.to_string_lossy(), &["--version"]));
    vec![
        ("Causerie", causerie(programs)),
        ("PostgreSQL", of("postgres").unwrap_or_default()),
        ("NATS", of("nats-server").unwrap_or_default()),
        ("Rust", said("rustc", &["--version"])),
    ]
}

/// Returns the CPU time of this process so far.
pub fn own_cpu() -> Duration {
    let now = ClockId::CLOCK_PROCESS_CPUTIME_ID.now();
    now.map(Duration::from).unwrap_or_default()
}

/// Returns the server's version, and the commit that it was built from.
fn causerie(programs: &Programs) -> String {
    let commit = said("git", &["rev-parse", "--short=12", "HEAD"]);
    let changed = said(
        "git",
        &[
            "status",
            "--porcelain",
            "--untracked-files=no",
            ":/",
            ":!/bench",
        ],
    );
    let mark = if changed.is_empty() {
        ""
    } else {
        ", with uncommitted changes"
    };
    let causerie = said(&programs.causerie.to_string_lossy(), &["--version"]);
    format!("{causerie}, commit {commit}{mark}")
}

/// Returns a program's output, or an empty text.
fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let output = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    output.unwrap_or_default()
}

/// Returns a crate's version in a lock file.
fn locked<'a>(lock: &'a str, name: &str) -> Option<&'a str> {
    let start = lock.find(&format!("name = \"{name}\"\n"))?;
    let version = lock[start..].lines().nth(1)?;
    version.strip_prefix("version = \"")?.strip_suffix('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_is_read_from_the_lock_file() {
        let lock = "[[package]]\nname = \"axum-core\"\nversion = \"0.5.1\"\n\n\
            [[package]]\nname = \"axum\"\nversion = \"0.8.9\"\n";
        assert_eq!(locked(lock, "axum"), Some("0.8.9"));
        assert_eq!(locked(lock, "tokio"), None);
    }
}
