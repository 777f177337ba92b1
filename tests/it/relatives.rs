//! The ways from a comment to its post, its parent and its ancestors, in queries and in events.

use serde_json::{Value, json};

use crate::support::{Client, TestServer};

const WALK: &str = "query($id: ID!) { comment(id: $id) { ...Walk } }
    fragment Walk on Comment {
        depth post { id commentCount } parent { body replyCount } ancestors { body depth }
    }";
const CHANGED: &str = "subscription { commentChanged(postId: \"hello\") { comment {
    body post { commentCount } parent { replyCount } ancestors { body }
} } }";
const DELETE: &str = "mutation($id: ID!) { deleteComment(input: { id: $id }) { comment { id } } }";

/// Writes a chain of comments, each a reply to the one before. Returns their ids.
async fn chain(writer: &Client, length: usize) -> Vec<Value> {
    let mut ids: Vec<Value> = Vec::new();
    for number in 0..length {
        let new = json!({"body": format!("{number}"), "parentId": ids.last()});
        ids.push(writer.create_comment(new).await["id"].take());
    }
    ids
}

#[tokio::test]
async fn comment_leads_to_its_post_parent_and_ancestors() {
    let server = TestServer::start().await;
    let writer = server.reader("ada");
    let ids = chain(&writer, 4).await;
    let walk =
        async |id: &Value| server.client().send(WALK, json!({"id": id})).await["comment"].take();
    let post = json!({"id": "hello", "commentCount": 4});
    assert_eq!(
        walk(&ids[0]).await,
        json!({"depth": 0, "post": post, "parent": null, "ancestors": []})
    );
    let line = |end: usize| -> Value {
        let line = (0..end).map(|depth| json!({"body": depth.to_string(), "depth": depth}));
        line.collect()
    };
    assert_eq!(
        walk(&ids[3]).await,
        json!({
            "depth": 3, "post": post,
            "parent": {"body": "2", "replyCount": 1}, "ancestors": line(3)
        })
    );
    server.stop().await;
}

#[tokio::test]
async fn relatives_of_a_page_are_read_together() {
    let server = TestServer::start().await;
    let writer = server.reader("ada");
    for _ in 0..5 {
        chain(&writer, 4).await;
    }
    let query = "{ post(id: \"hello\") { allComments(first: 100) { nodes {
        post { title } parent { id } ancestors { id }
    } } } }";
    let before = server.observer().statements();
    let data = server.client().send(query, json!({})).await;
    let nodes = &data["post"]["allComments"]["nodes"];
    assert_eq!(nodes.as_array().map(Vec::len), Some(20));
    // The post, its comments, their post, their parents, the ids of their ancestors, and these. Bans are
    // refreshed meanwhile.
    let statements = server.observer().statements() - before;
    assert!((6..=7).contains(&statements), "{statements}");
    server.stop().await;
}

#[tokio::test]
async fn all_comments_are_flat_and_paged_in_both_orders() {
    let server = TestServer::start().await;
    let writer = server.reader("ada");
    let first = chain(&writer, 3).await;
    chain(&writer, 2).await;
    // It has no replies, so it leaves the list.
    writer.send(DELETE, json!({"id": first[2]})).await;
    let query = "query($after: String, $order: CommentOrder!) { post(id: \"hello\") {
        allComments(first: 3, after: $after, order: $order) {
            nodes { body depth } pageInfo { endCursor hasNextPage }
        }
    } }";
    let expected = [("0", 0), ("1", 1), ("0", 0), ("1", 1)];
    for order in ["OLDEST_FIRST", "NEWEST_FIRST"] {
        let (mut found, mut after) = (Vec::new(), Value::Null);
        loop {
            let variables = json!({"after": after, "order": order});
            let mut data = server.client().send(query, variables).await;
            let list = data["post"]["allComments"].take();
            found.extend(list["nodes"].as_array().expect("nodes").clone());
            after = list["pageInfo"]["endCursor"].clone();
            if list["pageInfo"]["hasNextPage"] == json!(false) {
                break;
            }
        }
        if order == "NEWEST_FIRST" {
            found.reverse();
        }
        let expected = expected.map(|(body, depth)| json!({"body": body, "depth": depth}));
        assert_eq!(found, expected, "{order}");
    }
    server.stop().await;
}

#[tokio::test]
async fn event_brings_the_counts_that_it_changed() {
    let server = TestServer::start().await;
    let writer = server.reader("ada");
    let ids = chain(&writer, 2).await;
    let mut socket = server.socket().await;
    socket.subscribe("s", CHANGED, json!({})).await;
    server.wait_for_members(1, 1).await;
    assert!(socket.settle().await.is_empty());
    let reply = json!({"body": "reply", "parentId": ids[0]});
    let reply = writer.create_comment(reply).await;
    let mut event = async || socket.data("s").await["commentChanged"]["comment"].take();
    assert_eq!(
        event().await,
        json!({
            "body": "reply", "post": {"commentCount": 3},
            "parent": {"replyCount": 2}, "ancestors": [{"body": "0"}]
        })
    );
    writer.send(DELETE, json!({"id": reply["id"]})).await;
    assert_eq!(
        event().await,
        json!({
            "body": "", "post": {"commentCount": 2},
            "parent": {"replyCount": 1}, "ancestors": [{"body": "0"}]
        })
    );
    socket.close().await;
    server.stop().await;
}

#[tokio::test]
async fn settings_tell_pages_what_they_may_offer() {
    let limits = [
        "--edit-window=90s",
        "--reply-depth=5",
        "--allow-guests=false",
    ];
    let server = TestServer::start_with(&limits).await;
    let query = "{ settings { id allowsGuests bodyLimit replyDepth editWindow } }";
    assert_eq!(
        server.client().send(query, json!({})).await["settings"],
        json!({
            "id": "settings", "allowsGuests": false, "bodyLimit": 10_000,
            "replyDepth": 5, "editWindow": 90
        })
    );
    let written = server
        .reader("ada")
        .create_comment(json!({"body": "b"}))
        .await;
    let query = "query($id: ID!) { comment(id: $id) { createdAt editableUntil } }";
    let read = async || {
        let variables = json!({"id": written["id"]});
        server.client().send(query, variables).await["comment"].take()
    };
    let comment = read().await;
    let millis = |field: &str| {
        let text = comment[field].as_str().expect("a time");
        let format = &time::format_description::well_known::Rfc3339;
        time::OffsetDateTime::parse(text, format).expect("a time")
    };
    assert_eq!(
        (millis("editableUntil") - millis("createdAt")).whole_seconds(),
        90
    );
    server
        .reader("ada")
        .send(DELETE, json!({"id": written["id"]}))
        .await;
    assert_eq!(read().await["editableUntil"], Value::Null, "of a tombstone");
    server.stop().await;
}
