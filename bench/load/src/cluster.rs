//! Causerie on one, two and three nodes with one PostgreSQL and one NATS server. Measures the deliveries of a
//! cluster, and how much later a comment reaches the readers of another node than those of the writer's own.

use std::{
    collections::BTreeMap,
    fs, io,
    net::{SocketAddr, TcpListener},
    os::unix::fs::chown,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use nix::unistd::{Uid, User};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::{
    comment::Publication,
    crowd::{Crowd, CrowdError},
    interrupt::Interrupt,
    plan::Effort,
    process::{Process, ProcessError, own_cpu},
    scenario::{micros, percent},
    server::{Programs, Server, ServerError, create_post},
    statistics::percentile,
};

/// The size of the largest cluster measured.
pub const NODES: usize = 3;

/// A measured value of a cluster. Latencies are in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Deliveries a second at saturation.
    Rate,
    /// CPU time of all nodes for a delivery at a steady pace, in microseconds.
    Cpu,
    /// The same at saturation.
    CpuSaturated,
    /// CPU time of the NATS server for a comment at a steady pace, in microseconds.
    NatsCpu,
    /// Latency of readers on the node that the comments are written to.
    NearP50,
    NearP99,
    /// Latency of readers on the other nodes.
    FarP50,
    FarP99,
    /// The load generator's share of one core at a steady pace, in percent.
    GeneratorCpu,
    /// The same at saturation.
    GeneratorCpuSaturated,
}

/// The values of one turn.
pub type Figures = BTreeMap<Metric, f64>;

