//! Rooms as their members see them: comments, viewer counts and typing.

use std::time::Duration;

use serde_json::json;

use crate::support::TestServer;

const ADDED: &str =
    "subscription($post: ID!) { commentAdded(postId: $post) { body author { name } } }";
const VIEWERS: &str = "subscription { viewerCount(postId: \"hello\") }";
const TYPING: &str = "subscription { typing(postId: \"hello\") { user { name } isTyping } }";
const SET_TYPING: &str = "mutation($on: Boolean!) { setTyping(input: { postId: \"hello\", isTyping: $on }) { isTyping } }";

#[tokio::test]
async fn comment_reaches_every_reader_except_the_client_that_wrote_it() {
    let server = TestServer::start().await;
    let mut ada = server.reader_socket("ada").await;
    let mut other_tab_of_ada = server.connect().await;
    let token = crate::support::token("ada", "ada", causerie::model::Role::Reader);
    other_tab_of_ada
        .init(json!({"authorization": token, "clientId": "tab2"}))
        .await;
    let mut bob = server.socket().await;
    for socket in [&mut ada, &mut other_tab_of_ada, &mut bob] {
        socket.subscribe("c", ADDED, json!({"post": "hello"})).await;
        assert!(socket.settle().await.is_empty());
    }
    server.wait_for_members(1, 3).await;

    server.reader("ada").named("ada").comment("hi there").await;

    let expected = json!({"commentAdded": {"body": "hi there", "author": {"name": "ada"}}});
    assert_eq!(other_tab_of_ada.data("c").await, expected);
    assert_eq!(bob.data("c").await, expected);
    assert!(
        ada.settle().await.is_empty(),
        "the writer has the mutation's answer"
    );

    for socket in [ada, other_tab_of_ada, bob] {
        socket.close().await;
    }
    server.stop().await;
}

#[tokio::test]
async fn viewer_count_comes_at_once_and_follows_joins_and_leaves() {
    let server = TestServer::start().await;
    let mut first = server.socket().await;
    first.subscribe("v", VIEWERS, json!({})).await;
    assert_eq!(first.data("v").await, json!({"viewerCount": 1}));
    let mut second = server.socket().await;
    second.subscribe("v", VIEWERS, json!({})).await;
    assert_eq!(second.data("v").await, json!({"viewerCount": 2}));
    assert_eq!(first.data("v").await, json!({"viewerCount": 2}));
    second.complete("v").await;
    assert_eq!(first.data("v").await, json!({"viewerCount": 1}));
    second.close().await;
    first.vanish();
    server.stop().await;
}

#[tokio::test]
async fn typing_shows_to_others_and_ends_on_stop_post_or_leave() {
    let server = TestServer::start().await;
    let mut ada = server.reader_socket("ada").await;
    ada.subscribe("t", TYPING, json!({})).await;
    let mut bob = server.reader_socket("bob").await;
    bob.subscribe("t", TYPING, json!({})).await;
    server.wait_for_members(1, 2).await;

    let started = json!({"typing": {"user": {"name": "ada"}, "isTyping": true}});
    let stopped = json!({"typing": {"user": {"name": "ada"}, "isTyping": false}});
    let http = server.reader("ada").named("ada");

    http.send(SET_TYPING, json!({"on": true})).await;
    assert_eq!(bob.data("t").await, started);
    http.send(SET_TYPING, json!({"on": false})).await;
    assert_eq!(bob.data("t").await, stopped);

    http.send(SET_TYPING, json!({"on": true})).await;
    assert_eq!(bob.data("t").await, started);
    http.comment("done").await;
    assert_eq!(bob.data("t").await, stopped);

    http.send(SET_TYPING, json!({"on": true})).await;
    assert_eq!(bob.data("t").await, started);
    assert!(
        ada.settle().await.is_empty(),
        "nobody hears of their own typing"
    );
    ada.vanish();
    assert_eq!(bob.data("t").await, stopped);
    bob.close().await;
    server.stop().await;
}

#[tokio::test]
async fn typing_ends_unless_refreshed() {
    let server = TestServer::start().await;
    let mut bob = server.socket().await;
    bob.subscribe("t", TYPING, json!({})).await;
    assert!(bob.settle().await.is_empty());
    let started = tokio::time::Instant::now();
    server
        .reader("ada")
        .named("ada")
        .send(SET_TYPING, json!({"on": true}))
        .await;
    assert_eq!(bob.data("t").await["typing"]["isTyping"], json!(true));
    assert_eq!(bob.data("t").await["typing"]["isTyping"], json!(false));
    assert!(started.elapsed() >= Duration::from_secs(6));
    bob.close().await;
    server.stop().await;
}

/// The messages of a thousand joins in a burst grow with the readers and with time, not with the readers
/// times the joins.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn burst_of_joins_sends_linear_messages_and_ends_exact() {
    const READERS: usize = 400;
    let server = TestServer::start().await;
    let began = std::time::Instant::now();
    let mut readers = Vec::new();
    for _ in 0..READERS {
        let mut socket = server.socket().await;
        socket.subscribe("v", VIEWERS, json!({})).await;
        readers.push(socket);
    }
    let mut messages = 0;
    for socket in &mut readers {
        // Every reader receives the last value, whatever it received before.
        while socket.data("v").await["viewerCount"] != json!(READERS) {
            messages += 1;
        }
        messages += 1;
    }
    // One message at once, and then one in each window of 250 ms.
    let windows = began.elapsed().as_millis() / 250 + 2;
    let most = READERS * (usize::try_from(windows).expect("few") + 1);
    assert!(messages <= most, "{messages} messages, {windows} windows");
    for socket in readers {
        socket.vanish();
    }
    server.stop().await;
}
