//! What a run measures, and how much of it.

use std::{fmt, time::Duration};

use crate::server::Server;

/// One thing that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scenario {
    /// Comments reach this many connections.
    Fanout(usize),
    /// This many clients come at once.
    Join(usize),
    /// Comments are written over this many connections.
    Writes(usize),
    /// Pages of comments are read over this many connections.
    Reads(usize),
}

impl Scenario {
    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fanout(_) => "fanout",
            Self::Join(_) => "join",
            Self::Writes(_) => "writes",
            Self::Reads(_) => "reads",
        }
    }

    /// How many connections it has.
    pub fn connections(self) -> usize {
        match self {
            Self::Fanout(connections)
            | Self::Join(connections)
            | Self::Writes(connections)
            | Self::Reads(connections) => connections,
        }
    }

    /// Whether it needs a database: the peers and the floor have none.
    fn needs_database(self) -> bool {
        matches!(self, Self::Writes(_) | Self::Reads(_))
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.name(), self.connections())
    }
}

/// How long each part takes.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// How many deliveries a second the steady phase makes: few enough for the slowest to keep up.
    pub steady_rate: f64,
    pub steady: Duration,
    pub saturation: Duration,
    /// Writes and reads.
    pub operations: Duration,
    /// How many comments the post has of which a page is read.
    pub comments_to_read: u64,
}

/// What a run measures.
#[derive(Clone, Debug)]
pub struct Plan {
    pub rounds: usize,
    pub scenarios: Vec<Scenario>,
    pub servers: Vec<Server>,
    pub effort: Effort,
    /// Whether it is all there is to measure, at full length.
    pub is_whole: bool,
}

/// A name that is neither a scenario's nor a server's.
#[derive(Debug, thiserror::Error)]
#[error(
    "{name}: there are the scenarios fanout, join, writes and reads, and the servers {servers}"
)]
pub struct UnknownName {
    name: String,
    servers: String,
}

impl Plan {
    /// The whole plan, or one that takes a minute; of either only what is named, where something is.
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

    /// Keeps what is named; of scenarios and of servers all, where none is.
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

    /// The turns in order: of each scenario, round by round, one server after another.
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

/// One server's turn.
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
    fn whoever_has_no_database_has_no_turn_where_one_is_needed() {
        let plan = Plan::new(true, None, &named(&["writes", "reads"])).unwrap();
        assert!(
            plan.turns()
                .iter()
                .all(|turn| turn.server == Server::Causerie)
        );
        assert_eq!(plan.turns().len(), 3);
    }

    #[test]
    fn only_a_run_of_everything_is_whole() {
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