/// The error of a turn.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    #[error("{0}")]
    Server(#[from] ServerError),
    #[error("{0}")]
    Process(#[from] ProcessError),
    #[error("{0}")]
    Crowd(#[from] CrowdError),
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("no {0}: on Debian, apt-get install postgresql nats-server")]
    Missing(&'static str),
    #[error("initdb: {0}")]
    NoDatabase(String),
    #[error("no user {USER}, whom PostgreSQL could run as")]
    NoUser,
}

/// Measures a cluster of `nodes` nodes, over which the readers are spread.
pub fn measure(
    programs: &Programs,
    nodes: usize,
    readers: usize,
    effort: &Effort,
    interrupt: &Interrupt,
) -> Result<Figures, ClusterError> {
    let cluster = Cluster::start(programs, nodes)?;
    let publication = Publication::Mutation {
        token: Some(programs.token(1)?),
    };
    let protocol = Server::Causerie.protocol();
    let mut crowd = Crowd::new(cluster.addresses(), protocol, publication, interrupt)?;
    crowd.join(readers)?;
    crowd.warm_up()?;
    crowd.rest()?;

    let (cpu, nats, own) = (cluster.cpu()?, cluster.nats_cpu()?, own_cpu());
    let pace = effort.steady_rate / readers as f64;
    let comments = (pace * effort.steady.as_secs_f64()).ceil() as u32;
    let steady = crowd.steady(comments, pace)?;
    let (cpu, nats, own) = (
        cluster.cpu()? - cpu,
        cluster.nats_cpu()? - nats,
        own_cpu() - own,
    );

    let (cpu_before, own_before) = (cluster.cpu()?, own_cpu());
    let saturated = crowd.saturate(effort.saturation)?;
    let cpu_saturated = cluster.cpu()? - cpu_before;
    let own_saturated = own_cpu() - own_before;
    // A duplicate would have arrived by the end of this.
    crowd.rest()?;

    let mut figures = Figures::from([
        (
            Metric::Rate,
            saturated.deliveries as f64 / saturated.elapsed.as_secs_f64(),
        ),
        (Metric::Cpu, micros(cpu, steady.deliveries)),
        (
            Metric::CpuSaturated,
            micros(cpu_saturated, saturated.deliveries),
        ),
        (Metric::GeneratorCpu, percent(own, steady.elapsed)),
        (
            Metric::GeneratorCpuSaturated,
            percent(own_saturated, saturated.elapsed),
        ),
    ]);
    let at = |sorted: &[u64], p| percentile(sorted, p) as f64 / 1e6;
    let near = &steady.latencies[0];
    figures.extend([
        (Metric::NearP50, at(near, 0.5)),
        (Metric::NearP99, at(near, 0.99)),
    ]);
    let mut far = steady.latencies[1..].concat();
    if !far.is_empty() {
        far.sort_unstable();
        figures.extend([
            (Metric::FarP50, at(&far, 0.5)),
            (Metric::FarP99, at(&far, 0.99)),
            (Metric::NatsCpu, micros(nats, u64::from(comments))),
        ]);
    }
    Ok(figures)
}

/// The programs of a cluster. Each ends with it, and nodes end first, because they need the others.
struct Cluster {
    nodes: Vec<(Process, SocketAddr)>,
    nats: Option<Process>,
    _postgres: Process,
    _folders: Vec<TempDir>,
}

impl Cluster {
    /// Starts the programs. A single node runs without NATS.
    fn start(programs: &Programs, nodes: usize) -> Result<Self, ClusterError> {
        let mut folders = Vec::new();
        let mut folder = || {
            // Next to the programs and not in /tmp, which may be in memory: commits must reach a disk.
            let folder = tempfile::Builder::new()
                .prefix("run-")
                .tempdir_in(&programs.folder)?;
            let path = folder.path().to_owned();
            folders.push(folder);
            Ok::<_, io::Error>(path)
        };
        let (postgres, database) = postgres(&folder()?, &folder()?)?;
        let (nats, backplane) = match nodes {
            1 => (None, None),
            _ => {
                let (nats, url) = nats(&folder()?)?;
                (Some(nats), Some(url))
            }
        };
        let mut started = Vec::new();
        for _ in 0..nodes {
            let mut node = programs.causerie(&database);
            if let Some(url) = &backplane {
                node.args(["--backplane-url", url]);
            }
            started.push(Process::start(&node, &folder()?)?);
        }
        create_post(started[0].1, &programs.token(1)?)?;
        Ok(Self {
            nodes: started,
            nats,
            _postgres: postgres,
            _folders: folders,
        })
    }

    fn addresses(&self) -> Vec<SocketAddr> {
        self.nodes.iter().map(|(_, address)| *address).collect()
    }

    /// Returns the CPU time of all nodes.
    fn cpu(&self) -> Result<Duration, ProcessError> {
        self.nodes.iter().map(|(node, _)| node.cpu()).sum()
    }

    fn nats_cpu(&self) -> Result<Duration, ProcessError> {
        self.nats.as_ref().map_or(Ok(Duration::ZERO), Process::cpu)
    }
}

/// The file that a server writes once it has found a port.
#[derive(Deserialize)]
struct Ports {
    nats: Vec<String>,
}

/// Starts a NATS server on a free port, and returns its URL.
fn nats(folder: &Path) -> Result<(Process, String), ClusterError> {
    let mut command = Command::new(find("nats-server")?);
    command
        .args(["--addr", "127.0.0.1", "--port", "-1", "--ports_file_dir"])
        .arg(folder);
    let mut url = None;
    let process = Process::start_silent(&command, folder, |process| {
        let file = folder.join(format!("nats-server_{}.ports", process.id()));
        // The file may exist before its text is written.
        let text = fs::read_to_string(file).unwrap_or_default();
        let ports = serde_json::from_str::<Ports>(&text).ok();
        url = ports.and_then(|ports| ports.nats.into_iter().next());
        url.is_some()
    })?;
    Ok((process, url.unwrap_or_default()))
}

/// The database user.
const OWNER: &str = "causerie";
/// The system user that PostgreSQL runs as if this runs as root, because it refuses to run as root.
const USER: &str = "postgres";

/// Starts PostgreSQL with its default settings on a free port, and returns its URL.
fn postgres(data: &Path, logs: &Path) -> Result<(Process, String), ClusterError> {
    let command = |program| -> Result<Command, ClusterError> {
        let program = find(program)?;
        if !Uid::effective().is_root() {
            return Ok(Command::new(program));
        }
        // The user must be set first, because the kernel resets the death signal when the user changes.
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid", USER, "--regid", USER, "--init-groups", "--"])
            .args(["setpriv", "--pdeathsig", "KILL", "--"])
            .arg(program);
        Ok(command)
    };
    if Uid::effective().is_root() {
        let user = User::from_name(USER).map_err(io::Error::from)?;
        let user = user.ok_or(ClusterError::NoUser)?;
        chown(data, Some(user.uid.as_raw()), Some(user.gid.as_raw()))?;
    }
    let made = command("initdb")?
        .args([
            "--auth=trust",
            "--encoding=UTF8",
            "--no-locale",
            "--username",
            OWNER,
        ])
        .arg("--pgdata")
        .arg(data.join("data"))
        .current_dir("/")
        .output()?;
    if !made.status.success() {
        let said = String::from_utf8_lossy(&made.stderr).into_owned();
        return Err(ClusterError::NoDatabase(said));
    }
    // The port is free again when this returns.
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let port = address.port().to_string();
    let mut server = command("postgres")?;
    server
        .arg("-D")
        .arg(data.join("data"))
        .args(["-p", &port, "-c", "listen_addresses=127.0.0.1"])
        .args(["-c", "unix_socket_directories="]);
    let asking = find("pg_isready")?;
    let process = Process::start_silent(&server, logs, |_| {
        let asked = Command::new(&asking)
            .args(["-q", "-h", "127.0.0.1", "-p", &port])
            .stdin(Stdio::null())
            .status();
        asked.is_ok_and(|status| status.success())
    })?;
    Ok((process, format!("postgres://{OWNER}@{address}/postgres")))
}

/// Finds a program in Debian's folders of PostgreSQL, newest version first, on the path, or where only root's
/// path leads.
pub fn find(program: &'static str) -> Result<PathBuf, ClusterError> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut versions: Vec<(u32, PathBuf)> = versions
        .filter_map(|version| {
            let version = version.ok()?;
            let number = version.file_name().to_str()?.parse().ok()?;
            Some((number, version.path().join("bin")))
        })
        .collect();
    versions.sort();
    let newest_first = versions.into_iter().rev().map(|(_, folder)| folder);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places = newest_first
        .chain(std::env::split_paths(&path))
        .chain(["/usr/sbin".into()])
        .map(|folder| folder.join(program));
    let found = places.find(|place| place.exists());
    found.ok_or(ClusterError::Missing(program))
}
