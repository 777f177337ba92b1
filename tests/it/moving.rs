//! Posts that are given another id: what goes on under the old one, and what ends.

use std::time::Duration;

use causerie::{
    cluster::backplane::memory::Network,
    model::{PostId, Profile, Role, Timestamp, User, UserId},
    store::{MovePost, NewComment, NewPost, Screened, Store},
    telemetry::Registry,
};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::{
    posts::author,
    support::{Client, TestServer, database_url, everything, settings, token},
    transports::{Reader, readers, readers_of},
};

const MOVE: &str = "mutation($id: ID!, $to: ID!) {
    movePost(input: { id: $id, newId: $to }) { post { id title commentCount } }
}";
const CREATE: &str = "mutation($id: ID!) {
    createPost(input: { id: $id, title: \"New\" }) { post { id } }
}";
const ENSURE: &str = "mutation($id: ID!) {
    ensurePost(input: { id: $id, title: \"Ensured\" }) { wasCreated post { id title } }
}";
const WRITE: &str = "mutation($id: ID!, $body: String!) {
    createComment(input: { postId: $id, body: $body }) { comment { postId body } }
}";
const POST: &str = "query($id: ID!, $after: String) {
    post(id: $id) { id cursor comments(after: $after) {
        nodes { body postId post { id } } pageInfo { endCursor }
    } }
}";
const ADDED: &str = "subscription($id: ID!, $after: Cursor) {
    commentAdded(postId: $id, after: $after) { body postId }
}";
const SET_TYPING: &str = "mutation($id: ID!) {
    setTyping(input: { postId: $id, isTyping: true }) { isTyping }
}";
/// A subscription of each kind.
const SUBSCRIPTIONS: [&str; 5] = [
    "subscription($id: ID!) { commentAdded(postId: $id) { body } }",
    "subscription($id: ID!) { commentChanged(postId: $id) { kind } }",
    "subscription($id: ID!) { viewerCount(postId: $id) }",
    "subscription($id: ID!) { typing(postId: $id) { isTyping } }",
    "subscription($id: ID!) { postChanged(postId: $id) { title } }",
];

/// A client for each transport. A stream that opened after the move would be in the new room.
const CLIENTS: [&str; 3] = ["one", "two", "three"];

async fn relocate(by: &Client, id: &str, to: &str) -> Value {
    let data = by.send(MOVE, json!({"id": id, "to": to})).await;
    data["movePost"]["post"].clone()
}

async fn refusal(by: &Client, query: &str, variables: Value) -> String {
    let error = by.refused(query, variables).await;
    let code = error["extensions"]["code"].as_str();
    code.expect("a code").to_owned()
}

async fn post(client: &Client, id: &str) -> Value {
    client.send(POST, json!({"id": id})).await["post"].take()
}

fn reader_token() -> String {
    token("r", "R", Role::Reader)
}

#[tokio::test]
async fn old_id_names_the_post_wherever_an_id_is_taken() {
    // Texts are screened, which looks for the post too.
    let server = TestServer::start_with(&["--hold-links=9"]).await;
    let (author, reader) = (author(&server), server.reader("r"));
    reader.comment("before").await;
    let moved = relocate(&author, "hello", "moved").await;
    assert_eq!(
        moved,
        json!({"id": "moved", "title": "Hello", "commentCount": 1})
    );
    for id in ["hello", "moved"] {
        let body = format!("by {id}");
        let written = reader.send(WRITE, json!({"id": id, "body": body})).await;
        assert_eq!(
            written["createComment"]["comment"],
            json!({"postId": "moved", "body": body})
        );
        let post = post(&reader, id).await;
        assert_eq!(post["id"], json!("moved"));
        let nodes = post["comments"]["nodes"].as_array().expect("comments");
        for node in nodes {
            assert_eq!(node["postId"], json!("moved"));
            assert_eq!(node["post"]["id"], json!("moved"));
        }
        let mut socket = server.socket().await;
        let variables = json!({"id": id, "after": post["cursor"]});
        socket.subscribe("s", ADDED, variables).await;
        server.wait_for_members(1, 1).await;
        reader.send(SET_TYPING, json!({"id": id})).await;
        reader.send(WRITE, json!({"id": id, "body": "live"})).await;
        let added = socket.data("s").await["commentAdded"].take();
        assert_eq!(added, json!({"body": "live", "postId": "moved"}));
        socket.close().await;
        server.wait_for_members(0, 0).await;
    }
    server.stop().await;
}

