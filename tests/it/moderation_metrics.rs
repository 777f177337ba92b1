//! Metrics of moderation: what becomes of comments, and the lists that wait for moderators.

use causerie::model::Role;
use serde_json::{Value, json};

use crate::{
    metrics::Samples,
    support::{Client, TestServer, another_program, run, token, wait_until},
};

const CREATE: &str = "mutation($body: String!, $key: ID) {
    createComment(input: { postId: \"hello\", body: $body, idempotencyKey: $key }) { comment { id } }
}";
const EDIT: &str = "mutation($id: ID!, $body: String!) {
    editComment(input: { id: $id, body: $body }) { status }
}";
const REPORT: &str = "mutation($id: ID!) {
    reportComment(input: { commentId: $id, reason: SPAM }) { commentId }
}";
const APPROVE: &str = "mutation($id: ID!) { approveComment(input: { id: $id }) { item { id } } }";
const REJECT: &str = "mutation($id: ID!) { rejectComment(input: { id: $id }) { item { id } } }";

const PENDING: &str = "causerie_moderation_queue{list=\"pending\"}";
const REPORTED: &str = "causerie_moderation_queue{list=\"reported\"}";

async fn create(client: &Client, body: &str, key: Option<&str>) -> Value {
    let variables = json!({"body": body, "key": key});
    let mut data = client.send(CREATE, variables).await;
    data["createComment"]["comment"]["id"].take()
}

async fn samples(server: &TestServer) -> Samples {
    Samples::of(&server.url("/metrics")).await
}

/// Waits until the lists have these lengths, because a sample is kept for a second.
async fn wait_for_queue(server: &TestServer, pending: f64, reported: f64) {
    wait_until("the lengths of the lists", async || {
        let samples = samples(server).await;
        let is = |name, expected: f64| samples.get(name).total_cmp(&expected).is_eq();
        is(PENDING, pending) && is(REPORTED, reported)
    })
    .await;
}

#[tokio::test]
async fn outcomes_of_comments_and_the_queue_are_metrics() {
    let settings = ["--hold-links=1", "--reports-to-hold=2"];
    let server = TestServer::start_with(&settings).await;
    let boss = token("boss", "Boss", Role::Moderator);
    let boss = server.client().with_token(&boss);
    let (ada, bob) = (server.reader("ada"), server.reader("bob"));
    let links = "https://a.example https://b.example";
    // A comment that is sent again is held once.
    let held = create(&ada, links, Some("key")).await;
    create(&ada, links, Some("key")).await;
    let edited = create(&ada, "text", None).await;
    ada.send(EDIT, json!({"id": edited, "body": links})).await;
    let rude = create(&bob, "rude", None).await;
    for reporter in ["cleo", "dan"] {
        let reporter = server.reader(reporter);
        reporter.send(REPORT, json!({"id": rude})).await;
    }
    let disliked = create(&bob, "disliked", None).await;
    ada.send(REPORT, json!({"id": disliked})).await;
    wait_for_queue(&server, 3.0, 1.0).await;

    for id in [&held, &edited, &disliked] {
        boss.send(APPROVE, json!({"id": id})).await;
    }
    // Rejecting it again is a no-op.
    for _ in 0..2 {
        boss.send(REJECT, json!({"id": rude})).await;
    }
    wait_for_queue(&server, 0.0, 0.0).await;
    let samples = samples(&server).await;
    for (name, expected) in [
        (
            "causerie_comments_held_total{reason=\"moderation_mode\"}",
            0.0,
        ),
        ("causerie_comments_held_total{reason=\"links\"}", 2.0),
        ("causerie_comments_held_total{reason=\"blocked_word\"}", 0.0),
        ("causerie_comments_held_total{reason=\"check\"}", 0.0),
        ("causerie_comments_held_total{reason=\"reports\"}", 1.0),
        ("causerie_comments_decided_total{action=\"approve\"}", 3.0),
        ("causerie_comments_decided_total{action=\"reject\"}", 1.0),
        ("causerie_reports_total", 3.0),
    ] {
        let value = samples.get(name);
        assert!((value - expected).abs() < f64::EPSILON, "{name}: {value}");
    }
    server.stop().await;
}

#[tokio::test]
async fn queue_that_cannot_be_read_is_not_a_number() {
    let server = TestServer::start_with(&["--moderation=all"]).await;
    create(&server.reader("ada"), "text", None).await;
    wait_for_queue(&server, 1.0, 0.0).await;
    let other = another_program(&server.database()).await;
    run(&other, "ALTER TABLE report RENAME TO gone").await;
    wait_for_queue(&server, f64::NAN, f64::NAN).await;
    run(&other, "ALTER TABLE gone RENAME TO report").await;
    wait_for_queue(&server, 1.0, 0.0).await;
    server.stop().await;
}
