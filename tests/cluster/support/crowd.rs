//! Readers and writers of one post, spread over the nodes, and what must be true of them.

use std::{
    collections::{BTreeSet, HashSet},
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::{sync::watch, task::JoinHandle};

use super::{
    cluster::{Cluster, NODES},
    feed::Feed,
    node::Node,
    reader::{Loss, Reader, Seen, Viewer},
    waiting::{eventually, within},
    writer::Writer,
};

/// How long is waited for what has no time of its own in the contract.
const PATIENCE: Duration = Duration::from_secs(60);

/// Who comes to a post.
pub(crate) struct Party {
    pub(crate) readers: usize,
    /// How many on each node only look, and do not come back when they lose their connection.
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
    /// A post that few read.
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
    /// Where its feed begins.
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
    /// Opens the post. Nobody is there yet.
    pub(crate) async fn open(cluster: &Cluster, post: &'static str) -> Self {
        let nodes = cluster.nodes.iter().map(Node::address).collect();
        Self::open_at(cluster, post, nodes).await
    }

    /// The same for those who know these addresses of the cluster.
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

    /// Opens the post, brings everybody there, and waits until all are shown that all are in, and
    /// comments are flowing.
    pub(crate) async fn gather(cluster: &Cluster, post: &'static str, party: Party) -> Self {
        let nodes = cluster.nodes.iter().map(Node::address).collect();
        Self::gather_at(cluster, post, party, nodes).await
    }

    /// The same for those who know these addresses of the cluster.
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
        crowd.until_counted(cluster, PATIENCE).await;
        // What comes later comes to readers who have something to lose.
        crowd.until_written(3).await;
        crowd.until_told().await;
        crowd
    }

    /// Somebody comes to this node.
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

    /// The first of those who are there goes.
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

    /// What was seen on the way.
    pub(crate) fn feed(&self) -> &Feed {
        &self.feed
    }

    /// Waits until each writer has so many more comments acknowledged.
    pub(crate) async fn until_written(&self, more: usize) {
        let goals: Vec<usize> = self.written().iter().map(|done| done + more).collect();
        eventually("writers get on", || {
            self.feed.check();
            let done = self.written();
            let is_so = done.iter().zip(&goals).all(|(done, goal)| done >= goal);
            std::future::ready(is_so.then_some(()).ok_or(done))
        })
        .await;
    }

    fn written(&self) -> Vec<usize> {
        let writers = self.writers.iter();
        writers.map(|(seen, _)| *seen.borrow()).collect()
    }

    /// Lets this much time pass, in which nothing may go wrong. For how long a fault lasts.
    pub(crate) async fn endure(&self, time: Duration) {
        let start = Instant::now();
        while start.elapsed() < time {
            self.feed.check();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until everybody who comes back is in, every one of them is shown the number of those
    /// who are there, and every node says it of the post.
    pub(crate) async fn until_counted(&self, cluster: &Cluster, limit: Duration) {
        let nodes: Vec<&Node> = cluster.nodes.iter().collect();
        self.until_counted_by(&nodes, limit).await;
    }

    /// The same, asking only these nodes.
    pub(crate) async fn until_counted_by(&self, nodes: &[&Node], limit: Duration) {
        let what = format!("{}: all agree how many there are", self.post);
        within(limit, &what, || async {
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

    /// How many of them are connected with this node.
    pub(crate) fn connected_with(&self, node: SocketAddr) -> usize {
        let is_there = |member: &&Member| {
            let seen = member.seen.borrow();
            seen.viewers.is_some() && seen.node == Some(node)
        };
        self.members.iter().filter(is_there).count()
    }

    /// Waits until nobody is connected with this node any more.
    pub(crate) async fn until_gone_from(&self, node: SocketAddr) {
        eventually("everybody has noticed", || {
            self.feed.check();
            let left = self.connected_with(node);
            std::future::ready((left == 0).then_some(()).ok_or(left))
        })
        .await;
    }

    /// Waits until these nodes, which hear of no other, say how many are connected with them.
    pub(crate) async fn until_counted_alone(&self, nodes: &[&Node], limit: Duration) {
        let what = format!("{}: those who are left count themselves", self.post);
        within(limit, &what, || async {
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

    /// How many distinct viewers are there.
    pub(crate) fn number(&self) -> u64 {
        self.distinct(|seen| !seen.is_over)
    }

    /// How many distinct viewers with whom it stands like this.
    fn distinct(&self, is_so: impl Fn(&Seen) -> bool) -> u64 {
        let those = self
            .members
            .iter()
            .filter(|member| is_so(&member.seen.borrow()));
        let viewers: HashSet<&Viewer> = those.map(|member| &member.viewer).collect();
        viewers.len() as u64
    }

    /// Waits until everybody who comes back has at least as many comments as are acknowledged now.
    pub(crate) async fn until_told(&self) {
        let acknowledged: usize = self.written().iter().sum();
        eventually("what is acknowledged has reached everybody", || {
            self.feed.check();
            let least = self.held().first().copied().unwrap_or_default();
            let is_so = least >= acknowledged;
            std::future::ready(is_so.then_some(()).ok_or((acknowledged, least)))
        })
        .await;
    }

    /// How many comments those who come back have.
    fn held(&self) -> BTreeSet<usize> {
        let resuming = self
            .members
            .iter()
            .filter(|member| member.on_loss == Loss::Resume);
        resuming
            .map(|member| member.seen.borrow().comments)
            .collect()
    }

    /// Ends the writing, and waits until everybody who comes back has every comment that there is:
    /// exactly once, in one order, in which each writer's acknowledged comments are in the order in
    /// which they were written.
    pub(crate) async fn finish(mut self, cluster: &Cluster) {
        self.stop.send_replace(true);
        let mut acknowledged = Vec::new();
        for (_, task) in &mut self.writers {
            acknowledged.push(task.await.expect("a writer"));
        }
        let stored = stored(&cluster.nodes[0], self.post).await;
        eventually("everybody has everything", || {
            self.feed.check();
            let held = self.held();
            let is_so = held.iter().all(|held| *held == stored.len());
            std::future::ready(is_so.then_some(()).ok_or((stored.len(), held)))
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

/// The first two thirds are anonymous; of the others two are the same user, on two nodes.
fn viewer(number: usize, readers: usize) -> Viewer {
    match number.checked_sub(readers * 2 / 3) {
        Some(signed_in) => Viewer::User(format!("user-{}", signed_in / 2)),
        None => Viewer::Page(format!("page-{number}")),
    }
}

/// The ids of all comments of a post, in the order in which it took them.
async fn stored(node: &Node, post: &str) -> Vec<String> {
    let query = "query($post: ID!, $after: String) { post(id: $post) {
        comments(first: 100, after: $after) { nodes { id } pageInfo { hasNextPage endCursor } }
    } }";
    let mut ids = Vec::new();
    let mut after = Value::Null;
    loop {
        let answer = node.send(None, query, json!({"post": post, "after": after}));
        let answer = answer.await.expect("an answer");
        let page = &answer["data"]["post"]["comments"];
        for comment in page["nodes"].as_array().expect("comments") {
            ids.push(comment["id"].as_str().expect("an id").to_owned());
        }
        if page["pageInfo"]["hasNextPage"] == json!(false) {
            return ids;
        }
        after = page["pageInfo"]["endCursor"].clone();
    }
}
