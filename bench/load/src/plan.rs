//! The plan of a run: its scenarios, servers and durations.

use std::{fmt, time::Duration};

use crate::server::Server;

/// A scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scenario {
    /// Comments reach this many connections.
    Fanout(usize),
    /// This many clients join at once.
    Join(usize),
    /// Comments are written over this many connections.
    Writes(usize),
    /// Pages of comments are read over this many connections.
    Reads(usize),
}

impl Scenario {
    /// Returns the name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fanout(_) => "fanout",
            Self::Join(_) => "join",
            Self::Writes(_) => "writes",
            Self::Reads(_) => "reads",
        }
    }

    /// Returns the number of connections.
    pub fn connections(self) -> usize {
        match self {
            Self::Fanout(connections)
            | Self::Join(connections)
            | Self::Writes(connections)
            | Self::Reads(connections) => connections,
        }
    }

    /// Returns true if the scenario needs a database, which the peers and the floor lack.
    fn needs_database(self) -> bool {
        matches!(self, Self::Writes(_) | Self::Reads(_))
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.name(), self.connections())
    }
}

/// The duration and pace of each part.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Deliveries a second in the steady phase: few enough for the slowest server to keep up.
    pub steady_rate: f64,
    pub steady: Duration,
    pub saturation: Duration,
    /// The duration of writes and of reads.
    pub operations: Duration,
    /// The number of comments of the post whose page is read.
    pub comments_to_read: u64,
}

/// The plan of a run.
#[derive(Clone, Debug)]
pub struct Plan {
    pub rounds: usize,
    pub scenarios: Vec<Scenario>,
    pub servers: Vec<Server>,
    pub effort: Effort,
    /// True if the plan measures everything at full length.
    pub is_whole: bool,
}

/// The error of a name that is neither a scenario nor a server.
#[derive(Debug, thiserror::Error)]
#[error(
    "{name}: there are the scenarios fanout, join, writes and reads, and the servers {servers}"
)]
pub struct UnknownName {
    name: String,
    servers: String,
}

impl Plan {
    /// Returns the whole plan, or one that takes a minute, reduced to `names` if there are any.
    pub fn new(
        is_quick: bool,
        rounds: Option<usize>,
        names: &[String],
    ) -> Result<Self, UnknownName> {
        let scenarios: &[Scenario] = if is_quick {
            &[
                Scenario::Fanout(100),
                Scenario::Fanout(200),
                Scenario::Join(200),
                Scenario::Writes(32),
                Scenario::Reads(1),
                Scenario::Reads(8),
            ]
        } else {
            &[
                Scenario::Fanout(1000),
                Scenario::Fanout(5000),
                Scenario::Join(5000),
                Scenario::Writes(32),
                Scenario::Reads(1),
                Scenario::Reads(8),
            ]
        };
        let effort = if is_quick {
            Effort {
                steady_rate: 4000.0,
                steady: Duration::from_secs(1),
                saturation: Duration::from_millis(300),
                operations: Duration::from_millis(500),
                comments_to_read: 200,
            }
        } else {
            Effort {
                steady_rate: 10_000.0,
                steady: Duration::from_secs(12),
                saturation: Duration::from_secs(5),
                operations: Duration::from_secs(10),
                comments_to_read: 1000,
            }
        };
        let mut plan = Self {
            rounds: rounds.unwrap_or(if is_quick { 1 } else { 3 }).max(1),
            scenarios: scenarios.to_vec(),
            servers: Server::ALL.to_vec(),
            effort,
            is_whole: !is_quick && names.is_empty(),
        };
        plan.choose(names)?;
        Ok(plan)
    }

    /// Keeps the named scenarios and servers. If none is named, all of that kind are kept.
    fn choose(&mut self, names: &[String]) -> Result<(), UnknownName> {
        let is_scenario = |name: &String| self.scenarios.iter().any(|known| known.name() == name);
        let is_server = |name: &String| Server::ALL.iter().any(|known| known.name() == name);
        if let Some(name) = names
            .iter()
            .find(|name| !is_scenario(name) && !is_server(name))
        {
            return Err(UnknownName {
                name: name.clone(),
                servers: Server::ALL.map(Server::name).join(", "),
            });
        }
        if names.iter().any(is_scenario) {
            self.scenarios
                .retain(|known| names.iter().any(|name| name == known.name()));
        }
        if names.iter().any(is_server) {
            self.servers
                .retain(|known| names.iter().any(|name| name == known.name()));
        }
        Ok(())
    }

    /// Returns the turns in order: for each scenario, round by round, one server after another.
    pub fn turns(&self) -> Vec<Turn> {
        let mut turns = Vec::new();
        for scenario in &self.scenarios {
            for round in 1..=self.rounds {
                for server in &self.servers {
                    if !scenario.needs_database() || *server == Server::Causerie {
                        turns.push(Turn {
                            scenario: *scenario,
                            round,
                            server: *server,
                        });
                    }
                }
            }
        }
        turns
    }
}

/// A server's turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    pub scenario: Scenario,
    pub round: usize,
    pub server: Server,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(names: &[&str]) -> Vec<String> {
        names.iter().copied().map(String::from).collect()
    }

    #[test]
    fn servers_take_turns_round_by_round() {
        let plan = Plan::new(true, Some(3), &named(&["join", "causerie", "floor"])).unwrap();
        let turns: Vec<_> = plan
            .turns()
            .iter()
            .map(|turn| (turn.round, turn.server))
            .collect();
        let (floor, causerie) = (Server::Floor, Server::Causerie);
        assert_eq!(
            turns,
            [
                (1, floor),
                (1, causerie),
                (2, floor),
                (2, causerie),
                (3, floor),
                (3, causerie)
            ],
        );
    }

    #[test]
    fn server_without_a_database_has_no_turn_if_one_is_needed() {
        let plan = Plan::new(true, None, &named(&["writes", "reads"])).unwrap();
        assert!(
            plan.turns()
                .iter()
                .all(|turn| turn.server == Server::Causerie)
        );
        assert_eq!(plan.turns().len(), 3);
    }

    #[test]
    fn only_a_full_run_is_whole() {
        assert!(Plan::new(false, None, &[]).unwrap().is_whole);
        assert!(!Plan::new(true, None, &[]).unwrap().is_whole);
        assert!(
            !Plan::new(false, None, &named(&["fanout"]))
                .unwrap()
                .is_whole
        );
        assert!(Plan::new(false, None, &named(&["fan-out"])).is_err());
    }
}