#[tokio::test]
async fn streams_of_moved_post_end_with_cursor_expired() {
    let server = TestServer::start().await;
    let author = author(&server);
    for (number, subscription) in SUBSCRIPTIONS.into_iter().enumerate() {
        let id = format!("post{number}");
        author.send(CREATE, json!({"id": id})).await;
        let variables = json!({"id": id});
        let reader = reader_token();
        let open = readers_of(&server, &reader, CLIENTS, subscription, &variables);
        let mut open = open.await;
        server.wait_for_members(1, 3).await;
        relocate(&author, &id, &format!("{id}/moved")).await;
        for reader in &mut open {
            assert_eq!(reader.refusal().await, "CURSOR_EXPIRED", "{subscription}");
        }
        open.into_iter().for_each(Reader::vanish);
    }
    server.stop().await;
}

#[tokio::test]
async fn cursors_issued_under_the_old_id_have_expired() {
    let server = TestServer::start().await;
    let (author, reader) = (author(&server), server.reader("r"));
    reader.comment("one").await;
    let before = post(&reader, "hello").await;
    relocate(&author, "hello", "moved").await;
    let after = post(&reader, "hello").await;
    assert_ne!(before["cursor"], after["cursor"]);
    for id in ["hello", "moved"] {
        let page = json!({"id": id, "after": before["comments"]["pageInfo"]["endCursor"]});
        assert_eq!(refusal(&reader, POST, page).await, "CURSOR_EXPIRED", "{id}");
        let stream = json!({"id": id, "after": before["cursor"]});
        for mut reader in readers(&server, &reader_token(), "tab", ADDED, &stream).await {
            assert_eq!(reader.refusal().await, "CURSOR_EXPIRED", "{id}");
            reader.vanish();
        }
        let stream = json!({"id": id, "after": after["cursor"]});
        for reader in readers(&server, &reader_token(), "tab", ADDED, &stream).await {
            reader.vanish();
        }
        let page = json!({"id": id, "after": after["comments"]["pageInfo"]["endCursor"]});
        reader.send(POST, page).await;
        let foreign = json!({"id": id, "after": "AgEAAAABAAAAAAAAAAAAAAAA"});
        assert_eq!(refusal(&reader, POST, foreign).await, "BAD_USER_INPUT");
    }
    server.stop().await;
}

#[tokio::test]
async fn id_of_another_post_is_taken_also_if_it_is_an_old_one() {
    let server = TestServer::start().await;
    let author = author(&server);
    author.send(CREATE, json!({"id": "other"})).await;
    relocate(&author, "hello", "moved").await;
    for to in ["other", "moved"] {
        let variables = json!({"id": "other", "to": to});
        let expected = if to == "other" {
            None
        } else {
            Some("CONFLICT")
        };
        let reply = author.try_send(MOVE, variables).await;
        let code = reply.body.pointer("/errors/0/extensions/code");
        assert_eq!(code.and_then(Value::as_str), expected, "{to}");
    }
    let onto_old = json!({"id": "other", "to": "hello"});
    assert_eq!(refusal(&author, MOVE, onto_old).await, "CONFLICT");
    let created = json!({"id": "hello"});
    assert_eq!(refusal(&author, CREATE, created).await, "CONFLICT");
    let invalid = json!({"id": "other", "to": "a b"});
    assert_eq!(refusal(&author, MOVE, invalid).await, "BAD_USER_INPUT");
    let missing = json!({"id": "none", "to": "x"});
    assert_eq!(refusal(&author, MOVE, missing).await, "NOT_FOUND");
    let ensured = author.send(ENSURE, json!({"id": "hello"})).await;
    assert_eq!(
        ensured["ensurePost"],
        json!({"wasCreated": false, "post": {"id": "moved", "title": "Ensured"}})
    );
    server.stop().await;
}

