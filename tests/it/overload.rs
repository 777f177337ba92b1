//! A server whose memory is used up: what it refuses, with which code, and what goes on.

use std::net::IpAddr;

use causerie::memory::{Account, Reservation};
use serde_json::{Value, json};

use crate::support::{TestServer, frame, wait_until};

fn code(error: &Value) -> &str {
    error["extensions"]["code"].as_str().expect("a code")
}

/// The media type in which a refusal has a status.
const MEDIA_TYPE: &str = "application/graphql-response+json";
const TITLE: &str = "{ post(id: \"hello\") { title } }";

/// Reserves all of the memory that an account may still have.
fn exhaust(server: &TestServer, account: &Account) -> Reservation {
    let mut all = account.empty();
    let mut step = server.observer().memory().limit();
    while step > 0 {
        if all.grow(step).is_err() {
            step /= 2;
        }
    }
    all
}

async fn small_server() -> TestServer {
    let settings = [
        "--rate-limits=on",
        "--trusted-proxies=127.0.0.1",
        "--memory-limit=67108864",
    ];
    TestServer::start_with(&settings).await
}

#[tokio::test]
async fn address_that_holds_its_part_of_memory_is_refused_alone() {
    let server = small_server().await;
    let address: IpAddr = "192.0.2.1".parse().expect("an address");
    let account = server.observer().memory().of_requests(Some(address.into()));
    let held = exhaust(&server, &account);
    let here = server.client().accepting(MEDIA_TYPE).behind("192.0.2.1");
    let there = server.client().behind("192.0.2.2");
    let refused = here.try_send(TITLE, Value::Null).await;
    assert_eq!(
        (refused.status.as_u16(), code(&refused.error())),
        (429, "RATE_LIMITED")
    );
    assert_eq!(refused.headers["retry-after"], "1");
    there.send(TITLE, Value::Null).await;
    drop(held);
    here.send(TITLE, Value::Null).await;
    server.stop().await;
}

#[tokio::test]
async fn request_without_memory_is_answered_service_unavailable() {
    let server = small_server().await;
    let held = exhaust(&server, &server.observer().memory().of_requests(None));
    let mut socket = server.socket().await;
    let client = server.client().accepting(MEDIA_TYPE);
    let refused = client.try_send(TITLE, Value::Null).await;
    let error = refused.error();
    assert_eq!(
        (refused.status.as_u16(), code(&error)),
        (503, "SERVICE_UNAVAILABLE")
    );
    assert_eq!(refused.headers["retry-after"], "1");
    assert_eq!(error["extensions"]["retryAfterMs"], 1000);
    let json = server.client().accepting("application/json");
    let refused = json.try_send(TITLE, Value::Null).await;
    assert_eq!(
        (refused.status.as_u16(), code(&refused.error())),
        (200, "SERVICE_UNAVAILABLE")
    );
    for query in [TITLE, "subscription { viewerCount(postId: \"hello\") }"] {
        socket.subscribe("s", query, json!({})).await;
        let message = socket.message().await;
        assert_eq!(
            code(&message["payload"][0]),
            "SERVICE_UNAVAILABLE",
            "{message}"
        );
    }
    let write =
        "mutation { createComment(input: { postId: \"hello\", body: \"x\" }) { comment { id } } }";
    assert_eq!(
        code(&server.reader("ada").refused(write, Value::Null).await),
        "SERVICE_UNAVAILABLE"
    );
    drop(held);
    assert_eq!(server.client().bodies().await.len(), 0, "nothing was done");
    socket.subscribe("s", TITLE, json!({})).await;
    assert_eq!(socket.message().await["type"], "next");
    server.stop().await;
}

#[tokio::test]
async fn part_of_a_large_message_without_memory_closes_1013() {
    let server = small_server().await;
    let mut socket = server.socket().await;
    let held = exhaust(&server, &server.observer().memory().of_requests(None));
    let part = frame::frame(frame::TEXT, "x".repeat(100 * 1024));
    socket.send_bytes(&part).await;
    assert_eq!(socket.closed().await.0, 1013);
    drop(held);
    server.stop().await;
}

#[tokio::test]
async fn event_without_memory_waits_and_then_arrives() {
    let server = small_server().await;
    let count = "subscription { viewerCount(postId: \"hello\") }";
    let (mut first, mut second) = (server.socket().await, server.socket().await);
    first.subscribe("s", count, json!({})).await;
    assert_eq!(first.data("s").await["viewerCount"], 1);
    let held = exhaust(&server, &server.observer().memory().of_events());
    // The operation is known already, so it needs no memory of its own.
    second.subscribe("s", count, json!({})).await;
    let events = server.observer().memory().events().refused();
    wait_until("an event is refused memory", async || {
        server.observer().memory().events().refused() > events
    })
    .await;
    assert!(first.settle().await.is_empty());
    drop(held);
    assert_eq!(first.data("s").await["viewerCount"], 2);
    assert_eq!(second.data("s").await["viewerCount"], 2);
    server.stop().await;
}
