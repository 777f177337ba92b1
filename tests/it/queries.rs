//! Reading: paginated lists, single objects, and the cost of a page.

use std::collections::HashSet;

use causerie::{
    model::{CommentId, PostId, Role, Timestamp},
    store::{Bodies, NewPost, Slice},
};
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::support::{Client, TestServer, everything, token};

const ADDED: &str = "subscription($after: Cursor) {
    commentAdded(postId: \"hello\", after: $after, includeOwn: true) { id }
}";

/// More items than the default page has.
const MANY: usize = 23;

/// A list of the schema and its expected items.
struct List {
    name: &'static str,
    query: String,
    /// The list's JSON pointer in the answer.
    at: &'static str,
    ids: Vec<String>,
}

impl List {
    /// Creates the list `field`, with its arguments except for pagination, of the object `of` or of the root.
    fn new(name: &'static str, of: &str, field: &str, more: &str, ids: Vec<String>) -> Self {
        let list = format!(
            "list: {field}(first: $first, after: $after {more}) {{
                edges {{ cursor node {{ id }} }}
                nodes {{ id }}
                pageInfo {{ hasPreviousPage hasNextPage startCursor endCursor }}
            }}"
        );
        let (selected, at) = match of {
            "" => (list, "/list"),
            of => (format!("of: {of} {{ {list} }}"), "/of/list"),
        };
        let query = format!("query($first: Int, $after: String) {{ {selected} }}");
        Self {
            name,
            query,
            at,
            ids,
        }
    }

    /// Returns one page, and the ids in it.
    async fn page(&self, client: &Client, variables: Value) -> (Value, Vec<String>) {
        let data = client.send(&self.query, variables).await;
        let page = data.pointer(self.at).expect("a list").clone();
        let ids = ids(&page["nodes"]);
        let edges: Vec<&Value> = items(&page["edges"])
            .iter()
            .map(|edge| &edge["node"])
            .collect();
        assert_eq!(json!(edges), page["nodes"], "{}", self.name);
        let cursor = |edge: Option<&Value>| edge.map_or(Value::Null, |edge| edge["cursor"].clone());
        let edges = items(&page["edges"]);
        assert_eq!(page["pageInfo"]["startCursor"], cursor(edges.first()));
        assert_eq!(page["pageInfo"]["endCursor"], cursor(edges.last()));
        (page, ids)
    }
}

fn items(list: &Value) -> &[Value] {
    list.as_array().expect("a list")
}

fn ids(nodes: &Value) -> Vec<String> {
    items(nodes)
        .iter()
        .map(|node| node["id"].as_str().expect("an id").to_owned())
        .collect()
}

/// Returns every list of the schema with `size` items, in the expected order.
async fn lists(server: &TestServer, size: usize) -> Vec<List> {
    let ada = server.reader("ada");
    let mut comments = Vec::new();
    for number in 0..size {
        comments.push(ada.comment(&format!("comment {number}")).await);
    }
    let mut replies = Vec::new();
    for number in 0..size {
        let input = json!({"body": format!("reply {number}"), "parentId": comments[0]});
        replies.push(ids(&json!([ada.create_comment(input).await])).remove(0));
    }
    // `hello` is the oldest of the posts. The others are created with later times, and not in the order of
    // their ids.
    let mut posts = vec!["hello".to_owned()];
    for number in 1..size {
        let id = format!("post-{}", (number * 5) % size);
        open_post(
            server,
            &id,
            Timestamp(Timestamp::now().0 + 60_000 + number as i64),
        )
        .await;
        posts.insert(0, id);
    }
    let newest_first = comments.iter().rev().cloned().collect();
    let recent = comments.iter().chain(&replies).rev().cloned().collect();
    let (post, parent) = (
        "post(id: \"hello\")",
        format!("comment(id: \"{}\")", comments[0]),
    );
    let newest = "order: NEWEST_FIRST";
    vec![
        List::new("comments", post, "comments", "", comments),
        List::new("newest comments", post, "comments", newest, newest_first),
        List::new("replies", &parent, "replies", "", replies),
        List::new("posts", "", "posts", "", posts),
        List::new("recent comments", "", "recentComments", "", recent),
    ]
}

