//! Readers and writers of one post, spread over the nodes, and the assertions about them.

use std::{
    collections::{BTreeSet, HashSet},
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use testkit::{node::Node, wait::wait_until};
use tokio::{sync::watch, task::JoinHandle};

use super::{
    cluster::{Cluster, NODES},
    feed::Feed,
    reader::{Loss, Reader, Seen, Viewer},
    writer::Writer,
};

/// The size of a crowd.
pub(crate) struct Party {
    pub(crate) readers: usize,
    /// Readers on each node that do not come back after a lost connection.
    pub(crate) passers_by: usize,
    pub(crate) writers: usize,
    /// The pause between a writer's comments.
    pub(crate) pace: Duration,
}

impl Party {
    /// The crowd of a busy post.
    pub(crate) const BUSY: Self = Self {
        readers: 60,
        passers_by: 4,
        writers: 4,
        pace: Duration::from_millis(100),
    };
    /// The crowd of a quiet post.
    pub(crate) const QUIET: Self = Self {
        readers: 3,
        passers_by: 0,
        writers: 1,
        pace: Duration::from_secs(1),
    };
}

/// A post's readers and writers. They end with it.
pub(crate) struct Crowd {
    post: &'static str,
    /// The cursor of the feed's beginning.
    start: Value,
    nodes: Vec<SocketAddr>,
    feed: Arc<Feed>,
    members: Vec<Member>,
    writers: Vec<(watch::Receiver<usize>, JoinHandle<Vec<String>>)>,
    stop: watch::Sender<bool>,
}

struct Member {
    viewer: Viewer,
    on_loss: Loss,
    seen: watch::Receiver<Seen>,
}

impl Crowd {
    /// Creates the post without any reader.
    pub(crate) async fn open(cluster: &Cluster, post: &'static str) -> Self {
        let nodes = cluster.nodes.iter().map(Node::address).collect();
        Self::open_at(cluster, post, nodes).await
    }

    /// Like [`open`](Self::open), for readers that know only these addresses.
    async fn open_at(cluster: &Cluster, post: &'static str, nodes: Vec<SocketAddr>) -> Self {
        Self {
            post,
            start: cluster.open_post(post).await,
            nodes,
            feed: Arc::default(),
            members: Vec::new(),
            writers: Vec::new(),
            stop: watch::Sender::new(false),
        }
    }

    /// Creates the post, starts the crowd, and waits until every reader sees the full count and comments are
    /// flowing.
    pub(crate) async fn gather(cluster: &Cluster, post: &'static str, party: Party) -> Self {
        let nodes = cluster.nodes.iter().map(Node::address).collect();
        Self::gather_at(cluster, post, party, nodes).await
    }

    /// Like [`gather`](Self::gather), for readers that know only these addresses.
    pub(crate) async fn gather_at(
        cluster: &Cluster,
        post: &'static str,
        party: Party,
        nodes: Vec<SocketAddr>,
    ) -> Self {
        let mut crowd = Self::open_at(cluster, post, nodes).await;
        for number in 0..party.readers {
            crowd.join(number % NODES, viewer(number, party.readers), Loss::Resume);
        }
        for number in 0..party.passers_by * NODES {
            let viewer = Viewer::Page(format!("passer-by-{number}"));
            crowd.join(number % NODES, viewer, Loss::Leave);
        }
        for number in 0..party.writers {
            crowd.write(number, party.pace);
        }
        crowd.wait_until_counted(cluster).await;
        // Later events must find readers that already have comments.
        crowd.wait_until_written(3).await;
        crowd.wait_until_delivered().await;
        crowd
    }

    /// Starts a reader on this node.
    pub(crate) fn join(&mut self, node: usize, viewer: Viewer, on_loss: Loss) {
        let (seen, sees) = watch::channel(Seen::default());
        let mut nodes = self.nodes.clone();
        let first = node % nodes.len();
        nodes.rotate_left(first);
        let reader = Reader {
            number: self.members.len(),
            viewer: viewer.clone(),
            post: self.post,
            nodes,
            on_loss,
            cursor: self.start.clone(),
            feed: Arc::clone(&self.feed),
            seen,
        };
        tokio::spawn(reader.read());
        self.members.push(Member {
            viewer,
            on_loss,
            seen: sees,
        });
    }

    /// Ends the reader that joined first.
    pub(crate) fn leave(&mut self) {
        self.members.remove(0);
    }

    fn write(&mut self, number: usize, pace: Duration) {
        let (acknowledged, seen) = watch::channel(0);
        let writer = Writer {
            number,
            post: self.post,
            nodes: self.nodes.clone(),
            pace,
            feed: Arc::clone(&self.feed),
            acknowledged,
        };
        let task = tokio::spawn(writer.write(self.stop.subscribe()));
        self.writers.push((seen, task));
    }

    /// Returns the events that readers and writers recorded.
    pub(crate) fn feed(&self) -> &Feed {
        &self.feed
    }

    /// Waits until each writer has `more` additional comments acknowledged.
    pub(crate) async fn wait_until_written(&self, more: usize) {
        let goals: Vec<usize> = self.written().iter().map(|done| done + more).collect();
        wait_until("writers get on", async || {
            self.feed.check();
            let done = self.written();
            let is_so = done.iter().zip(&goals).all(|(done, goal)| done >= goal);
            is_so.then_some(()).ok_or(done)
        })
        .await;
    }

    fn written(&self) -> Vec<usize> {
        let writers = self.writers.iter();
        writers.map(|(seen, _)| *seen.borrow()).collect()
    }

    /// Lets this much time pass while the feed must stay consistent. It serves the duration of a fault.
    pub(crate) async fn endure(&self, time: Duration) {
        let start = Instant::now();
        while start.elapsed() < time {
            self.feed.check();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until every returning reader is in the room and sees the true number of viewers, and every node
    /// reports it.
    pub(crate) async fn wait_until_counted(&self, cluster: &Cluster) {
        let nodes: Vec<&Node> = cluster.nodes.iter().collect();
        self.wait_until_counted_by(&nodes).await;
    }

    /// Like [`wait_until_counted`](Self::wait_until_counted), but asks only these nodes.
    pub(crate) async fn wait_until_counted_by(&self, nodes: &[&Node]) {
        let what = format!("{}: all agree how many there are", self.post);
        wait_until(&what, async || {
            self.feed.check();
            self.all_are_in()?;
            let truth = self.number();
            let others: BTreeSet<_> = self
                .members
                .iter()
                .filter_map(|member| {
                    let seen = member.seen.borrow();
                    (!seen.is_over && seen.viewers != Some(truth)).then_some(seen.viewers)
                })
                .collect();
            if !others.is_empty() {
                return Err(format!("of {truth}, readers are shown {others:?}"));
            }
            for node in nodes {
                let count = node.viewer_count(self.post).await;
                if count != Some(truth) {
                    return Err(format!("of {truth}, {} says {count:?}", node.address()));
                }
            }
            Ok(())
        })
        .await;
    }

    fn all_are_in(&self) -> Result<(), String> {
        let is_out = |member: &&Member| {
            let seen = member.seen.borrow();
            !seen.is_over && seen.viewers.is_none()
        };
        match self.members.iter().filter(is_out).count() {
            0 => Ok(()),
            out => Err(format!("{out} are not in the room")),
        }
    }

    /// Returns the number of readers connected with this node.
    pub(crate) fn connected_with(&self, node: SocketAddr) -> usize {
        let is_there = |member: &&Member| {
            let seen = member.seen.borrow();
            seen.viewers.is_some() && seen.node == Some(node)
        };
        self.members.iter().filter(is_there).count()
    }

    /// Waits until no reader is connected with this node.
    pub(crate) async fn wait_until_gone_from(&self, node: SocketAddr) {
        wait_until("everybody has noticed", async || {
            self.feed.check();
            let left = self.connected_with(node);
            (left == 0).then_some(()).ok_or(left)
        })
        .await;
    }

    /// Waits until these nodes, which are isolated, report the number of viewers connected with them.
    pub(crate) async fn wait_until_counted_alone(&self, nodes: &[&Node]) {
        let what = format!("{}: those who are left count themselves", self.post);
        wait_until(&what, async || {
            self.feed.check();
            let addresses: Vec<SocketAddr> = nodes.iter().map(|node| node.address()).collect();
            let truth = self.distinct(|seen| {
                seen.viewers.is_some() && seen.node.is_some_and(|node| addresses.contains(&node))
            });
            for node in nodes {
                let count = node.viewer_count(self.post).await;
                if count != Some(truth) {
                    return Err(format!("of {truth}, {} says {count:?}", node.address()));
                }
            }
            Ok(())
        })
        .await;
    }

    /// Returns the number of distinct viewers.
    pub(crate) fn number(&self) -> u64 {
        self.distinct(|seen| !seen.is_over)
    }

    /// Returns the number of distinct viewers with a reader in this state.
    fn distinct(&self, is_so: impl Fn(&Seen) -> bool) -> u64 {
        let those = self
            .members
            .iter()
            .filter(|member| is_so(&member.seen.borrow()));
        let viewers: HashSet<&Viewer> = those.map(|member| &member.viewer).collect();
        viewers.len() as u64
    }

    /// Waits until every returning reader has at least as many comments as are acknowledged now.
    pub(crate) async fn wait_until_delivered(&self) {
        let acknowledged: usize = self.written().iter().sum();
        wait_until("what is acknowledged has reached everybody", async || {
            self.feed.check();
            let least = self.held().first().copied().unwrap_or_default();
            let is_so = least >= acknowledged;
            is_so.then_some(()).ok_or((acknowledged, least))
        })
        .await;
    }

    /// Returns the numbers of comments that returning readers have.
    fn held(&self) -> BTreeSet<usize> {
        let resuming = self
            .members
            .iter()
            .filter(|member| member.on_loss == Loss::Resume);
        resuming
            .map(|member| member.seen.borrow().comments)
            .collect()
    }

    /// Stops the writers, and waits until every returning reader has every stored comment exactly once and in
    /// one order. Each writer's acknowledged comments must be in the order of writing.
    pub(crate) async fn finish(mut self, cluster: &Cluster) {
        self.stop.send_replace(true);
        let mut acknowledged = Vec::new();
        for (_, task) in &mut self.writers {
            acknowledged.push(task.await.expect("a writer"));
        }
        let stored = stored(&cluster.nodes[0], self.post).await;
        wait_until("everybody has everything", async || {
            self.feed.check();
            let held = self.held();
            let is_so = held.iter().all(|held| *held == stored.len());
            is_so.then_some(()).ok_or((stored.len(), held))
        })
        .await;
        assert_eq!(self.feed.order(), stored, "{}", self.post);
        for ids in acknowledged {
            let mine: HashSet<&String> = ids.iter().collect();
            let in_feed: Vec<&String> = stored.iter().filter(|id| mine.contains(id)).collect();
            assert_eq!(in_feed, ids.iter().collect::<Vec<_>>(), "{}", self.post);
        }
        eprintln!("{}: {} comments", self.post, stored.len());
    }
}

/// Returns the identity of a reader. The first two thirds are anonymous; of the others two share a user, on
/// two nodes.
fn viewer(number: usize, readers: usize) -> Viewer {
    match number.checked_sub(readers * 2 / 3) {
        Some(signed_in) => Viewer::User(format!("user-{}", signed_in / 2)),
        None => Viewer::Page(format!("page-{number}")),
    }
}

/// Returns the ids of all comments of a post, in its order.
async fn stored(node: &Node, post: &str) -> Vec<String> {
    let query = "query($post: ID!, $after: String) { post(id: $post) {
        comments(first: 100, after: $after) { nodes { id } pageInfo { hasNextPage endCursor } }
    } }";
    let client = node.client();
    let mut ids = Vec::new();
    let mut after = Value::Null;
    loop {
        let mut data = client
            .send(query, json!({"post": post, "after": after}))
            .await;
        let page = data["post"]["comments"].take();
        for comment in page["nodes"].as_array().expect("comments") {
            ids.push(comment["id"].as_str().expect("an id").to_owned());
        }
        if page["pageInfo"]["hasNextPage"] == json!(false) {
            return ids;
        }
        after = page["pageInfo"]["endCursor"].clone();
    }
}
