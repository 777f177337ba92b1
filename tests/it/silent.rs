//! Readers that are gone without a close frame: their systems still accept what is sent, but no program
//! answers.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use serde_json::json;
use tokio::sync::watch;

use crate::support::{Frame, Socket, TestServer, settings, within};

const SILENT: u64 = 1_000;
/// The number of sockets that connect at the same time.
const AT_ONCE: usize = 20;
/// The time within which gone readers are no longer counted, with the default ping interval.
const GONE_WITHIN: Duration = Duration::from_secs(30);

const VIEWERS: &str = "subscription { viewerCount(postId: \"hello\") }";

/// The promised time follows from the interval, because a socket is closed when a second ping is due.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousand_silent_peers_are_no_longer_counted_after_30_s() {
    assert!(2 * settings(&[]).ws.ws_ping_interval < GONE_WITHIN);
    let server = TestServer::start().await;
    let mut watching = server.socket().await;
    watching.subscribe("v", VIEWERS, json!({})).await;
    // Reading answers the server's pings, and only this socket is read.
    let (seen, mut count) = watch::channel(0);
    let watching = tokio::spawn(async move {
        while let Frame::Message(message) = watching.frame().await {
            let count = message["payload"]["data"]["viewerCount"].as_u64();
            seen.send_replace(count.expect("a number"));
        }
    });
    let silent: Vec<Socket> = stream::iter(0..SILENT)
        .map(|_| async {
            let mut socket = server.socket().await;
            socket.subscribe("v", VIEWERS, json!({})).await;
            socket
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    for expected in [SILENT + 1, 1] {
        while *count.borrow_and_update() != expected {
            let another = within("another count", count.changed()).await;
            another.expect("it is watched");
        }
    }
    server.wait_for_members(1, 1).await;
    drop(silent);
    watching.abort();
    server.stop().await;
}