#[tokio::test]
async fn post_that_was_moved_twice_comes_back_to_its_first_id() {
    let server = TestServer::start().await;
    let (author, reader) = (author(&server), server.reader("r"));
    reader.comment("one").await;
    relocate(&author, "hello", "second").await;
    relocate(&author, "hello", "third").await;
    for id in ["hello", "second", "third"] {
        assert_eq!(post(&reader, id).await["id"], json!("third"), "{id}");
    }
    relocate(&author, "second", "hello").await;
    for id in ["hello", "second", "third"] {
        assert_eq!(post(&reader, id).await["id"], json!("hello"), "{id}");
    }
    reader.comment("two").await;
    assert_eq!(reader.bodies().await.len(), 2);
    server.stop().await;
}

#[tokio::test]
async fn streams_on_other_nodes_end_when_the_post_moves() {
    let network = Network::new(Duration::from_millis(1));
    let here = TestServer::start_node(&network, &[]).await;
    let there = here.node_beside(&network, &[]).await;
    let variables = json!({"id": "hello"});
    let (reader, query) = (reader_token(), SUBSCRIPTIONS[1]);
    let mut open = readers_of(&there, &reader, CLIENTS, query, &variables).await;
    there.wait_for_members(1, 3).await;
    relocate(&author(&here), "hello", "moved").await;
    for reader in &mut open {
        assert_eq!(reader.refusal().await, "CURSOR_EXPIRED");
    }
    open.into_iter().for_each(Reader::vanish);
    there.stop().await;
    here.stop().await;
}

/// The other server has no backplane, so it is told nothing.
#[tokio::test]
async fn move_whose_message_was_lost_is_found_in_the_store() {
    let here = TestServer::start().await;
    let there = here.beside(&["--reconcile-interval=100ms"]).await;
    let mut socket = there.socket().await;
    let variables = json!({"id": "hello"});
    socket.subscribe("s", SUBSCRIPTIONS[2], variables).await;
    there.wait_for_members(1, 1).await;
    let mut reader = Reader::WebSocket(Box::new(socket));
    relocate(&author(&here), "hello", "moved").await;
    assert_eq!(reader.refusal().await, "CURSOR_EXPIRED");
    reader.vanish();
    there.stop().await;
    here.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn comments_that_race_with_moves_are_all_stored() {
    const WRITES: usize = 200;
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("--database-url={}", database_url(folder.path()));
    let config = settings(&[&url]).store;
    let store = Store::open(&config, &Registry::new()).await;
    let store = store.expect("a store");
    let id = |text: &str| PostId::parse(text).expect("an id");
    let by = |name: &str| {
        let user = User {
            id: UserId::parse(name).expect("an id"),
            name: name.into(),
            avatar: None,
            role: Role::Author,
        };
        Profile::new(user, Timestamp::now())
    };
    let new = NewPost {
        id: id("p0"),
        title: "P".to_owned(),
        url: None,
        at: Timestamp::now(),
        by: None,
    };
    store.create_post(new).await.expect("a post");
    let writes = (0..WRITES).map(|number| {
        store.create_comment(NewComment {
            post_id: id("p0"),
            parent_id: None,
            max_depth: 32,
            author: by(&format!("u{}", number % 7)),
            body: "b".to_owned(),
            screened: Screened::PASSED,
            at: Timestamp::now(),
            origin: None,
            key: None,
        })
    });
    let moves = async {
        for number in 0..20 {
            let moving = MovePost {
                id: id("p0"),
                new_id: id(&format!("p{}", (number + 1) % 5)),
                by: by("mover"),
            };
            store.move_post(moving).await.expect("moved");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let (written, ()) = tokio::join!(join_all(writes), moves);
    for written in written {
        written.expect("written");
    }
    let post = store.post(&id("p3")).await.expect("read").expect("a post");
    assert_eq!(post.id, id("p0"));
    let seqs = store
        .changed_after(&post.id, causerie::model::Seq(0), 10_000, everything())
        .await
        .expect("a feed");
    assert_eq!(seqs.items.len(), WRITES);
    store.close().await;
}
