//! Idempotent creation: a comment that is sent again with its key is there once.

use std::collections::HashSet;

use causerie::model::Role;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{
    Client, Signal, TestServer, postgres_url, start_node, start_node_on, token, user,
};

const CREATE: &str = "mutation($input: CreateCommentInput!) {
    createComment(input: $input) { comment { id body isDeleted } }
}";
const EDIT: &str = "mutation($id: ID!) {
    editComment(input: { id: $id, body: \"edited\" }) { comment { id } }
}";
const DELETE: &str = "mutation($id: ID!) { deleteComment(input: { id: $id }) { comment { id } } }";
const STATE: &str = "{ post(id: \"hello\") { commentCount cursor } }";

fn input(key: &str, body: &str) -> Value {
    json!({"input": {"postId": "hello", "body": body, "idempotencyKey": key}})
}

async fn create(client: &Client, key: &str, body: &str) -> Value {
    client.send(CREATE, input(key, body)).await["createComment"]["comment"].take()
}

async fn code(client: &Client, input: Value) -> Value {
    let error = client.refused(CREATE, json!({"input": input})).await;
    error["extensions"]["code"].clone()
}

#[tokio::test]
async fn key_sent_again_answers_the_first_comment_as_it_is_now() {
    let server = TestServer::start().await;
    let ada = server.reader("ada");
    let first = create(&ada, "k", "text").await;
    let state = async || server.client().send(STATE, json!({})).await;
    let before = state().await;
    assert_eq!(create(&ada, "k", "text").await, first);
    assert_eq!(state().await, before, "nothing was changed");
    ada.send(EDIT, json!({"id": first["id"]})).await;
    let edited = create(&ada, "k", "text").await;
    assert_eq!(
        edited,
        json!({"id": first["id"], "body": "edited", "isDeleted": false})
    );
    ada.send(DELETE, json!({"id": first["id"]})).await;
    let deleted = create(&ada, "k", "text").await;
    assert_eq!(
        deleted,
        json!({"id": first["id"], "body": "", "isDeleted": true})
    );
    let other = create(&server.reader("bob"), "k", "text").await;
    assert_ne!(other["id"], first["id"], "keys belong to their users");
    server.stop().await;
}

#[tokio::test]
async fn key_of_another_request_is_a_conflict() {
    let server = TestServer::start().await;
    let author = server
        .client()
        .with_token(&token("ada", "ada", Role::Author));
    let post = "mutation { createPost(input: { id: \"other\", title: \"t\" }) { post { id } } }";
    author.send(post, json!({})).await;
    let parent = create(&author, "k", "text").await["id"].take();
    for other in [
        json!({"postId": "hello", "body": "another", "idempotencyKey": "k"}),
        json!({"postId": "other", "body": "text", "idempotencyKey": "k"}),
        json!({"postId": "hello", "body": "text", "parentId": parent, "idempotencyKey": "k"}),
    ] {
        assert_eq!(code(&author, other).await, json!("CONFLICT"));
    }
    for bad in ["", &"k".repeat(65), "\u{0}"] {
        let input = json!({"postId": "hello", "body": "text", "idempotencyKey": bad});
        assert_eq!(code(&author, input).await, json!("BAD_USER_INPUT"), "{bad}");
    }
    create(&author, &"é".repeat(64), "text").await;
    server.stop().await;
}

#[tokio::test]
async fn refused_comment_leaves_its_key_free() {
    let server = TestServer::start().await;
    let ada = server.reader("ada");
    let unknown = "0198c0de-0000-7000-8000-000000000000";
    let input = json!({
        "postId": "hello", "body": "text", "parentId": unknown, "idempotencyKey": "k"
    });
    assert_eq!(code(&ada, input).await, json!("BAD_USER_INPUT"));
    create(&ada, "k", "text").await;
    server.stop().await;
}

#[tokio::test]
async fn key_sent_again_needs_no_rate_limit() {
    let limits = ["--rate-limits=on", "--comments-per-user=1"];
    let server = TestServer::start_with(&limits).await;
    let ada = server.reader("ada");
    let first = create(&ada, "k", "text").await;
    for _ in 0..5 {
        assert_eq!(create(&ada, "k", "text").await, first);
    }
    let input = json!({"postId": "hello", "body": "more", "idempotencyKey": "another"});
    assert_eq!(code(&ada, input).await, json!("RATE_LIMITED"));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_sends_of_one_key_make_one_comment() {
    let server = TestServer::start().await;
    let ada = server.reader("ada");
    let sent = (0..50).map(|_| create(&ada, "k", "text"));
    assert_one(join_all(sent).await);
    assert_eq!(server.client().bodies().await, ["text"]);
    server.stop().await;
}

#[ignore = "needs PostgreSQL"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_sends_to_three_nodes_make_one_comment() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = postgres_url(folder.path());
    let mut nodes = Vec::new();
    for _ in 0..3 {
        nodes.push(start_node_on(&url, &[]).await);
    }
    let author = user(&nodes[0], Role::Author);
    let post = "mutation { createPost(input: { id: \"hello\", title: \"t\" }) { post { id } } }";
    author.send(post, json!({})).await;
    let clients: Vec<Client> = nodes.iter().map(|node| user(node, Role::Reader)).collect();
    for round in 0..5 {
        let key = format!("k{round}");
        let sent = (0..50).map(|number| create(&clients[number % 3], &key, &key));
        assert_one(join_all(sent).await);
    }
    assert_eq!(clients[0].bodies().await, ["k0", "k1", "k2", "k3", "k4"]);
    for node in nodes {
        node.stop();
    }
}

#[tokio::test]
async fn key_survives_a_killed_server() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut node = start_node(folder.path(), &[]).await;
    let post = "mutation { createPost(input: { id: \"hello\", title: \"t\" }) { post { id } } }";
    user(&node, Role::Author).send(post, json!({})).await;
    let first = create(&user(&node, Role::Reader), "k", "text").await;
    node.signal(Signal::SIGKILL);
    node.ended().await;
    let node = start_node(folder.path(), &[]).await;
    assert_eq!(create(&user(&node, Role::Reader), "k", "text").await, first);
    assert_eq!(node.client().bodies().await, ["text"]);
    node.stop();
}

fn assert_one(comments: Vec<Value>) {
    let ids: HashSet<String> = comments
        .iter()
        .map(|comment| comment["id"].to_string())
        .collect();
    assert_eq!(ids.len(), 1, "{ids:?}");
}
