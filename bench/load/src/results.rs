//! The values of a run, by scenario, server and round.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    plan::{Scenario, Turn},
    server::Server,
    statistics::Spread,
};

/// A measured value. A latency is in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// CPU time of the server's process for an operation: a delivery (at a steady pace), a client, a write or
    /// a page, in microseconds.
    Cpu,
    /// The same for a delivery at saturation.
    CpuSaturated,
    /// Operations a second: deliveries (at saturation), clients, writes, pages.
    Rate,
    P50,
    P99,
    P999,
    /// Resident memory of the server's process, in kB (1,000 bytes) for each idle connection.
    Memory,
    /// The length of the message that carries a comment.
    MessageBytes,
    /// The load generator's share of one core, in percent, in the phase that gives `Cpu`.
    GeneratorCpu,
    /// The same at saturation.
    GeneratorCpuSaturated,
}

/// The values of one turn.
pub type Figures = BTreeMap<Metric, f64>;

/// The result of a turn.
#[derive(Debug)]
pub struct Measurement {
    pub turn: Turn,
    /// The values, or the reason for the failure.
    pub figures: Result<Figures, String>,
}

/// All measurements of a run.
#[derive(Debug, Default)]
pub struct Results(pub Vec<Measurement>);

impl Results {
    /// Returns the servers measured in a scenario, in order.
    pub fn servers(&self, scenario: Scenario) -> Vec<Server> {
        let there = self
            .0
            .iter()
            .filter(|measured| measured.turn.scenario == scenario);
        let mut servers: Vec<Server> = there.map(|measured| measured.turn.server).collect();
        // The database's floor comes first too.
        servers.sort_by_key(|server| (!server.is_floor(), *server));
        servers.dedup();
        servers
    }

    /// Returns the spread of a value over the rounds.
    pub fn spread(&self, scenario: Scenario, server: Server, metric: Metric) -> Option<Spread> {
        Spread::of(self.rounds(scenario, server, metric).into_values())
    }

    /// Returns the ratio of a value to the floor's, each within its round.
    pub fn ratio(&self, scenario: Scenario, server: Server, metric: Metric) -> Option<Spread> {
        let servers = self.servers(scenario);
        let floor = servers.iter().find(|server| server.is_floor())?;
        let floor = self.rounds(scenario, *floor, metric);
        let figures = self.rounds(scenario, server, metric);
        let pairs = figures
            .iter()
            .filter_map(|(round, figure)| Some(figure / floor.get(round)?));
        Spread::of(pairs)
    }

    /// Returns the failed turns with their reasons.
    pub fn failures(&self) -> impl Iterator<Item = (&Turn, &str)> {
        self.0.iter().filter_map(|measured| {
            let failure = measured.figures.as_ref().err()?;
            Some((&measured.turn, failure.as_str()))
        })
    }

    /// Returns every value of every turn.
    pub fn to_json(&self) -> serde_json::Value {
        let measurements = self.0.iter().map(|measured| {
            serde_json::json!({
                "scenario": measured.turn.scenario.name(),
                "connections": measured.turn.scenario.connections(),
                "server": measured.turn.server.name(),
                "round": measured.turn.round,
                "figures": measured.figures.as_ref().ok(),
                "failure": measured.figures.as_ref().err(),
            })
        });
        measurements.collect()
    }

    fn rounds(&self, scenario: Scenario, server: Server, metric: Metric) -> BTreeMap<usize, f64> {
        let mut rounds = BTreeMap::new();
        for Measurement { turn, figures } in &self.0 {
            let figure = figures
                .as_ref()
                .ok()
                .and_then(|figures| figures.get(&metric));
            if let Some(figure) = figure
                && turn.scenario == scenario
                && turn.server == server
            {
                rounds.insert(turn.round, *figure);
            }
        }
        rounds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratio_compares_within_a_round() {
        let scenario = Scenario::Fanout(10);
        let measured = |server, round, figures: Result<f64, &str>| Measurement {
            turn: Turn {
                scenario,
                round,
                server,
            },
            figures: figures
                .map(|cpu| Figures::from([(Metric::Cpu, cpu)]))
                .map_err(String::from),
        };
        // The machine slowed down, but the ratio did not change.
        let results = Results(vec![
            measured(Server::Floor, 1, Ok(2.0)),
            measured(Server::Causerie, 1, Ok(3.0)),
            measured(Server::Floor, 2, Ok(4.0)),
            measured(Server::Causerie, 2, Ok(6.0)),
            measured(Server::Floor, 3, Err("lost")),
            measured(Server::Causerie, 3, Ok(50.0)),
        ]);
        let ratio = results
            .ratio(scenario, Server::Causerie, Metric::Cpu)
            .unwrap();
        assert_eq!((ratio.least, ratio.median, ratio.greatest), (1.5, 1.5, 1.5));
        assert_eq!(
            results
                .spread(scenario, Server::Floor, Metric::Cpu)
                .unwrap()
                .median,
            3.0
        );
        assert_eq!(results.servers(scenario), [Server::Floor, Server::Causerie]);
        assert_eq!(results.failures().count(), 1);
    }
}
