//! Posts: opening, updating and closing them.

use causerie::model::Role;
use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};

use crate::support::{Client, TestServer, another_program, run, token};

const ENSURE: &str = "mutation($input: EnsurePostInput!) {
    ensurePost(input: $input) { wasCreated post { id title url isOpen moderation } }
}";
const UPDATE: &str = "mutation($input: UpdatePostInput!) {
    updatePost(input: $input) { post { id title url isOpen moderation } }
}";
const POST: &str = "query($id: ID!) { post(id: $id) { id title url isOpen moderation } }";
const POST_CHANGED: &str =
    "subscription { postChanged(postId: \"hello\") { title url isOpen moderation } }";
const WRITE: &str = "mutation {
    createComment(input: { postId: \"hello\", body: \"b\" }) { comment { id } }
}";

pub(crate) fn author(server: &TestServer) -> Client {
    server.client().with_token(&token("a", "A", Role::Author))
}

fn code(error: &Value) -> &str {
    error["extensions"]["code"].as_str().expect("a code")
}

async fn update(by: &Client, input: Value) -> Value {
    by.send(UPDATE, json!({"input": input})).await["updatePost"]["post"].take()
}

async fn ensure(by: &Client, input: Value) -> Value {
    by.send(ENSURE, json!({"input": input})).await["ensurePost"].take()
}

/// Returns the version of the post `hello`, and the time at which it was last opened.
async fn stored(server: &TestServer) -> (i64, i64) {
    let connection = another_program(&server.database()).await;
    let sql = "SELECT version, opened_at FROM post WHERE id = 'hello'";
    let backend = ConnectionTrait::get_database_backend(&connection);
    let row = connection.query_one_raw(Statement::from_string(backend, sql));
    let row = row.await.expect("read").expect("a row");
    let number = |index| row.try_get_by_index(index).expect("a number");
    (number(0), number(1))
}

#[tokio::test]
async fn update_changes_the_fields_that_are_there() {
    let server = TestServer::start().await;
    let author = author(&server);
    let start = json!({
        "id": "hello", "title": "Hello", "url": null, "isOpen": true, "moderation": null
    });
    for (input, changed) in [
        (json!({"title": " Hi "}), json!({"title": "Hi"})),
        (
            json!({"url": "https://e.example/a"}),
            json!({"url": "https://e.example/a"}),
        ),
        (json!({"moderation": "ALL"}), json!({"moderation": "ALL"})),
        (json!({"isOpen": false}), json!({"isOpen": false})),
        (json!({"url": null}), json!({"url": null})),
        (json!({"moderation": null}), json!({"moderation": null})),
        (
            json!({"isOpen": true, "title": "Hello"}),
            json!({"isOpen": true, "title": "Hello"}),
        ),
    ] {
        let mut expected = author.send(POST, json!({"id": "hello"})).await["post"].take();
        let (version, _) = stored(&server).await;
        let fields = changed.as_object().expect("fields").clone();
        expected.as_object_mut().expect("a post").extend(fields);
        let mut input = input;
        input["id"] = json!("hello");
        assert_eq!(update(&author, input).await, expected);
        assert_eq!(stored(&server).await.0, version + 1, "{changed}");
    }
    let end = author.send(POST, json!({"id": "hello"})).await;
    assert_eq!(end["post"], start);
    server.stop().await;
}

#[tokio::test]
async fn update_with_null_or_invalid_field_is_refused() {
    let server = TestServer::start().await;
    let author = author(&server);
    for (input, field) in [
        (json!({"title": null}), "title"),
        (json!({"isOpen": null}), "isOpen"),
        (json!({"title": " "}), "title"),
        (json!({"url": "ftp://e.example"}), "url"),
    ] {
        let mut input = input;
        input["id"] = json!("hello");
        let error = author.refused(UPDATE, json!({"input": input})).await;
        assert_eq!(code(&error), "BAD_USER_INPUT", "{input}");
        assert_eq!(error["extensions"]["field"], json!(field), "{input}");
    }
    let missing = json!({"input": {"id": "none", "title": "T"}});
    assert_eq!(code(&author.refused(UPDATE, missing).await), "NOT_FOUND");
    assert_eq!(stored(&server).await.0, 0);
    server.stop().await;
}

#[tokio::test]
async fn update_that_changes_nothing_stores_nothing() {
    let server = TestServer::start().await;
    let author = author(&server);
    let before = stored(&server).await;
    update(&author, json!({"id": "hello"})).await;
    let same = json!({"id": "hello", "title": "Hello", "url": null, "isOpen": true});
    update(&author, same).await;
    ensure(&author, json!({"id": "hello", "title": "Hello"})).await;
    assert_eq!(stored(&server).await, before);
    server.stop().await;
}

#[tokio::test]
async fn closed_post_takes_comments_again_once_it_is_opened() {
    let server = TestServer::start().await;
    let (author, reader) = (author(&server), server.reader("r"));
    let (_, created_at) = stored(&server).await;
    update(&author, json!({"id": "hello", "isOpen": false})).await;
    assert_eq!(stored(&server).await.1, created_at, "closing opens nothing");
    let refused = reader.refused(WRITE, json!({})).await;
    assert_eq!(code(&refused), "FORBIDDEN");
    update(&author, json!({"id": "hello", "isOpen": true})).await;
    let (_, opened_at) = stored(&server).await;
    assert!(opened_at > created_at, "its time starts again");
    reader.send(WRITE, json!({})).await;
    server.stop().await;
}

#[tokio::test]
async fn ensured_post_is_opened_once_and_then_updated() {
    let server = TestServer::start().await;
    let author = author(&server);
    let url = "https://e.example/new";
    let input = |title: &str| json!({"id": "new", "title": title});
    let mut first = input("One");
    first["url"] = json!(url);
    let opened = ensure(&author, first.clone()).await;
    assert_eq!(opened["wasCreated"], json!(true));
    assert_eq!(opened["post"]["url"], json!(url));
    let again = ensure(&author, first).await;
    assert_eq!(again["wasCreated"], json!(false));
    assert_eq!(again["post"], opened["post"]);
    let renamed = ensure(&author, input("Two")).await;
    assert_eq!(renamed["post"]["title"], json!("Two"));
    assert_eq!(renamed["post"]["url"], json!(url), "an absent URL is kept");
    let mut cleared = input("Two");
    cleared["url"] = json!(null);
    assert_eq!(ensure(&author, cleared).await["post"]["url"], json!(null));
    let invalid = json!({"input": {"id": "a b", "title": "T"}});
    let refused = author.refused(ENSURE, invalid).await;
    assert_eq!(code(&refused), "BAD_USER_INPUT");
    server.stop().await;
}

#[tokio::test]
async fn readers_learn_of_an_updated_post() {
    let server = TestServer::start().await;
    let author = author(&server);
    let mut socket = server.reader_socket("r").await;
    socket.subscribe("p", POST_CHANGED, json!({})).await;
    let opened = "causerie_operations_total{type=\"subscription\",code=\"OK\"}";
    server.wait_for_sample(opened, 1.0).await;
    update(&author, json!({"id": "hello", "isOpen": false})).await;
    let changed = socket.data("p").await["postChanged"].take();
    assert_eq!(changed["isOpen"], json!(false));
    ensure(&author, json!({"id": "hello", "title": "New"})).await;
    let changed = socket.data("p").await["postChanged"].take();
    assert_eq!(changed["title"], json!("New"));
    socket.close().await;
    server.stop().await;
}

#[tokio::test]
async fn inactive_post_is_closed_and_its_readers_learn_it() {
    let server = TestServer::start_with(&["--reconcile-interval=100ms"]).await;
    let author = author(&server);
    for id in ["commented", "reopened", "young"] {
        ensure(&author, json!({"id": id, "title": id})).await;
    }
    let write = "mutation($id: ID!) {
        createComment(input: { postId: $id, body: \"b\" }) { status }
    }";
    author.send(write, json!({"id": "commented"})).await;
    let mut socket = server.reader_socket("r").await;
    socket.subscribe("p", POST_CHANGED, json!({})).await;
    let opened = "causerie_operations_total{type=\"subscription\",code=\"OK\"}";
    server.wait_for_sample(opened, 1.0).await;

    // All are two days old, but for what keeps some of them open.
    let connection = another_program(&server.database()).await;
    let two_days = 2 * 24 * 60 * 60 * 1000;
    for (column, condition) in [
        ("created_at", "id <> 'young'"),
        ("opened_at", "id NOT IN ('young', 'reopened')"),
        ("last_comment_at", "id <> 'commented'"),
    ] {
        let sql = format!("UPDATE post SET {column} = {column} - {two_days} WHERE {condition}");
        run(&connection, &sql).await;
    }
    let off = server.beside(&[]).await;
    let sweeping = server.beside(&["--close-after=1"]).await;
    let changed = socket.data("p").await["postChanged"].take();
    assert_eq!(changed["isOpen"], json!(false));
    for (id, is_open) in [
        ("hello", false),
        ("commented", true),
        ("reopened", true),
        ("young", true),
    ] {
        let post = author.send(POST, json!({"id": id})).await["post"].take();
        assert_eq!(post["isOpen"], json!(is_open), "{id}");
    }
    let (_, opened_at) = stored(&server).await;
    update(&author, json!({"id": "hello", "isOpen": true})).await;
    assert!(stored(&server).await.1 > opened_at, "its time starts again");
    socket.close().await;
    for server in [off, sweeping, server] {
        server.stop().await;
    }
}
