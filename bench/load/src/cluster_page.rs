//! The page about clusters: CLUSTER.md, and all values as JSON.

use std::{collections::BTreeMap, fmt::Write, fs, io, path::Path};

use serde_json::json;

use crate::{
    cluster::{Figures, Metric, NODES},
    digits::{count, figure},
    report::Circumstances,
    statistics::Spread,
};

/// The values of each round, by the number of nodes.
#[derive(Debug, Default)]
pub struct Rounds(pub BTreeMap<usize, Vec<Figures>>);

impl Rounds {
    fn spread(&self, nodes: usize, metric: Metric) -> Option<Spread> {
        let rounds = self.0.get(&nodes)?.iter();
        Spread::of(rounds.filter_map(|figures| figures.get(&metric).copied()))
    }

    /// Returns how much later the readers of other nodes have a comment, as the difference within a round.
    fn hop(&self, nodes: usize, near: Metric, far: Metric) -> Option<Spread> {
        let rounds = self.0.get(&nodes)?.iter();
        Spread::of(rounds.filter_map(|figures| Some(figures.get(&far)? - figures.get(&near)?)))
    }
}

/// Writes the page into a folder.
pub fn write(
    folder: &Path,
    readers: usize,
    rounds: &Rounds,
    circumstances: &Circumstances,
) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let json = json!({
        "date": circumstances.date,
        "machine": circumstances.machine,
        "readers": readers,
        "nodes": rounds.0,
    });
    fs::write(folder.join("cluster.json"), format!("{json:#}\n"))?;
    let text = markdown(readers, rounds, circumstances);
    fs::write(folder.join("CLUSTER.md"), text)
}

fn markdown(readers: usize, rounds: &Rounds, circumstances: &Circumstances) -> String {
    let mut text = String::new();
    let all = rounds.0.values().map(Vec::len).max().unwrap_or_default();
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "# A cluster\n\nMade by `./bench/run cluster` on {}. What is measured, and how: \
         [README.md](README.md#a-cluster). Medians of {all} round{}, the least and the greatest in brackets. \
         Every single figure is in [cluster.json](cluster.json).\n\nMachine: {}. Load before the run: {}. \
         Nodes, PostgreSQL, NATS and the load generator share it: more nodes have no more cores here, and \
         what this shows is what a cluster costs, not what it brings.\n",
        circumstances.date,
        if all == 1 { "" } else { "s" },
        circumstances.machine,
        circumstances.load_before,
    );
    let _ = writeln!(
        text,
        "{} readers of one post, spread evenly over the nodes; comments are written to the first.\n\n\
         | nodes | deliveries/s at saturation | CPU µs a delivery, all nodes | at saturation | NATS's CPU µs a \
         comment | p50 ms, the writer's node | p99 ms | p50 ms, other nodes | p99 ms | the hop adds, p50 ms | \
         generator's CPU % | at saturation |\n|---|---|---|---|---|---|---|---|---|---|---|---|",
        count(readers)
    );
    for nodes in 1..=NODES {
        if !rounds.0.contains_key(&nodes) {
            continue;
        }
        let cell = |metric| shown(rounds.spread(nodes, metric));
        let _ = writeln!(
            text,
            "| {nodes} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            cell(Metric::Rate),
            cell(Metric::Cpu),
            cell(Metric::CpuSaturated),
            cell(Metric::NatsCpu),
            cell(Metric::NearP50),
            cell(Metric::NearP99),
            cell(Metric::FarP50),
            cell(Metric::FarP99),
            shown(rounds.hop(nodes, Metric::NearP50, Metric::FarP50)),
            cell(Metric::GeneratorCpu),
            cell(Metric::GeneratorCpuSaturated),
        );
    }
    let _ = writeln!(text, "\n## Versions\n\n| | |\n|---|---|");
    for (name, version) in &circumstances.versions {
        let _ = writeln!(text, "| {name} | {version} |");
    }
    text
}

fn shown(spread: Option<Spread>) -> String {
    match spread {
        None => "–".into(),
        Some(spread) if spread.least < spread.greatest => format!(
            "{} ({}–{})",
            figure(spread.median),
            figure(spread.least),
            figure(spread.greatest)
        ),
        Some(spread) => figure(spread.median),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hop_is_the_difference_within_a_round() {
        let round = |near, far| Figures::from([(Metric::NearP50, near), (Metric::FarP50, far)]);
        // The machine slowed down, but the hop did not change.
        let rounds = Rounds(BTreeMap::from([
            (1, vec![Figures::from([(Metric::NearP50, 5.0)])]),
            (2, vec![round(1.0, 1.5), round(8.0, 8.5)]),
        ]));
        let hop = |nodes| rounds.hop(nodes, Metric::NearP50, Metric::FarP50);
        assert_eq!(hop(1), None);
        let hop = hop(2).unwrap();
        assert_eq!((hop.least, hop.greatest), (0.5, 0.5));
    }
}
