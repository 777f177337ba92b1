//! The feed: nothing lost, nothing twice, in order.

use causerie::{
    config::StoreConfig,
    model::{PostId, Timestamp, User, UserId},
    store::{NewComment, Store},
};
use serde_json::{Value, json};

use crate::support::{Client, Socket, TestServer, settings};

const ADDED: &str = "subscription($after: Cursor, $own: Boolean! = false) {
    commentAdded(postId: \"hello\", after: $after, includeOwn: $own) { body cursor }
}";
const CHANGED: &str = "subscription($after: Cursor, $own: Boolean! = false) {
    commentChanged(postId: \"hello\", after: $after, includeOwn: $own) {
        kind cursor comment { body isDeleted }
    }
}";
const EDIT: &str = "mutation($id: ID!, $body: String!) {
    editComment(input: { id: $id, body: $body }) { comment { id } }
}";
const DELETE: &str = "mutation($id: ID!) { deleteComment(input: { id: $id }) { comment { id } } }";

/// Where the feed of `hello` stands.
async fn cursor(client: &Client) -> Value {
    client
        .send("{ post(id: \"hello\") { cursor } }", json!({}))
        .await["post"]["cursor"]
        .take()
}

/// Takes `count` events of this field and returns them.
async fn take(socket: &mut Socket, field: &str, count: usize) -> Vec<Value> {
    let mut events = Vec::with_capacity(count);
    for _ in 0..count {
        events.push(socket.data("s").await[field].take());
    }
    events
}

fn bodies(added: &[Value]) -> Vec<&str> {
    added
        .iter()
        .map(|event| event["body"].as_str().expect("a body"))
        .collect()
}

