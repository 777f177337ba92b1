//! Viewer counts of posts that have no room on this node: a scatter-gather query to the other nodes.
//!
//! Queries are single-flight per post, and an answer is reused for [`FRESH`]. So a post costs at most
//! two queries a second, however often it is asked for.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::{model::PostId, rooms::NodeId};

/// Time for which an answer is reused.
const FRESH: Duration = Duration::from_millis(500);
/// Maximum number of posts that are queried at the same time. A further one is taken to have no
/// viewers.
const MAX_QUERIES: usize = 4096;
/// Timeout of a query. A node that has not answered by then is taken to have no viewers.
pub(super) const TIMEOUT: Duration = Duration::from_millis(400);

#[derive(Debug)]
struct PendingQuery {
    started_at: Instant,
    /// Nodes that have not answered.
    missing: HashSet<NodeId>,
    count: watch::Sender<Option<usize>>,
}

/// The queries under way, and those answered just now.
#[derive(Debug, Default)]
pub(super) struct RemoteCounts(Mutex<HashMap<PostId, PendingQuery>>);

/// A query's answer, when it arrives.
#[derive(Debug)]
pub(super) enum Query {
    /// A new query. The caller must have a `CountRequest` sent.
    Started(watch::Receiver<Option<usize>>),
    /// A query that is under way or was answered just now.
    Joined(watch::Receiver<Option<usize>>),
    /// None, because [`MAX_QUERIES`] are under way.
    Rejected,
}

impl RemoteCounts {
    /// Starts a query for the viewers of `post`, or joins the one under way.
    pub(super) fn query(&self, post: &PostId, now: Instant) -> Query {
        let mut queries = self.0.lock();
        if let Some(query) = queries.get(post)
            && now < query.started_at + FRESH
        {
            return Query::Joined(query.count.subscribe());
        }
        if queries.len() == MAX_QUERIES {
            queries.retain(|_, query| now < query.started_at + FRESH);
            if queries.len() == MAX_QUERIES {
                return Query::Rejected;
            }
        }
        let (count, answer) = watch::channel(None);
        let query = PendingQuery {
            started_at: now,
            missing: HashSet::new(),
            count,
        };
        queries.insert(post.clone(), query);
        Query::Started(answer)
    }

    /// Records the nodes to which the request is sent. Without any, the answer is zero.
    pub(super) fn sent(&self, post: &PostId, nodes: impl Iterator<Item = NodeId>) {
        let mut queries = self.0.lock();
        if let Some(query) = queries.get_mut(post) {
            query.missing = nodes.collect();
            if query.missing.is_empty() {
                query.count.send_replace(Some(0));
            }
        }
    }

    /// Records a node's answer. `count` is `None` if the node has no room of the post.
    pub(super) fn answer(&self, post: &PostId, node: NodeId, count: Option<usize>) {
        let mut queries = self.0.lock();
        let Some(query) = queries.get_mut(post) else {
            return;
        };
        let was_missing = query.missing.remove(&node);
        // A node in the room knows the viewers of all nodes, so the first count is the answer.
        let answer = match count {
            Some(count) => count,
            None if was_missing && query.missing.is_empty() => 0,
            None => return,
        };
        query.count.send_if_modified(|count| {
            let is_first = count.is_none();
            count.get_or_insert(answer);
            is_first
        });
    }

    /// Removes answers that are no longer fresh.
    pub(super) fn sweep(&self, now: Instant) {
        self.0
            .lock()
            .retain(|_, query| now < query.started_at + FRESH);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn post() -> PostId {
        PostId::parse("p").unwrap()
    }

    fn start(counts: &RemoteCounts, now: Instant) -> watch::Receiver<Option<usize>> {
        match counts.query(&post(), now) {
            Query::Started(answer) => answer,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn first_count_answers_and_zero_needs_every_node() {
        let now = Instant::now();
        let [one, two] = [NodeId::new(), NodeId::new()];
        let counts = RemoteCounts::default();
        let answer = start(&counts, now);
        counts.sent(&post(), [one, two].into_iter());
        counts.answer(&post(), one, None);
        assert_eq!(*answer.borrow(), None);
        counts.answer(&post(), two, Some(3));
        assert_eq!(*answer.borrow(), Some(3));
        assert!(matches!(counts.query(&post(), now), Query::Joined(_)));

        let answer = start(&counts, now + FRESH);
        counts.sent(&post(), [one, two].into_iter());
        for node in [one, one, two] {
            assert_eq!(*answer.borrow(), None);
            counts.answer(&post(), node, None);
        }
        assert_eq!(*answer.borrow(), Some(0));
    }

    #[test]
    fn query_without_other_nodes_answers_zero() {
        let now = Instant::now();
        let counts = RemoteCounts::default();
        let answer = start(&counts, now);
        counts.sent(&post(), [].into_iter());
        assert_eq!(*answer.borrow(), Some(0));
    }

    #[test]
    fn queries_under_way_are_bounded() {
        let now = Instant::now();
        let counts = RemoteCounts::default();
        for number in 0..MAX_QUERIES {
            let post = PostId::parse(&format!("p{number}")).unwrap();
            assert!(matches!(counts.query(&post, now), Query::Started(_)));
        }
        assert!(matches!(counts.query(&post(), now), Query::Rejected));
        let later = now + FRESH;
        assert!(matches!(counts.query(&post(), later), Query::Started(_)));
        counts.sweep(now + 2 * FRESH);
        assert!(counts.0.lock().is_empty());
    }
}
