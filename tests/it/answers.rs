//! One who asks what another has just asked is given the same answer, and never an old one.

use causerie::model::Role;
use serde_json::json;

use crate::support::{TestServer, on_postgres, token};

const PAGE: &str =
    "query($id: ID!) { post(id: $id) { commentCount cursor comments(first: 50) { nodes {
    body author { name }
} } } }";

#[tokio::test]
async fn readers_of_a_page_that_does_not_change_share_one_reading_of_it() {
    if on_postgres() {
        return; // Where other nodes write too, no answer is kept.
    }
    // The comparison of rooms with the store, which runs beside, would be counted too.
    let server = TestServer::start_with(&["--reconcile-interval=1h"]).await;
    server.reader("ada").comment("a comment").await;
    let first = server.client().raw(PAGE, json!({"id": "hello"})).await;
    let before = server.observer().statements();
    for _ in 0..50 {
        let again = server.client().raw(PAGE, json!({"id": "hello"})).await;
        assert_eq!(again, first);
    }
    // Each reading takes two. An answer is given out for a second: a few may read again.
    let statements = server.observer().statements() - before;
    assert!(statements < 50, "{statements} statements for 50 readers");
    server.stop().await;
}

#[tokio::test]
async fn what_was_acknowledged_is_in_every_answer_from_then_on() {
    let server = TestServer::start().await;
    let ada = server.reader("ada");
    let bodies = async || {
        let data = server.client().send(PAGE, json!({"id": "hello"})).await;
        let nodes = data["post"]["comments"]["nodes"]
            .as_array()
            .expect("nodes")
            .clone();
        nodes
            .iter()
            .map(|node| node["body"].as_str().expect("a body").to_owned())
            .collect::<Vec<_>>()
    };
    let mut expected: Vec<String> = Vec::new();
    for number in 0..20 {
        // The first puts the answer there that must not be given out after the write.
        assert_eq!(bodies().await, expected);
        assert_eq!(bodies().await, expected);
        expected.push(format!("comment {number}"));
        let id = ada.comment(&expected[number]).await;
        assert_eq!(bodies().await, expected);
        let edit = "mutation($id: ID!, $body: String!) { editComment(input: { id: $id, body: $body }) { comment { id } } }";
        expected[number] = format!("edited {number}");
        ada.send(edit, json!({"id": id, "body": expected[number]}))
            .await;
        assert_eq!(bodies().await, expected);
    }
    // A user's new name is seen on what they wrote before.
    let renamed = server
        .client()
        .with_token(&token("ada", "Ada L.", Role::Reader));
    renamed.comment("renamed").await;
    let data = server.client().send(PAGE, json!({"id": "hello"})).await;
    assert_eq!(
        data["post"]["comments"]["nodes"][0]["author"]["name"],
        json!("Ada L.")
    );
    server.stop().await;
}

#[tokio::test]
async fn the_same_question_about_another_post_or_in_another_operation_has_its_own_answer() {
    let server = TestServer::start().await;
    server.reader("ada").comment("a comment").await;
    let two = "query A { post(id: \"hello\") { title } } query B { post(id: \"hello\") { id } }";
    for _ in 0..3 {
        let page = server.client().send(PAGE, json!({"id": "hello"})).await;
        assert_eq!(page["post"]["commentCount"], json!(1));
        let page = server.client().send(PAGE, json!({"id": "other"})).await;
        assert_eq!(page["post"], json!(null));
        for (name, post) in [
            ("A", json!({"title": "Hello"})),
            ("B", json!({"id": "hello"})),
        ] {
            let body = json!({"query": two, "operationName": name}).to_string();
            let reply = server.client().post("application/json", body).await;
            assert_eq!(reply.body["data"]["post"], post);
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn who_asks_and_who_is_in_the_room_is_never_another_s_answer() {
    let server = TestServer::start().await;
    let me = "{ me { id } posts { nodes { id } } }";
    for _ in 0..2 {
        for name in ["ada", "bob"] {
            let data = server.reader(name).send(me, json!({})).await;
            assert_eq!(data["me"]["id"], json!(name));
        }
        assert_eq!(server.client().send(me, json!({})).await["me"], json!(null));
    }
    let viewers = "{ post(id: \"hello\") { viewerCount } }";
    let count =
        async || server.client().send(viewers, json!({})).await["post"]["viewerCount"].take();
    let mut sockets = Vec::new();
    for number in 0..3 {
        assert_eq!(count().await, json!(number));
        let mut socket = server.socket().await;
        socket
            .subscribe(
                "c",
                "subscription { commentAdded(postId: \"hello\") { id } }",
                json!({}),
            )
            .await;
        server.until_census(1, number + 1).await;
        sockets.push(socket);
    }
    assert_eq!(count().await, json!(3));
    for socket in sockets {
        socket.close().await;
    }
    server.stop().await;
}
