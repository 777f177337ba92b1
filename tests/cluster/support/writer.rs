//! A writer that posts one comment after another, each until some node has acknowledged it.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use causerie::model::Role;
use serde_json::{Value, json};
use testkit::http_client::Client;
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval},
};

use super::{cluster::token, feed::Feed};

/// Timeout of an answer, after which the next node is tried. It is shorter than the nodes' database timeout,
/// which ends writes that wait for a lock of a frozen node.
const ANSWER: Duration = Duration::from_secs(3);
/// The pause after a failure.
const PAUSE: Duration = Duration::from_millis(50);

const WRITE: &str = "mutation($input: CreateCommentInput!) {
    createComment(input: $input) { comment { id } }
}";

/// A writer at a steady pace until told to stop.
pub(crate) struct Writer {
    pub(crate) number: usize,
    pub(crate) post: &'static str,
    pub(crate) nodes: Vec<SocketAddr>,
    pub(crate) pace: Duration,
    pub(crate) feed: Arc<Feed>,
    /// The number of its acknowledged comments.
    pub(crate) acknowledged: watch::Sender<usize>,
}

impl Writer {
    /// Returns the ids of the acknowledged comments, each acknowledged before the next was sent. A comment
    /// whose answer was lost may exist too, so each attempt has its own text.
    pub(crate) async fn write(self, mut stop: watch::Receiver<bool>) -> Vec<String> {
        let token = token(&format!("writer-{}", self.number), Role::Reader);
        let clients = self.nodes.iter().map(|node| {
            let client = Client::new(format!("http://{node}/graphql"));
            client.within(ANSWER).with_token(&token)
        });
        let clients: Vec<Client> = clients.collect();
        let mut pace = interval(self.pace);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut ids = Vec::new();
        let mut attempt = self.number;
        loop {
            tokio::select! {
                _ = pace.tick() => {}
                _ = stop.wait_for(|stop| *stop) => return ids,
            }
            let id = loop {
                let client = &clients[attempt % clients.len()];
                let body = format!("{}/{}/{attempt}", self.number, ids.len());
                let variables = json!({"input": {"postId": self.post, "body": body}});
                if let Some(id) = self.write_one(client, variables).await {
                    break id;
                }
                attempt += 1;
                tokio::time::sleep(PAUSE).await;
            };
            ids.push(id);
            self.acknowledged.send_replace(ids.len());
        }
    }

    /// Returns the comment's id from the answer, or `None` if there is none.
    async fn write_one(&self, client: &Client, variables: Value) -> Option<String> {
        let answer = client.attempt(WRITE, variables).await?;
        for error in answer["errors"].as_array().into_iter().flatten() {
            let code = error.pointer("/extensions/code").and_then(Value::as_str);
            self.feed.failed_with(code.unwrap_or("none"));
        }
        let id = answer.pointer("/data/createComment/comment/id")?.as_str()?;
        Some(id.to_owned())
    }
}
