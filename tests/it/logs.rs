//! The log: one line for each operation, with its request id, and no text that users write.

use std::path::Path;

use causerie::model::Role;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use crate::support::{
    Node, Reply, Request, SECRET, Signal, Socket, Streaming, another_program, database_url, lock,
    run, start_node, token, user,
};

const OPEN: &str = "mutation Open { createPost(input: { id: \"hello\", title: \"a-secret-title\" }) { post { id } } }";
const WRITE: &str = "mutation Write($body: String!) {
    createComment(input: { postId: \"hello\", body: $body }) { comment { id body } }
}";
const FOLLOW: &str = "subscription Follow { viewerCount(postId: \"hello\") }";
const READ: &str = "subscription($after: Cursor) {
    commentAdded(postId: \"hello\", after: $after) { body }
}";

/// Stops the server and returns its log.
async fn logged(mut server: Node) -> String {
    server.signal(Signal::SIGTERM);
    let ended = server.ended().await;
    assert!(ended.status.success(), "{}", ended.stderr);
    ended.stderr
}

/// Starts a server that logs JSON.
async fn logging(folder: &Path, log: &str) -> Node {
    let log = format!("--log={log}");
    start_node(folder, &[&log, "--log-format=json", "--drain-window=0s"]).await
}

/// Returns the log lines of operations as objects.
fn operations(log: &str) -> Vec<Value> {
    let lines = log.lines().map(|line| {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
        assert!(line["timestamp"].is_string() && line["level"].is_string());
        line
    });
    lines
        .filter(|line| line["target"] == "causerie::operation")
        .collect()
}

/// Returns a line's fields without its time.
fn said(line: &Value) -> Value {
    assert!(
        line["duration_ms"].as_f64().is_some_and(|took| took >= 0.0),
        "{line}"
    );
    let mut said = serde_json::Map::new();
    for field in ["message", "kind", "operation", "transport", "code", "user"] {
        if let Some(value) = line.get(field) {
            said.insert(field.to_owned(), value.clone());
        }
    }
    Value::Object(said)
}

fn request_id(headers: &HeaderMap) -> &str {
    headers["x-request-id"].to_str().expect("a text")
}

async fn post(server: &Node, id: Option<&str>, body: Value) -> Reply {
    let http = reqwest::Client::new();
    let mut request = http.post(format!("http://{}/graphql", server.address()));
    if let Some(id) = id {
        request = request.header("x-request-id", id);
    }
    let response = request.json(&body).send().await.expect("an answer");
    Reply {
        status: response.status(),
        headers: response.headers().clone(),
        body: response.json().await.expect("JSON"),
    }
}

#[tokio::test]
async fn operation_is_one_log_line_with_its_request_id() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = logging(folder.path(), "info").await;
    user(&server, Role::Author).send(OPEN, json!({})).await;
    let query = json!({"query": "query Posts { posts { nodes { id } } }"});
    let mine = post(&server, Some("my-request.1"), query.clone()).await;
    assert_eq!(request_id(&mine.headers), "my-request.1");
    // A malformed id is replaced, and no part of it is used.
    let long = "x".repeat(65);
    let mut made = Vec::new();
    for id in [None, Some("two words"), Some(""), Some(long.as_str())] {
        let reply = post(&server, id, query.clone()).await;
        let id = request_id(&reply.headers).to_owned();
        assert!(
            id.len() == 32 && id.bytes().all(|c| c.is_ascii_hexdigit()),
            "{id}"
        );
        assert!(!made.contains(&id), "{id} twice");
        made.push(id);
    }
    post(&server, Some("broken"), json!({"query": "{"})).await;
    let mut socket = Socket::connect(server.address()).await;
    let authorization = token("ada", "Ada", Role::Reader);
    socket.init(json!({"authorization": authorization})).await;
    socket.subscribe("s", FOLLOW, json!({})).await;
    assert_eq!(socket.data("s").await, json!({"viewerCount": 1}));
    socket.subscribe("w", WRITE, json!({"body": ""})).await;
    assert_eq!(socket.message().await["type"], "next");
    socket.close().await;

    let lines = operations(&logged(server).await);
    let all: Vec<Value> = lines.iter().map(said).collect();
    let asked = json!({
        "message": "operation", "kind": "query", "operation": "Posts", "transport": "http", "code": "OK"
    });
    let broken = json!({
        "message": "operation", "kind": "unknown", "transport": "http", "code": "GRAPHQL_PARSE_FAILED"
    });
    let followed = |message| {
        json!({
            "message": message, "kind": "subscription", "operation": "Follow",
            "transport": "websocket", "code": "OK", "user": "ada"
        })
    };
    assert_eq!(
        all,
        [
            json!({
                "message": "operation", "kind": "mutation", "operation": "Open",
                "transport": "http", "code": "OK", "user": "Author"
            }),
            asked.clone(),
            asked.clone(),
            asked.clone(),
            asked.clone(),
            asked,
            broken,
            followed("subscription started"),
            json!({
                "message": "operation", "kind": "mutation", "operation": "Write",
                "transport": "websocket", "code": "BAD_USER_INPUT", "user": "ada"
            }),
            followed("subscription ended"),
        ]
    );
    let ids: Vec<&str> = lines
        .iter()
        .filter_map(|line| line["request_id"].as_str())
        .collect();
    assert_eq!(ids[1], "my-request.1");
    assert_eq!(&ids[2..6], made);
    // The ids of a socket's operations differ, but share the socket's id.
    let (socket, number) = ids[7].rsplit_once('/').expect("a number");
    assert_eq!(number, "1");
    assert_eq!(ids[8], format!("{socket}/2"));
    assert_eq!(ids[9], ids[7]);
}

