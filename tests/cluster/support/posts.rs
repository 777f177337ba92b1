//! The posts of a cluster under test. Each assertion is made for both.

use std::collections::BTreeSet;

use super::{
    cluster::Cluster,
    crowd::{Crowd, Party},
};

/// A busy post and a quiet one.
pub(crate) struct Posts {
    pub(crate) busy: Crowd,
    pub(crate) quiet: Crowd,
}

impl Posts {
    pub(crate) async fn gather(cluster: &Cluster) -> Self {
        Self {
            busy: Crowd::gather(cluster, "busy", Party::BUSY).await,
            quiet: Crowd::gather(cluster, "quiet", Party::QUIET).await,
        }
    }

    pub(crate) async fn wait_until_counted(&self, cluster: &Cluster) {
        self.wait_until_counted_but_by(cluster, None).await;
    }

    /// Like `wait_until_counted`, except for a node that cannot be asked.
    pub(crate) async fn wait_until_counted_but_by(&self, cluster: &Cluster, lost: Option<usize>) {
        let nodes = cluster.nodes.iter().enumerate();
        let nodes: Vec<_> = nodes
            .filter(|(number, _)| Some(*number) != lost)
            .map(|(_, node)| node)
            .collect();
        self.busy.wait_until_counted_by(&nodes).await;
        self.quiet.wait_until_counted_by(&nodes).await;
    }

    /// Waits until writers progress and readers receive what was written, while the fault lasts.
    pub(crate) async fn go_on(&self) {
        self.busy.wait_until_written(10).await;
        self.quiet.wait_until_written(1).await;
        self.busy.wait_until_delivered().await;
        self.quiet.wait_until_delivered().await;
    }

    /// Asserts that requests failed only with these codes, and that both posts are complete.
    pub(crate) async fn finish(self, cluster: &Cluster, codes: &[&str]) {
        let codes: BTreeSet<String> = codes.iter().copied().map(str::to_owned).collect();
        for crowd in [self.busy, self.quiet] {
            let seen = crowd.feed().codes();
            assert!(seen.is_subset(&codes), "{seen:?}");
            crowd.finish(cluster).await;
        }
    }
}
