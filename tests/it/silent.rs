//! Readers who are gone without a word: their system takes what is sent, and nobody answers.

use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::support::{Socket, TestServer};

const SILENT: u64 = 1_000;
/// How many of them come at the same time.
const AT_ONCE: usize = 20;
/// Within how long nobody counts them any more, with the pings as they are set.
const GONE_WITHIN: Duration = Duration::from_secs(30);

const VIEWERS: &str = "subscription { viewerCount(postId: \"hello\") }";

/// The time is what is promised here, so it is what is measured: from when the last of them said its
/// last word.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_peers_that_are_gone_without_a_word_are_no_longer_counted_within_thirty_seconds()
{
    // So many come at once that a busy machine takes its time to let them in.
    let server = TestServer::start_with(&["--ws-init-timeout=1m"]).await;
    let mut watching = server.socket().await;
    watching.subscribe("v", VIEWERS, json!({})).await;
    assert_eq!(watching.data("v").await, json!({"viewerCount": 1}));
    let silent: Vec<Socket> = stream::iter(0..SILENT)
        .map(|_| async {
            let mut socket = server.socket().await;
            socket.subscribe("v", VIEWERS, json!({})).await;
            socket
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    // Reading is what answers the server's pings: only the one who watches does.
    let mut watching = watching.into_inner();
    count_to(&mut watching, SILENT + 1).await;
    timeout(GONE_WITHIN, count_to(&mut watching, 1))
        .await
        .expect("nobody counts them any more");
    server.until_census(1, 1).await;
    drop(silent);
    drop(watching);
    server.stop().await;
}

/// Takes what comes until so many are counted, however long it takes.
async fn count_to(watching: &mut (impl Stream<Item = Result<Message, Error>> + Unpin), count: u64) {
    let counted = json!({"viewerCount": count});
    loop {
        let message = watching
            .next()
            .await
            .expect("a message")
            .expect("a message");
        if let Message::Text(text) = message {
            let message: Value = serde_json::from_str(&text).expect("JSON");
            if message["payload"]["data"] == counted {
                return;
            }
        }
    }
}
