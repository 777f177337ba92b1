//! Requests that are refused use no rate up, and moderators have a rate of their own.

use causerie::model::Role;
use serde_json::{Value, json};

use crate::{
    limits::{WRITE, code, is_limited, outcome},
    support::{TestServer, token},
};

#[tokio::test]
async fn refused_comment_uses_no_rate_up() {
    let settings = [
        "--rate-limits=on",
        "--comments-per-user=2",
        "--comments-per-address=2",
        "--reply-depth=1",
    ];
    let server = TestServer::start_with(&settings).await;
    let ada = server.reader("ada");
    let id = ada.comment("a comment").await;
    let reply = "mutation($post: ID!, $parent: ID) {
        createComment(input: { postId: $post, parentId: $parent, body: \"b\" }) { comment { id } }
    }";
    let unknown = uuid::Uuid::now_v7().to_string();
    for _ in 0..5 {
        for (post, parent, expected) in [
            ("none", Value::Null, "NOT_FOUND"),
            ("hello", json!(unknown), "BAD_USER_INPUT"),
        ] {
            let variables = json!({"post": post, "parent": parent});
            let error = outcome(&ada, reply, variables).await.expect_err("refused");
            assert_eq!(code(&error), expected, "{error}");
        }
        let edit = "mutation($id: ID!) { editComment(input: { id: $id, body: \"c\" }) {
            comment { id } } }";
        let variables = json!({"id": unknown});
        let error = outcome(&ada, edit, variables).await.expect_err("refused");
        assert_eq!(code(&error), "NOT_FOUND", "{error}");
        let bob = server.reader("bob");
        let variables = json!({"id": id});
        let error = outcome(&bob, edit, variables).await.expect_err("refused");
        assert_eq!(code(&error), "FORBIDDEN", "{error}");
    }
    outcome(&ada, WRITE, json!({})).await.expect("the second");
    assert!(is_limited(&outcome(&ada, WRITE, json!({})).await));
    server.stop().await;
}

#[tokio::test]
async fn edits_of_a_moderator_have_the_rate_of_moderators() {
    let settings = [
        "--rate-limits=on",
        "--comments-per-user=1",
        "--mutations-per-moderator=3",
    ];
    let server = TestServer::start_with(&settings).await;
    let id = server.reader("ada").comment("a comment").await;
    let boss = server
        .client()
        .with_token(&token("boss", "Boss", Role::Moderator));
    let edit = "mutation($id: ID!) { editComment(input: { id: $id, body: \"c\" }) {
        comment { id } } }";
    for _ in 0..3 {
        let variables = json!({"id": id});
        outcome(&boss, edit, variables).await.expect("edited");
    }
    assert!(is_limited(&outcome(&boss, edit, json!({"id": id})).await));
    assert!(is_limited(&outcome(&boss, WRITE, json!({})).await));
    server.stop().await;
}

#[tokio::test]
async fn moderator_comments_count_as_mutations_only() {
    let settings = [
        "--rate-limits=on",
        "--comments-per-user=1",
        "--comments-per-address=1",
        "--mutations-per-moderator=3",
    ];
    let server = TestServer::start_with(&settings).await;
    let boss = server
        .client()
        .with_token(&token("boss", "Boss", Role::Moderator));
    for _ in 0..3 {
        outcome(&boss, WRITE, json!({})).await.expect("a comment");
    }
    assert!(is_limited(&outcome(&boss, WRITE, json!({})).await));
    // The budget of the address is untouched.
    let ada = server.reader("ada");
    outcome(&ada, WRITE, json!({})).await.expect("a comment");
    let bob = server.reader("bob");
    assert!(is_limited(&outcome(&bob, WRITE, json!({})).await));
    server.stop().await;
}

#[tokio::test]
async fn refused_report_uses_no_rate_up() {
    const REPORT: &str = "mutation($id: ID!, $note: String) {
        reportComment(input: { commentId: $id, reason: SPAM, note: $note }) { commentId }
    }";
    let server = TestServer::start_with(&["--rate-limits=on"]).await;
    let (ada, bob) = (server.reader("ada"), server.reader("bob"));
    let id = ada.comment("a comment").await;
    let unknown = uuid::Uuid::now_v7().to_string();
    for _ in 0..12 {
        let variables = json!({"id": unknown});
        let error = outcome(&bob, REPORT, variables).await.expect_err("none");
        assert_eq!(code(&error), "NOT_FOUND");
        let variables = json!({"id": id, "note": "n".repeat(501)});
        let error = outcome(&bob, REPORT, variables).await.expect_err("long");
        assert_eq!(code(&error), "BAD_USER_INPUT");
    }
    let report = async |by| outcome(by, REPORT, json!({"id": id})).await;
    for _ in 0..10 {
        report(&bob).await.expect("a report");
    }
    assert!(is_limited(&report(&bob).await));
    report(&server.reader("cleo")).await.expect("a report");
    server.stop().await;
}

#[tokio::test]
async fn refused_deletion_or_post_uses_no_rate_up() {
    let settings = ["--rate-limits=on", "--mutations-per-moderator=2"];
    let server = TestServer::start_with(&settings).await;
    let boss = server
        .client()
        .with_token(&token("boss", "Boss", Role::Moderator));
    let open =
        "mutation($id: ID!) { createPost(input: { id: $id, title: \"T\" }) { post { id } } }";
    let delete = "mutation($id: ID!) { deleteComment(input: { id: $id }) { comment { id } } }";
    let unknown = uuid::Uuid::now_v7().to_string();
    for _ in 0..5 {
        let taken = json!({"id": "hello"});
        let error = outcome(&boss, open, taken).await.expect_err("taken");
        assert_eq!(code(&error), "CONFLICT");
        let variables = json!({"id": unknown});
        let error = outcome(&boss, delete, variables).await.expect_err("none");
        assert_eq!(code(&error), "NOT_FOUND");
    }
    for id in ["one", "two"] {
        outcome(&boss, open, json!({"id": id})).await.expect("open");
    }
    assert!(is_limited(
        &outcome(&boss, open, json!({"id": "three"})).await
    ));
    server.stop().await;
}
