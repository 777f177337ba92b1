//! The users who take part in a post's conversation, for completing a mention.

use causerie::model::Role;
use serde_json::{Value, json};

use crate::support::{Client, TestServer, token};

const PARTICIPANTS: &str = "query($search: String! = \"\", $first: Int = 10) {
    post(id: \"hello\") { participants(search: $search, first: $first) { id name } }
}";
const DELETE: &str = "mutation($id: ID!) {
    deleteComment(input: { id: $id }) { comment { id } }
}";

/// Returns the ids of the participants.
async fn participants(client: &Client, variables: Value) -> Vec<String> {
    let data = client.send(PARTICIPANTS, variables).await;
    let users = data["post"]["participants"].as_array().expect("users");
    let ids = users.iter().map(|user| user["id"].as_str().expect("an id"));
    ids.map(str::to_owned).collect()
}

fn named(server: &TestServer, id: &str, name: &str) -> Client {
    server.client().with_token(&token(id, name, Role::Reader))
}

#[tokio::test]
async fn participants_are_found_by_the_beginning_of_their_names() {
    let server = TestServer::start().await;
    let client = server.client();
    assert!(participants(&client, json!({})).await.is_empty());
    for (id, name) in [
        ("1", "Ada"),
        ("2", "ada lovelace"),
        ("3", "Bob Ada"),
        ("4", "\u{c9}mile"),
        ("5", "\u{ff21}dam"),
        ("1", "Ada"),
    ] {
        named(&server, id, name).comment("a comment").await;
    }
    let all = ["1", "5", "4", "3", "2"];
    assert_eq!(participants(&client, json!({})).await, all);
    for (search, expected) in [
        ("A", &["1", "5", "2"][..]),
        ("aDa", &["1", "5", "2"]),
        ("ada l", &["2"]),
        ("\u{e9}", &["4"]),
        ("bob", &["3"]),
        ("lovelace", &[]),
        ("%", &[]),
        ("_", &[]),
    ] {
        let found = participants(&client, json!({"search": search})).await;
        assert_eq!(found, expected, "{search}");
    }
    for first in [0, 1, 3] {
        let found = participants(&client, json!({"first": first})).await;
        assert_eq!(found, all[..first]);
    }
    for variables in [
        json!({"first": 101}),
        json!({"first": -1}),
        json!({"search": "a".repeat(201)}),
    ] {
        let refused = client.refused(PARTICIPANTS, variables).await;
        assert_eq!(refused["extensions"]["code"], json!("BAD_USER_INPUT"));
    }
    // A newer name counts, and an answer that may be cached has it.
    named(&server, "3", "Zoe").comment("renamed").await;
    assert_eq!(participants(&client, json!({"search": "z"})).await, ["3"]);
    assert!(
        participants(&client, json!({"search": "b"}))
            .await
            .is_empty()
    );
    server.stop().await;
}

#[tokio::test]
async fn participants_have_a_published_comment_in_the_post() {
    let server = TestServer::start_with(&["--moderation=new-authors"]).await;
    let boss = server
        .client()
        .with_token(&token("boss", "Boss", Role::Moderator));
    let ada = named(&server, "ada", "Ada");
    let waiting = ada.comment("waits").await;
    let id = boss.comment("a comment").await;
    assert_eq!(participants(&ada, json!({})).await, ["boss"]);
    let approve = "mutation($id: ID!) { approveComment(input: { id: $id }) { item { id } } }";
    boss.send(approve, json!({"id": waiting})).await;
    assert_eq!(participants(&ada, json!({})).await, ["ada", "boss"]);
    boss.send(DELETE, json!({"id": id})).await;
    assert_eq!(participants(&ada, json!({})).await, ["ada"]);
    let create = "mutation { createPost(input: { id: \"other\", title: \"T\" }) { post { id } } }";
    boss.send(create, json!({})).await;
    boss.create_comment(json!({"postId": "other", "body": "elsewhere"}))
        .await;
    assert_eq!(participants(&ada, json!({})).await, ["ada"]);
    server.stop().await;
}