/// Each change as `KIND body`.
fn changes(changed: &[Value]) -> Vec<String> {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    changed
        .iter()
        .map(|event| {
            format!(
                "{} {}",
                text(&event["kind"]),
                text(&event["comment"]["body"])
            )
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_comment_is_lost_or_doubled_between_catching_up_and_going_live_under_four_writers() {
    const WRITERS: usize = 4;
    const EACH: usize = 60;
    let server = TestServer::start_with(&["--room-buffer=8"]).await;
    let start = cursor(&server.client()).await;
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let client = server.reader(&format!("writer{writer}"));
            tokio::spawn(async move {
                for number in 0..EACH {
                    client.comment(&format!("{writer}/{number}")).await;
                }
            })
        })
        .collect();
    // Readers join all along, some from the start of the feed and some from where it stands.
    let mut readers = Vec::new();
    for _ in 0..8 {
        let mut socket = server.socket().await;
        socket.subscribe("s", ADDED, json!({"after": start})).await;
        readers.push(socket);
        server
            .reader("pace")
            .comment("a comment that paces the readers")
            .await;
    }
    for writer in writers {
        writer.await.expect("a writer");
    }
    let expected = server.client().bodies().await;
    assert_eq!(expected.len(), WRITERS * EACH + readers.len());
    for mut socket in readers {
        let added = take(&mut socket, "commentAdded", expected.len()).await;
        assert_eq!(bodies(&added), expected);
        assert!(socket.settle().await.is_empty(), "nothing more");
        socket.close().await;
    }
    server.stop().await;
}

#[tokio::test]
async fn a_member_that_falls_behind_is_caught_up_from_the_store_and_goes_live_again() {
    // A room that keeps two changes, and a queue of one message: whoever does not read at once is
    // behind. Whoever does not read answers no ping either, and is to be there all the same however
    // long the writing takes.
    let server = TestServer::start_with(&[
        "--room-buffer=2",
        "--ws-queue=1",
        "--ws-write-timeout=5m",
        "--ws-ping-interval=5m",
    ])
    .await;
    let mut slow = server.socket().await;
    slow.subscribe("s", CHANGED, json!({})).await;
    server.until_census(1, 1).await;
    assert!(slow.settle().await.is_empty());
    let writer = server.reader("writer");
    let body = "x".repeat(9_000);
    // More than the sockets' buffers of the system take, so that the server has to wait.
    let count = 1_200;
    for number in 0..count {
        writer.comment(&format!("{number} {body}")).await;
    }
    for number in 0..count {
        let event = slow.data("s").await;
        let text = event["commentChanged"]["comment"]["body"]
            .as_str()
            .expect("a body");
        assert_eq!(
            text.split_once(' ').expect("a number").0,
            number.to_string()
        );
    }
    writer.comment("live again").await;
    let live = take(&mut slow, "commentChanged", 1).await;
    assert_eq!(changes(&live), ["ADDED live again"]);
    slow.close().await;
    server.stop().await;
}

#[tokio::test]
async fn a_change_that_no_room_was_told_of_arrives_all_the_same() {
    let server = TestServer::start_with(&["--reconcile-interval=100ms"]).await;
    let mut socket = server.socket().await;
    socket.subscribe("s", CHANGED, json!({})).await;
    server.until_census(1, 1).await;
    assert!(socket.settle().await.is_empty());

    // As if the server had died between the commit and the delivery: somebody else commits.
    let elsewhere = open_elsewhere(&server).await;
    add_elsewhere(&elsewhere, "lost").await;
    let found = take(&mut socket, "commentChanged", 1).await;
    assert_eq!(changes(&found), ["ADDED lost"]);

    // And what comes after it, by the usual way, is not held up and not doubled.
    add_elsewhere(&elsewhere, "lost too").await;
    server.reader("writer").comment("told").await;
    let both = take(&mut socket, "commentChanged", 2).await;
    assert_eq!(changes(&both), ["ADDED lost too", "ADDED told"]);
    assert!(socket.settle().await.is_empty());

    elsewhere.close().await;
    socket.close().await;
    server.stop().await;
}

#[tokio::test]
async fn all_rooms_are_compared_with_the_store_by_one_query() {
    let server = TestServer::start_with(&["--reconcile-interval=50ms"]).await;
    let author = server.client().with_token(&crate::support::token(
        "author",
        "Author",
        causerie::model::Role::Author,
    ));
    let mut socket = server.socket().await;
    for number in 0..20 {
        let create =
            "mutation($id: ID!) { createPost(input: { id: $id, title: \"t\" }) { post { id } } }";
        author
            .send(create, json!({"id": format!("p{number}")}))
            .await;
        let id = format!("s{number}");
        let follow = "subscription($id: ID!) { viewerCount(postId: $id) }";
        socket
            .subscribe(&id, follow, json!({"id": format!("p{number}")}))
            .await;
        // It comes when the store has said where the feed stands.
        socket.data(&id).await;
    }
    server.until_census(20, 20).await;
    // Nothing else runs statements now, so between one round and the next there is one.
    let before = server.observer().statements();
    crate::support::until("a round", || server.observer().statements() > before).await;
    assert_eq!(server.observer().statements(), before + 1);
    socket.close().await;
    server.stop().await;
}

#[tokio::test]
async fn a_clients_own_changes_are_left_out_when_catching_up_unless_asked_for() {
    let server = TestServer::start().await;
    let start = cursor(&server.client()).await;
    let mine = server.reader("ada").named("ada");
    let other = server.reader("bob").named("bob");
    let my_comment = mine.comment("mine").await;
    let other_comment = other.comment("other").await;
    mine.send(EDIT, json!({"id": my_comment, "body": "mine, edited"}))
        .await;
    other
        .send(EDIT, json!({"id": other_comment, "body": "other, edited"}))
        .await;

    let mut ada = server.reader_socket("ada").await;
    let expect: [(&str, bool, &[&str]); 4] = [
        (ADDED, false, &["other, edited"]),
        (ADDED, true, &["mine, edited", "other, edited"]),
        (CHANGED, false, &["ADDED other, edited"]),
        (
            CHANGED,
            true,
            &["ADDED mine, edited", "ADDED other, edited"],
        ),
    ];
    for (query, include_own, expected) in expect {
        ada.subscribe("s", query, json!({"after": start, "own": include_own}))
            .await;
        let mut got = Vec::new();
        for _ in expected {
            let event = ada.data("s").await;
            got.push(match event.get("commentAdded") {
                Some(added) => added["body"].as_str().expect("a body").to_owned(),
                None => changes(&[event["commentChanged"].clone()])[0].clone(),
            });
        }
        assert_eq!(got, expected);
        assert!(ada.settle().await.is_empty());
        ada.complete("s").await;
    }
    ada.close().await;
    server.stop().await;
}

#[tokio::test]
async fn catching_up_on_changes_brings_each_comment_once_in_its_latest_state() {
    let server = TestServer::start().await;
    let writer = server.reader("ada");
    let old = writer.comment("old").await;
    let gone = writer.comment("gone").await;
    let start = cursor(&server.client()).await;
    let new = writer.comment("new").await;
    for (id, body) in [
        (&old, "old, edited"),
        (&new, "new, edited"),
        (&new, "new, edited twice"),
    ] {
        writer.send(EDIT, json!({"id": id, "body": body})).await;
    }
    writer.send(DELETE, json!({"id": gone})).await;

    let mut socket = server.socket().await;
    socket
        .subscribe("s", CHANGED, json!({"after": start}))
        .await;
    let caught_up = take(&mut socket, "commentChanged", 3).await;
    assert_eq!(
        changes(&caught_up),
        ["EDITED old, edited", "ADDED new, edited twice", "DELETED "]
    );
    assert_eq!(caught_up[2]["comment"]["isDeleted"], json!(true));

    // Every cursor on the way is a place to go on from.
    socket.complete("s").await;
    socket
        .subscribe("s", CHANGED, json!({"after": caught_up[1]["cursor"]}))
        .await;
    assert_eq!(
        changes(&take(&mut socket, "commentChanged", 1).await),
        ["DELETED "]
    );
    assert!(socket.settle().await.is_empty());
    socket.close().await;
    server.stop().await;
}

#[tokio::test]
async fn a_cursor_is_checked_and_stays_good_across_a_restart() {
    let server = TestServer::start().await;
    server.reader("ada").comment("before").await;
    let place = cursor(&server.client()).await;
    server.reader("ada").comment("after").await;
    let ahead = cursor(&server.client()).await;
    let folder = server.shut_down().await;

    let server = TestServer::start_in(folder, &[]).await;
    let mut socket = server.socket().await;
    socket.subscribe("s", ADDED, json!({"after": place})).await;
    assert_eq!(
        bodies(&take(&mut socket, "commentAdded", 1).await),
        ["after"]
    );
    socket.complete("s").await;
    for (id, bad) in [("a", "nonsense"), ("b", "AQAAAAAAAAAAAAAA"), ("c", "")] {
        socket.subscribe(id, ADDED, json!({"after": bad})).await;
        assert_refused(socket.message().await, id);
    }
    socket.close().await;
    server.stop().await;

    // A cursor that another database gave out, which is ahead of this one.
    let server = TestServer::start().await;
    let mut socket = server.socket().await;
    socket.subscribe("s", ADDED, json!({"after": ahead})).await;
    assert_refused(socket.message().await, "s");
    socket.close().await;
    server.stop().await;
}

fn assert_refused(message: Value, id: &str) {
    assert_eq!(
        (&message["type"], &message["id"]),
        (&json!("error"), &json!(id))
    );
    let extensions = &message["payload"][0]["extensions"];
    assert_eq!(
        extensions,
        &json!({"code": "BAD_USER_INPUT", "field": "after"}),
        "{message}"
    );
}

/// The same database, opened by somebody who tells no room of what they do.
async fn open_elsewhere(server: &TestServer) -> Store {
    let url = format!("--database-url={}", server.database());
    let config: StoreConfig = settings(&[&url]).store;
    Store::open(&config).await.expect("the database")
}

async fn add_elsewhere(store: &Store, body: &str) {
    let new = NewComment {
        post_id: PostId::parse("hello").expect("a post id"),
        parent_id: None,
        max_depth: 32,
        author: User {
            id: UserId::parse("elsewhere").expect("a user id"),
            name: "Elsewhere".into(),
            avatar: None,
        },
        body: body.to_owned(),
        at: Timestamp::now(),
        origin: None,
    };
    store.create_comment(new).await.expect("stored");
}

/// The first member of a room waits for the store to say where the feed stands. What is written
/// meanwhile is written after it joined.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_in_the_room_is_sent_what_is_written_from_then_on() {
    let server = TestServer::start().await;
    let mut socket = server.socket().await;
    let writer = server.reader("writer");
    for round in 0..300 {
        socket.subscribe("s", ADDED, json!({})).await;
        server.until_census(1, 1).await;
        let body = format!("round {round}");
        writer.comment(&body).await;
        assert_eq!(bodies(&take(&mut socket, "commentAdded", 1).await), [body]);
        socket.complete("s").await;
        server.until_census(0, 0).await;
    }
    socket.close().await;
    server.stop().await;
}
