//! Causerie on one, two and three nodes with one PostgreSQL and one NATS server. Measures the deliveries of a
//! cluster, and how much later a comment reaches the readers of another node than those of the writer's own.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use serde::Serialize;
use testkit::{nats::Nats, node::Node, postgres::Postgres, process::Failure};

use crate::{
    comment::Publication,
    crowd::{Crowd, CrowdError},
    interrupt::Interrupt,
    machine::own_cpu,
    plan::Effort,
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
    Program(#[from] Failure),
    #[error("{0}")]
    Crowd(#[from] CrowdError),
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
    nodes: Vec<Node>,
    nats: Option<Nats>,
    _postgres: Postgres,
}

impl Cluster {
    /// Starts the programs. A single node runs without NATS.
    fn start(programs: &Programs, nodes: usize) -> Result<Self, ClusterError> {
        // Next to the programs and not in /tmp, which may be in memory: commits must reach a disk.
        let postgres = Postgres::start_below(&programs.folder);
        let nats = (nodes > 1).then(Nats::start);
        let mut started = Vec::new();
        for _ in 0..nodes {
            let mut node = programs.causerie(&postgres.url("postgres"));
            if let Some(nats) = &nats {
                node.args(["--backplane-url", &nats.url()]);
            }
            started.push(Node::try_start(node)?);
        }
        create_post(started[0].address(), &programs.token(1)?)?;
        Ok(Self {
            nodes: started,
            nats,
            _postgres: postgres,
        })
    }

    fn addresses(&self) -> Vec<SocketAddr> {
        self.nodes.iter().map(Node::address).collect()
    }

    /// Returns the CPU time of all nodes.
    fn cpu(&self) -> Result<Duration, Failure> {
        self.nodes.iter().map(|node| node.program().cpu()).sum()
    }

    fn nats_cpu(&self) -> Result<Duration, Failure> {
        self.nats.as_ref().map_or(Ok(Duration::ZERO), Nats::cpu)
    }
}