async fn open_post(server: &TestServer, id: &str, at: Timestamp) {
    let post = NewPost {
        id: PostId::parse(id).expect("an id"),
        title: id.to_owned(),
        url: None,
        at,
        by: None,
    };
    server
        .observer()
        .store()
        .create_post(post)
        .await
        .expect("a post");
}

#[tokio::test]
async fn pages_of_a_list_bring_each_item_once_and_in_order() {
    let server = TestServer::start().await;
    let client = server.client();
    for list in lists(&server, 7).await {
        for size in [1, 2, 3, 6, 7, 8] {
            let mut after = Value::Null;
            let mut walked = Vec::new();
            loop {
                let variables = json!({"first": size, "after": after});
                let (page, ids) = list.page(&client, variables).await;
                let name = format!("{} in pages of {size}: {page}", list.name);
                walked.extend(ids);
                let info = &page["pageInfo"];
                assert_eq!(info["hasPreviousPage"], json!(!after.is_null()), "{name}");
                let has_next = walked.len() < list.ids.len();
                assert_eq!(info["hasNextPage"], json!(has_next), "{name}");
                after = info["endCursor"].clone();
                if info["hasNextPage"] == json!(false) {
                    break;
                }
            }
            assert_eq!(walked, list.ids, "{} in pages of {size}", list.name);
            let (page, ids) = list
                .page(&client, json!({"first": size, "after": after}))
                .await;
            assert_eq!(ids.len(), 0, "{page}: behind the end");
            assert_eq!(page["pageInfo"]["hasNextPage"], json!(false));
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn page_has_20_items_by_default_and_at_most_100() {
    let server = TestServer::start().await;
    let client = server.client();
    for list in lists(&server, MANY).await {
        for (variables, length) in [
            (json!({}), 20),
            (json!({"first": null}), 20),
            (json!({"first": null, "after": null}), 20),
            (json!({"first": 0}), 0),
            (json!({"first": 1}), 1),
            (json!({"first": 100}), list.ids.len()),
        ] {
            let (page, ids) = list.page(&client, variables.clone()).await;
            let name = format!("{} {variables}", list.name);
            assert_eq!(ids, list.ids[..length], "{name}");
            assert_eq!(
                page["pageInfo"]["hasNextPage"],
                json!(length < list.ids.len()),
                "{name}"
            );
        }
        for first in [-1, 101, i32::MIN, i32::MAX] {
            let error = client.refused(&list.query, json!({"first": first})).await;
            let extensions = json!({"code": "BAD_USER_INPUT", "field": "first"});
            assert_eq!(error["extensions"], extensions, "{} {first}", list.name);
        }
        for first in [i64::from(i32::MIN) - 1, i64::from(i32::MAX) + 1] {
            let error = client.refused(&list.query, json!({"first": first})).await;
            let extensions = json!({"code": "GRAPHQL_VALIDATION_FAILED"});
            assert_eq!(error["extensions"], extensions, "{} {first}", list.name);
        }
    }
    for all in ["allComments", "allComments(first: null)"] {
        let query = format!("{{ post(id: \"hello\") {{ {all} {{ nodes {{ id }} }} }} }}");
        let data = client.send(&query, json!({})).await;
        let nodes = data["post"]["allComments"]["nodes"].as_array();
        assert_eq!(nodes.map(Vec::len), Some(2 * MANY), "{all}");
    }
    server.stop().await;
}

#[tokio::test]
async fn cursor_of_another_list_is_refused() {
    let server = TestServer::start().await;
    let client = server.client();
    open_post(&server, "other", Timestamp::now()).await;
    let input = json!({"postId": "other", "body": "elsewhere"});
    let elsewhere = server.reader("ada").create_comment(input).await;
    let lists = lists(&server, 2).await;
    for list in &lists {
        let strange = if list.name == "posts" {
            &lists[0]
        } else {
            &lists[3]
        };
        let (page, _) = strange.page(&client, json!({})).await;
        for after in [
            json!(""),
            json!("x"),
            json!("0"),
            json!("\u{0}"),
            json!("é".repeat(1000)),
            page["pageInfo"]["endCursor"].clone(),
            elsewhere["cursor"].clone(),
        ] {
            let error = client.refused(&list.query, json!({"after": after})).await;
            let extensions = json!({"code": "BAD_USER_INPUT", "field": "after"});
            assert_eq!(error["extensions"], extensions, "{} {after}", list.name);
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn posts_come_newest_first_and_once_within_one_millisecond() {
    let server = TestServer::start().await;
    let later = Timestamp(Timestamp::now().0 + 60_000);
    for (id, millis) in [("b", 1), ("d", 2), ("a", 2), ("c", 2), ("e", 0)] {
        open_post(&server, id, Timestamp(later.0 + millis)).await;
    }
    let list = List::new("posts", "", "posts", "", Vec::new());
    let client = server.client();
    let (mut walked, mut after) = (Vec::new(), Value::Null);
    for _ in 0..6 {
        let (page, ids) = list
            .page(&client, json!({"first": 1, "after": after}))
            .await;
        walked.extend(ids);
        after = page["pageInfo"]["endCursor"].clone();
    }
    let mut together: Vec<_> = walked[..3].to_vec();
    together.sort();
    assert_eq!(together, ["a", "c", "d"]);
    assert_eq!(walked[3..], ["b", "e", "hello"]);
    server.stop().await;
}

#[tokio::test]
async fn query_of_an_unknown_id_is_null() {
    let server = TestServer::start().await;
    let client = server.client();
    let too_long = "x".repeat(129);
    for id in [
        "unknown",
        "",
        " hello",
        "HELLO",
        "a b",
        "'; DROP TABLE post; --",
        "0198c0de-0000-7000-8000-000000000000",
        "\u{0}",
        "ü",
        too_long.as_str(),
    ] {
        let query = "query($id: ID!) { post(id: $id) { id } comment(id: $id) { id } }";
        let data = client.send(query, json!({"id": id})).await;
        assert_eq!(data, json!({"post": null, "comment": null}), "{id:?}");
    }
    let data = client
        .send("{ post(id: 7) { id } comment(id: 7) { id } }", json!({}))
        .await;
    assert_eq!(
        data,
        json!({"post": null, "comment": null}),
        "an ID may be a number"
    );
    server.stop().await;
}

#[tokio::test]
async fn me_is_the_tokens_user() {
    let server = TestServer::start().await;
    let query = "{ me { id name avatar } }";
    assert_eq!(
        server.client().send(query, json!({})).await,
        json!({"me": null})
    );
    let ada = token("u1", "Ada L.", Role::Reader);
    assert_eq!(
        server
            .client()
            .with_token(&ada)
            .send(query, json!({}))
            .await,
        json!({"me": {"id": "u1", "name": "Ada L.", "avatar": null}})
    );
    server.stop().await;
}

#[tokio::test]
async fn post_is_read_as_it_was_created() {
    let server = TestServer::start().await;
    let author = server.client().with_token(&token("a", "A", Role::Author));
    let input = json!({"id": "2026/a:b~c.d_e-f", "title": "  Ünï <b>  ", "url": "https://example.org/?a=1#b"});
    let create =
        "mutation($input: CreatePostInput!) { createPost(input: $input) { post { ...F } } }
        fragment F on Post { id title url createdAt commentCount viewerCount cursor }";
    let before = Timestamp::now();
    let created = author.send(create, json!({"input": input})).await;
    let after = Timestamp::now();
    let read = "query { post(id: \"2026/a:b~c.d_e-f\") { ...F } }
        fragment F on Post { id title url createdAt commentCount viewerCount cursor }";
    let mut post = server.client().send(read, json!({})).await["post"].take();
    assert_eq!(post, created["createPost"]["post"]);
    let created_at = millis(&post["createdAt"].take());
    assert!((before.0..=after.0).contains(&created_at));
    assert!(post["cursor"].take().is_string());
    assert_eq!(
        post,
        json!({
            "id": "2026/a:b~c.d_e-f", "title": "Ünï <b>", "url": "https://example.org/?a=1#b",
            "createdAt": null, "commentCount": 0, "viewerCount": 0, "cursor": null,
        })
    );
    server.stop().await;
}

/// Returns the milliseconds of a DateTime, and asserts its form.
fn millis(date_time: &Value) -> i64 {
    let text = date_time.as_str().expect("a text");
    assert_eq!(
        (text.len(), &text[19..20], &text[23..]),
        (24, ".", "Z"),
        "{text}"
    );
    let instant = OffsetDateTime::parse(text, &Rfc3339).expect("an instant");
    i64::try_from(instant.unix_timestamp_nanos() / 1_000_000).expect("an instant of our time")
}

#[tokio::test]
async fn comment_is_read_as_last_written_or_as_tombstone_if_deleted() {
    let server = TestServer::start().await;
    let ada = server.reader("ada");
    let body = "  Two\r\nlines, <b>no</b> HTML, \u{1F469}\u{200D}\u{1F680}\t.  ";
    let before = Timestamp::now();
    let written = ada.create_comment(json!({"body": body})).await;
    let after = Timestamp::now();
    let id = written["id"].clone();
    assert!((before.0..=after.0).contains(&millis(&written["createdAt"])));
    let mut expected = json!({
        "id": id, "postId": "hello", "parentId": null, "body": body.trim_end(),
        "author": {"id": "ada", "name": "ada", "avatar": null},
        "createdAt": written["createdAt"], "editedAt": null, "isDeleted": false,
        "cursor": written["cursor"], "replyCount": 0,
    });
    assert_eq!(written, expected, "the mutation's answer");
    let read = async || {
        let query = "query($id: ID!) { comment(id: $id) {
            id postId parentId author { id name avatar } body createdAt editedAt isDeleted
            cursor replyCount
        } }";
        server.client().send(query, json!({"id": id})).await["comment"].take()
    };
    assert_eq!(read().await, expected, "when it is read");

    let reply = ada
        .create_comment(json!({"body": "a reply", "parentId": id}))
        .await;
    assert_eq!(reply["parentId"], id);
    expected["replyCount"] = json!(1);
    assert_eq!(read().await, expected, "with a reply");

    let edit = "mutation($id: ID!) { editComment(input: { id: $id, body: \" better \" }) { comment { editedAt } } }";
    let edited = ada.send(edit, json!({"id": id})).await;
    expected["body"] = json!(" better");
    expected["editedAt"] = edited["editComment"]["comment"]["editedAt"].clone();
    assert!(millis(&expected["editedAt"]) >= millis(&expected["createdAt"]));
    assert_eq!(read().await, expected, "once edited");

    let delete = "mutation($id: ID!) { deleteComment(input: { id: $id }) { comment { id } } }";
    ada.send(delete, json!({"id": id})).await;
    expected["body"] = json!("");
    expected["isDeleted"] = json!(true);
    expected["author"] = json!({"id": "deleted", "name": "deleted", "avatar": null});
    assert_eq!(read().await, expected, "once deleted");
    server.stop().await;
}

#[tokio::test]
async fn posts_count_undeleted_comments_and_comments_listed_replies() {
    let server = TestServer::start().await;
    let ada = server.reader("ada");
    let parent = ada.comment("parent").await;
    let reply = ada
        .create_comment(json!({"body": "reply", "parentId": parent}))
        .await;
    ada.create_comment(json!({"body": "a reply's reply", "parentId": reply["id"]}))
        .await;
    let deleted = ada
        .create_comment(json!({"body": "gone", "parentId": parent}))
        .await;
    let delete = "mutation($id: ID!) { deleteComment(input: { id: $id }) { comment { id } } }";
    // The second deletion changes nothing, so it must not count either.
    for _ in 0..2 {
        ada.send(delete, json!({"id": deleted["id"]})).await;
    }
    let query =
        "{ post(id: \"hello\") { commentCount comments { nodes { isDeleted replyCount replies {
        nodes { isDeleted replyCount }
    } } } } }";
    let read = async || server.client().send(query, json!({})).await["post"].take();
    let reply_of = |is_deleted: bool| json!({"isDeleted": is_deleted, "replyCount": 1});
    assert_eq!(
        read().await,
        json!({"commentCount": 3, "comments": {"nodes": [
            {"isDeleted": false, "replyCount": 1, "replies": {"nodes": [reply_of(false)]}},
        ]}}),
        "a tombstone without replies is in no list"
    );
    for id in [&json!(parent), &reply["id"]] {
        ada.send(delete, json!({"id": id})).await;
    }
    assert_eq!(
        read().await,
        json!({"commentCount": 1, "comments": {"nodes": [
            {"isDeleted": true, "replyCount": 1, "replies": {"nodes": [reply_of(true)]}},
        ]}}),
        "tombstones keep the place of their replies"
    );
    server.stop().await;
}

