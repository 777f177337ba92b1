//! The activity of posts, for pages that list them.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use causerie::{cluster::backplane::memory::Network, model::Role};
use serde_json::{Value, json};

use crate::{
    limits::code,
    posts::author,
    support::{Client, Socket, TestServer, token},
    transports::{Reader, readers_of},
};

const CHANGED: &str = "subscription($ids: [ID!]!) {
    postsChanged(ids: $ids) { id commentCount viewerCount lastCommentAt }
}";
const CREATE: &str = "mutation($id: ID!) {
    createPost(input: { id: $id, title: \"T\" }) { post { id } }
}";
const WRITE: &str = "mutation($id: ID!) {
    createComment(input: { postId: $id, body: \"b\" }) { comment { id publishedAt } }
}";

async fn create_posts(server: &TestServer, ids: &[&str]) {
    let author = author(server);
    for id in ids {
        author.send(CREATE, json!({"id": id})).await;
    }
}

async fn write(by: &Client, post: &str) -> Value {
    let mut data = by.send(WRITE, json!({"id": post})).await;
    data["createComment"]["comment"].take()
}

async fn follow(server: &TestServer, ids: &[&str]) -> Socket {
    let mut socket = server.socket().await;
    socket.subscribe("s", CHANGED, json!({"ids": ids})).await;
    socket
}

/// Returns the next value of any post.
async fn value(socket: &mut Socket) -> Value {
    socket.data("s").await["postsChanged"].take()
}

/// Returns the number of comments in the next `posts` values, each of another post.
async fn counts(socket: &mut Socket, posts: usize) -> HashMap<String, Value> {
    let mut counts = HashMap::new();
    for _ in 0..posts {
        let value = value(socket).await;
        let id = value["id"].as_str().expect("an id").to_owned();
        let earlier = counts.insert(id, value["commentCount"].clone());
        assert_eq!(earlier, None, "{value}");
    }
    counts
}

/// Reads values until the post has this number of comments.
async fn reaches(reader: &mut Reader, id: &str, comments: usize) -> Value {
    loop {
        let value = reader.data().await["postsChanged"].take();
        if value["id"] == json!(id) && value["commentCount"] == json!(comments) {
            return value;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_post_comes_at_once_and_after_changes() {
    let network = Network::new(Duration::from_millis(1));
    let here = TestServer::start_node(&network, &[]).await;
    let there = here.node_beside(&network, &[]).await;
    create_posts(&here, &["a", "b"]).await;
    let ada = here.reader("ada");
    write(&ada, "a").await;
    let reader = token("r", "R", Role::Reader);
    let variables = json!({"ids": ["a", "none", "b", "a", "no id"]});
    let mut readers = Vec::new();
    for server in [&here, &there] {
        let clients = ["x", "y", "z"];
        readers.extend(readers_of(server, &reader, clients, CHANGED, &variables).await);
    }
    for reader in &mut readers {
        let mut first = [reader.data().await, reader.data().await];
        first.sort_by_key(|data| data["postsChanged"]["id"].to_string());
        let counts = first.map(|data| data["postsChanged"]["commentCount"].clone());
        assert_eq!(counts, [json!(1), json!(0)]);
    }
    let written = write(&ada, "b").await;
    for reader in &mut readers {
        let value = reaches(reader, "b", 1).await;
        assert_eq!(value["lastCommentAt"], written["publishedAt"]);
    }
    // A burst is conflated, and its last value comes.
    for _ in 0..30 {
        write(&ada, "a").await;
    }
    for reader in &mut readers {
        reaches(reader, "a", 31).await;
    }
    // No stream has joined a room, so a reader who comes is its first.
    let mut socket = there.reader_socket("s").await;
    let typing = "subscription { typing(postId: \"a\") { isTyping } }";
    socket.subscribe("t", typing, json!({})).await;
    for reader in &mut readers {
        let mut viewers = json!(null);
        while viewers != json!(1) {
            let value = reader.data().await["postsChanged"].take();
            assert_eq!(value["id"], json!("a"));
            viewers = value["viewerCount"].clone();
        }
    }
    socket.close().await;
    for reader in readers {
        reader.vanish();
    }
    for server in [&here, &there] {
        server.wait_for_members(0, 0).await;
    }
    there.stop().await;
    here.stop().await;
}

#[tokio::test]
async fn event_is_executed_once_whatever_posts_are_followed() {
    let server = TestServer::start().await;
    create_posts(&server, &["a", "b", "c"]).await;
    let mut sockets = Vec::new();
    for ids in [
        &["a"][..],
        &["a", "b"],
        &["c", "a", "b"],
        &["b", "a", "hello"],
    ] {
        for _ in 0..3 {
            let mut socket = follow(&server, ids).await;
            let first = counts(&mut socket, ids.len()).await;
            assert!(ids.iter().all(|id| first.contains_key(*id)), "{first:?}");
            sockets.push(socket);
        }
    }
    let before = server.observer().events();
    assert_eq!(before.executions, 4, "one for each post's first value");
    let begun = Instant::now();
    let ada = server.reader("ada");
    for _ in 0..40 {
        write(&ada, "a").await;
    }
    let mut last = 0;
    for socket in &mut sockets {
        loop {
            let value = value(socket).await;
            assert_eq!(value["id"], json!("a"));
            if value["commentCount"] == json!(40) {
                break;
            }
        }
        last += 1;
    }
    assert_eq!(last, sockets.len());
    let after = server.observer().events();
    let executions = after.executions - before.executions;
    let seconds = begun.elapsed().as_secs();
    assert!(executions <= seconds + 2, "{executions} in {seconds} s");
    let deliveries = after.deliveries - before.deliveries;
    assert_eq!(deliveries, executions * sockets.len() as u64);
    for socket in sockets {
        socket.close().await;
    }
    server.stop().await;
}

#[tokio::test]
async fn ids_of_no_posts_are_refused() {
    let server = TestServer::start().await;
    let many: Vec<String> = (0..101).map(|number| number.to_string()).collect();
    let mut socket = server.socket().await;
    for (ids, expected) in [
        (json!([]), "BAD_USER_INPUT"),
        (json!(many), "BAD_USER_INPUT"),
        (json!(["none", "a b"]), "NOT_FOUND"),
        (json!(["a b"]), "NOT_FOUND"),
    ] {
        socket.subscribe("s", CHANGED, json!({"ids": ids})).await;
        let refused = socket.message().await;
        assert_eq!(refused["type"], json!("error"), "{refused}");
        assert_eq!(code(&refused["payload"][0]), expected, "{refused}");
    }
    let mut many = many[1..].to_vec();
    many[50] = "hello".to_owned();
    socket.subscribe("s", CHANGED, json!({"ids": many})).await;
    assert_eq!(value(&mut socket).await["id"], json!("hello"));
    socket.close().await;
    server.stop().await;
}

#[tokio::test]
async fn moved_post_is_followed_and_deleted_one_sends_nothing() {
    let server = TestServer::start().await;
    create_posts(&server, &["a", "b", "old"]).await;
    let boss = server
        .client()
        .with_token(&token("boss", "Boss", Role::Moderator));
    let relocate = "mutation { movePost(input: { id: \"old\", newId: \"new\" }) { post { id } } }";
    boss.send(relocate, json!({})).await;
    let mut socket = follow(&server, &["a", "old", "b"]).await;
    let first = counts(&mut socket, 3).await;
    assert!(first.contains_key("new"), "{first:?}");
    let delete = "mutation { deletePost(input: { id: \"a\" }) { id } }";
    boss.send(delete, json!({})).await;
    for id in ["b", "new"] {
        write(&boss, id).await;
        assert_eq!(value(&mut socket).await["id"], json!(id));
    }
    socket.close().await;
    server.stop().await;
}

#[tokio::test]
async fn change_that_was_not_announced_is_found_in_the_store() {
    let server = TestServer::start_with(&["--reconcile-interval=100ms"]).await;
    let other = server.beside(&[]).await;
    let mut socket = follow(&server, &["hello"]).await;
    assert_eq!(value(&mut socket).await["commentCount"], json!(0));
    write(&other.reader("ada"), "hello").await;
    assert_eq!(value(&mut socket).await["commentCount"], json!(1));
    socket.close().await;
    other.stop().await;
    server.stop().await;
}
