//! Readers that are gone without a close frame: their systems still accept what is sent, but no program
//! answers.

use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::support::{Socket, TestServer};

const SILENT: u64 = 1_000;
/// The number of sockets that connect at the same time.
const AT_ONCE: usize = 20;
/// The time within which gone readers are no longer counted, with the default ping interval.
const GONE_WITHIN: Duration = Duration::from_secs(30);

const VIEWERS: &str = "subscription { viewerCount(postId: \"hello\") }";

/// The measured time starts at the last client's last message, because the time itself is promised.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousand_silent_peers_are_no_longer_counted_after_30_s() {
    // A busy machine needs a while to accept this many at once.
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
    // Reading answers the server's pings, and only `watching` is read.
    let mut watching = watching.into_inner();
    count_to(&mut watching, SILENT + 1).await;
    timeout(GONE_WITHIN, count_to(&mut watching, 1))
        .await
        .expect("nobody counts them any more");
    server.wait_for_members(1, 1).await;
    drop(silent);
    drop(watching);
    server.stop().await;
}

/// Reads until `count` viewers are reported, however long it takes.
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