#[tokio::test]
async fn page_plus_subscription_after_its_cursor_miss_and_repeat_none() {
    let server = TestServer::start().await;
    let (tell, mut told) = tokio::sync::mpsc::channel(1);
    let ada = server.reader("ada");
    let writing = tokio::spawn(async move {
        for number in 0..60 {
            ada.comment(&format!("comment {number}")).await;
            if number == 20 {
                tell.send(()).await.expect("somebody listens");
            }
        }
    });
    // From here on, reading and writing overlap, as they do when a page is opened.
    told.recv().await.expect("twenty comments");
    let query = "{ post(id: \"hello\") { comments(first: 100) { nodes { id } } cursor } }";
    let post = server.client().send(query, json!({})).await["post"].take();
    let page = ids(&post["comments"]["nodes"]);
    assert!(page.len() > 20, "{}", page.len());

    let mut socket = server.socket().await;
    socket
        .subscribe("c", ADDED, json!({"after": post["cursor"]}))
        .await;
    let mut seen: HashSet<String> = page.iter().cloned().collect();
    for _ in page.len()..60 {
        let id = socket.data("c").await["commentAdded"]["id"].take();
        let id = id.as_str().expect("an id").to_owned();
        assert!(seen.insert(id), "a comment came twice");
    }
    writing.await.expect("all was written");
    assert!(socket.settle().await.is_empty(), "something came twice");
    socket.close().await;
    server.stop().await;
}

