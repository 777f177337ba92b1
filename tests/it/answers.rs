//! The response cache: equal queries share an answer, and no answer is stale.

use causerie::model::Role;
use serde_json::json;

use crate::support::{TestServer, token};

pub(crate) const PAGE: &str =
    "query($id: ID!) { post(id: $id) { commentCount cursor comments(first: 50) { nodes {
    body author { name }
} } } }";

#[tokio::test]
async fn acknowledged_write_is_in_every_later_answer() {
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
        // The first query caches the answer that the write must invalidate.
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
    // A user's new name shows on their earlier comments.
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
async fn cached_answer_differs_by_variables_and_operation_name() {
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
async fn answer_about_caller_or_viewers_is_never_shared() {
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
        server.wait_for_members(1, number + 1).await;
        sockets.push(socket);
    }
    assert_eq!(count().await, json!(3));
    for socket in sockets {
        socket.close().await;
    }
    server.stop().await;
}

/// Returns how many queries the response cache answered.
async fn hits(server: &TestServer) -> f64 {
    let metrics = server.client().page("/metrics").await;
    let text = metrics.body.as_str().expect("a text").to_owned();
    let hits = text
        .lines()
        .find_map(|line| line.strip_prefix("causerie_kept_answers_total{result=\"hit\"} "));
    hits.expect("the metric").parse().expect("a number")
}

#[tokio::test]
async fn answer_about_a_post_outlives_commits_to_others() {
    let server = TestServer::start().await;
    let author = server
        .client()
        .with_token(&token("author", "Author", Role::Author));
    let create =
        "mutation { createPost(input: { id: \"other\", title: \"Other\" }) { post { id } } }";
    author.send(create, json!({})).await;
    let ada = server.reader("ada");
    ada.comment("one").await;
    let page = async || server.client().send(PAGE, json!({"id": "hello"})).await;
    // A response that is asked for again is kept with the versions that it depends on.
    let first = page().await;
    let elsewhere = json!({"postId": "other", "body": "elsewhere"});
    ada.create_comment(elsewhere.clone()).await;
    assert_eq!(page().await, first);
    let before = hits(&server).await;
    ada.create_comment(elsewhere).await;
    assert_eq!(page().await, first);
    assert_eq!(hits(&server).await, before + 1.0);
    // It does not outlive a change of its own post, or of a user.
    ada.comment("two").await;
    assert_eq!(page().await["post"]["commentCount"], json!(2));
    let renamed = token("ada", "Ada L.", Role::Reader);
    let renamed = server.client().with_token(&renamed);
    renamed
        .create_comment(json!({"postId": "other", "body": "renamed"}))
        .await;
    let shown = page().await;
    let author = &shown["post"]["comments"]["nodes"][0]["author"]["name"];
    assert_eq!(author, &json!("Ada L."));
    server.stop().await;
}