#[tokio::test]
async fn log_setting_turns_operation_lines_off() {
    let folder = tempfile::tempdir().expect("a folder");
    for log in ["warn", "info,causerie::operation=off"] {
        let server = logging(folder.path(), log).await;
        post(
            &server,
            None,
            json!({"query": "{ posts { nodes { id } } }"}),
        )
        .await;
        assert_eq!(
            operations(&logged(server).await),
            Vec::<Value>::new(),
            "{log}"
        );
    }
}

#[tokio::test]
async fn tokens_and_user_text_are_never_logged() {
    for format in ["json", "pretty"] {
        let folder = tempfile::tempdir().expect("a folder");
        let format = format!("--log-format={format}");
        let settings = [
            "--log=trace",
            &format,
            "--drain-window=0s",
            "--database-timeout=2s",
        ];
        let server = start_node(folder.path(), &settings).await;
        let secrets = send_secrets(&server, &database_url(folder.path())).await;
        let log = logged(server).await;
        assert!(log.contains("causerie::operation"), "{log}");
        for secret in secrets
            .iter()
            .map(String::as_str)
            .chain(["a-secret", SECRET])
        {
            if let Some(line) = log.lines().find(|line| line.contains(secret)) {
                panic!("{secret} in {line}");
            }
        }
    }
}

/// Sends tokens and texts in every possible way, successful and failing. Returns the tokens. Every text
/// begins with `a-secret`.
async fn send_secrets(server: &Node, database: &str) -> Vec<String> {
    let good = token("ada", "a-secret-name", Role::Moderator);
    let bad = format!("{good}a-secret-ending");
    let client = server.client().with_token(&good);
    client.send(OPEN, json!({})).await;
    let start = client
        .send("{ post(id: \"hello\") { cursor } }", json!({}))
        .await;
    let start = json!({"after": start["post"]["cursor"]});
    client.send(WRITE, json!({"body": "a-secret-text"})).await;
    let guest = "mutation { signInAsGuest(input: { name: \"a-secret-guest\" }) { token } }";
    let guest = server.client().send(guest, json!({})).await;
    let guest = guest["signInAsGuest"]["token"]
        .as_str()
        .expect("a token")
        .to_owned();

    // In variables, in documents, in wrong places, and in malformed requests.
    let inline = "mutation { createComment(input: { postId: \"hello\", body: \"a-secret-text\" }) { comment { a_field } } }";
    client.try_send(inline, json!({})).await;
    client
        .try_send("{ post(id: \"a-secret", json!({"a-secret": "a-secret"}))
        .await;
    client
        .try_send(WRITE, json!({"body": ["a-secret-list"]}))
        .await;
    client
        .try_send(
            WRITE,
            json!({"body": format!("a-secret-{}", "x".repeat(10_001))}),
        )
        .await;
    client
        .post("application/json", "{\"query\": \"a-secret-half")
        .await;
    client.post("text/plain", "a-secret-plain").await;
    client
        .get(&[("query", "{ post(id: \"a-secret-id\") { id } }")])
        .await;
    server
        .client()
        .with_token(&bad)
        .try_send(WRITE, json!({"body": "a-secret-text"}))
        .await;
    let named = server.client().named("a-secret, which is no name");
    named.try_send("{ me { id } }", json!({})).await;

    let mut socket = Socket::connect(server.address()).await;
    socket
        .init(json!({"authorization": good, "other": "a-secret-other"}))
        .await;
    socket.subscribe("s", READ, start.clone()).await;
    assert_eq!(
        socket.data("s").await["commentAdded"]["body"],
        json!("a-secret-text")
    );
    socket
        .subscribe("w", WRITE, json!({"body": "a-secret-text"}))
        .await;
    socket.subscribe("b", inline, json!({})).await;
    for _ in 0..2 {
        socket.message().await;
    }
    socket.send(json!({"type": "a-secret-type"})).await;
    assert_eq!(socket.closed().await.0, 4400);
    let mut refused = Socket::connect(server.address()).await;
    let init = json!({"type": "connection_init", "payload": {"authorization": bad}});
    refused.send(init).await;
    assert_eq!(refused.closed().await.0, 4403);

    for accept in ["text/event-stream", "multipart/mixed;subscriptionSpec=1.0"] {
        let request = Request::post(READ, start.clone())
            .with_token(&good)
            .accepting(accept);
        let mut stream = Streaming::open(server.address(), &request).await;
        server
            .client()
            .with_token(&guest)
            .comment("a-secret-text")
            .await;
        stream.read_until("a-secret-text").await;
        let request = Request::post(WRITE, json!({"body": "a-secret-text"}));
        let request = request.with_token(&good).accepting(accept);
        Streaming::open(server.address(), &request)
            .await
            .rest()
            .await;
    }

    // The database fails, and its error messages repeat the statements.
    let other = another_program(database).await;
    lock(&other).await;
    client
        .try_send(WRITE, json!({"body": "a-secret-text"}))
        .await;
    run(&other, "ROLLBACK").await;
    run(&other, "ALTER TABLE comment RENAME TO taken_away").await;
    client
        .try_send(WRITE, json!({"body": "a-secret-text"}))
        .await;
    client
        .try_send(
            "{ posts { nodes { comments { nodes { body } } } } }",
            json!({}),
        )
        .await;
    vec![good, bad, guest]
}