#[tokio::test]
async fn page_of_50_comments_takes_4_statements_even_with_replies() {
    // The reconciliation of rooms would be counted too.
    let server = TestServer::start_with(&["--reconcile-interval=1h"]).await;
    for number in 0..50 {
        let author = server.reader(&format!("reader-{}", number % 10));
        let parent = author.comment("parent").await;
        let replier = server.reader(&format!("replier-{}", number % 7));
        for _ in 0..2 {
            let input = json!({"body": "reply", "parentId": parent});
            replier.create_comment(input).await;
        }
    }
    let page = "{ post(id: \"hello\") { commentCount cursor comments(first: 50) { nodes {
        body replyCount author { name } $replies
    } } } }";
    for replies in ["", "replies { nodes { body author { name } } }"] {
        let before = server.observer().statements();
        let query = page.replace("$replies", replies);
        let data = server.client().send(&query, json!({})).await;
        let statements = server.observer().statements() - before;
        let comments = items(&data["post"]["comments"]["nodes"]);
        assert_eq!(comments.len(), 50);
        for (number, comment) in comments.iter().enumerate() {
            let author = format!("reader-{}", number % 10);
            assert_eq!(comment["author"]["name"], json!(author));
            assert_eq!(comment["replyCount"], json!(2));
            if !replies.is_empty() {
                let replier = format!("replier-{}", number % 7);
                let reply = json!({"body": "reply", "author": {"name": replier}});
                assert_eq!(comment["replies"]["nodes"], json!([reply, reply]));
            }
        }
        assert!(
            (1..=4).contains(&statements),
            "{statements} statements: {query}"
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn reply_after_the_posts_cursor_is_left_to_the_feed() {
    let server = TestServer::start().await;
    let reader = server.reader("ada");
    let parent = reader.comment("parent").await;
    let reply = async |body: &str| {
        let input = json!({"body": body, "parentId": parent});
        reader.create_comment(input).await
    };
    reply("before").await;
    let post = PostId::parse("hello").expect("an id");
    let store = server.observer().store();
    let stood = store
        .head(&post)
        .await
        .expect("a reading")
        .expect("the post");
    reply("since").await;

    let parent = CommentId::parse(&parent).expect("an id");
    let slice = Slice {
        first: 10,
        after: None,
    };
    for (as_of, expected) in [
        (Some(stood.seq), vec!["before"]),
        (None, vec!["before", "since"]),
    ] {
        let replies = store
            .replies(&[parent], slice, as_of, Bodies::Read, everything())
            .await
            .expect("a reading");
        let bodies: Vec<&str> = replies[&parent]
            .items
            .iter()
            .map(|reply| reply.body.as_str())
            .collect();
        assert_eq!(bodies, expected);
    }
    server.stop().await;
}

#[tokio::test]
async fn bodies_are_read_however_a_list_selects_them() {
    let server = TestServer::start().await;
    let ada = server.reader("ada");
    let top = ada.comment("top").await;
    let reply = json!({"postId": "hello", "parentId": top, "body": "reply"});
    ada.create_comment(reply).await;
    let replies = "replies { edges { node { ...Text } } }";
    let cases = [
        ("nodes { body }", "/post/comments/nodes/0/body", "top"),
        (
            "edges { n: node { b: body } }",
            "/post/comments/edges/0/n/b",
            "top",
        ),
        ("...Nodes", "/post/comments/nodes/0/body", "top"),
        (
            &format!("nodes {{ {replies} }}"),
            "/post/comments/nodes/0/replies/edges/0/node/body",
            "reply",
        ),
    ];
    for (selection, place, body) in cases {
        let query = format!(
            "{{ post(id: \"hello\") {{ comments {{ {selection} }} }} }}
             fragment Text on Comment {{ body }}
             fragment Nodes on CommentConnection {{ nodes {{ ...Text }} }}"
        );
        // Unused fragments are invalid.
        let query = if selection.contains("...Nodes") {
            query
        } else if selection.contains("...Text") {
            query.replace(
                "fragment Nodes on CommentConnection { nodes { ...Text } }",
                "",
            )
        } else {
            query
                .split_once("fragment Text")
                .expect("a fragment")
                .0
                .to_owned()
        };
        let data = server.client().send(&query, json!({})).await;
        assert_eq!(data.pointer(place), Some(&json!(body)), "{data}");
    }
    server.stop().await;
}

#[tokio::test]
async fn posts_by_id_come_in_the_order_of_their_ids() {
    let server = TestServer::start().await;
    let client = server.client();
    for id in ["one", "two", "three"] {
        open_post(&server, id, Timestamp::now()).await;
    }
    let author = client.with_token(&token("author", "Author", Role::Author));
    let relocate = "mutation { movePost(input: { id: \"two\", newId: \"deux\" }) { post { id } } }";
    author.send(relocate, json!({})).await;
    server.reader("ada").comment("a comment").await;
    let query = "query($ids: [ID!]!) { postsById(ids: $ids) { id commentCount } }";
    let post = |id: &str, count: i32| json!({"id": id, "commentCount": count});
    for (ids, posts) in [
        (json!([]), json!([])),
        (json!("one"), json!([post("one", 0)])),
        (
            json!(["three", "hello", "one"]),
            json!([post("three", 0), post("hello", 1), post("one", 0)]),
        ),
        (
            json!(["none", "one", "a b", "", "one"]),
            json!([null, post("one", 0), null, null, post("one", 0)]),
        ),
        (
            json!(["two", "deux"]),
            json!([post("deux", 0), post("deux", 0)]),
        ),
    ] {
        // Twice, because the second answer may be cached.
        for _ in 0..2 {
            let data = author.send(query, json!({"ids": ids})).await;
            assert_eq!(data["postsById"], posts, "{ids}");
        }
    }
    server.reader("ada").comment("another one").await;
    let data = author.send(query, json!({"ids": ["hello"]})).await;
    assert_eq!(data["postsById"], json!([post("hello", 2)]));

    let many: Vec<String> = (0..101).map(|number| number.to_string()).collect();
    let data = author.send(query, json!({"ids": many[1..]})).await;
    assert_eq!(data["postsById"], json!(vec![Value::Null; 100]));
    let error = author.refused(query, json!({"ids": many})).await;
    let extensions = json!({"code": "BAD_USER_INPUT", "field": "ids"});
    assert_eq!(error["extensions"], extensions);
    server.stop().await;
}

#[tokio::test]
async fn recent_comments_are_published_ones_of_all_posts() {
    let server = TestServer::start_with(&["--moderation=all"]).await;
    let ada = server.reader("ada");
    let boss = server
        .client()
        .with_token(&token("boss", "Boss", Role::Moderator));
    for post in ["one", "two", "deleted"] {
        open_post(&server, post, Timestamp::now()).await;
    }
    let write = async |by: &Client, post: &str| {
        let input = json!({"postId": post, "body": post});
        let write = "mutation($input: CreateCommentInput!) {
            createComment(input: $input) { comment { id } }
        }";
        let mut data = by.send(write, json!({"input": input})).await;
        data["createComment"]["comment"]["id"].take()
    };
    let act = async |mutation: &str, id: &Value| {
        let mutation =
            format!("mutation($id: ID!) {{ {mutation}(input: {{ id: $id }}) {{ __typename }} }}");
        boss.send(&mutation, json!({"id": id})).await;
    };
    let recent = async || {
        let query = "{ recentComments { nodes { id post { id } isDeleted } } }";
        let mut data = boss.send(query, json!({})).await;
        let nodes = data["recentComments"]["nodes"].take();
        assert!(
            items(&nodes)
                .iter()
                .all(|node| node["isDeleted"] == json!(false))
        );
        ids(&nodes)
    };
    let waiting = write(&ada, "one").await;
    let first = write(&boss, "one").await;
    let second = write(&boss, "two").await;
    let gone = write(&boss, "deleted").await;
    let expect = |ids: &[&Value]| -> Vec<String> {
        let ids = ids.iter().filter_map(|id| id.as_str());
        ids.map(str::to_owned).collect()
    };
    assert_eq!(recent().await, expect(&[&gone, &second, &first]));
    // The order is that of publication, and not that of writing.
    act("approveComment", &waiting).await;
    assert_eq!(recent().await, expect(&[&waiting, &gone, &second, &first]));
    act("deletePost", &json!("deleted")).await;
    act("rejectComment", &second).await;
    act("deleteComment", &first).await;
    assert_eq!(recent().await, expect(&[&waiting]));
    act("approveComment", &second).await;
    assert_eq!(recent().await, expect(&[&waiting, &second]));
    server.stop().await;
}
