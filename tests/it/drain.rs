//! Graceful shutdown: readiness goes first, clients are sent away a few at a time, and no work under way is
//! lost.

use std::time::Duration;

use causerie::model::Role;
use futures_util::{StreamExt, stream::FuturesUnordered};
use serde_json::{Value, json};
use testkit::ws_client::head;
use tokio::{io::AsyncWriteExt, net::TcpStream, time::Instant};

use crate::support::{
    Chunk, Client, Frame, Node, Reader, Request, Signal, Socket, Streaming, TestServer,
    another_program, lock, run, start_node, upgrade_request, user, wait_until, within,
};

const FOLLOW: &str = "subscription($after: Cursor) {
    commentAdded(postId: \"hello\", after: $after) { id body cursor }
}";
const WRITE: &str = "mutation($body: String!) {
    createComment(input: { postId: \"hello\", body: $body }) { comment { id } }
}";

/// The media type of Apollo's subscriptions.
const MULTIPART: &str = "multipart/mixed;subscriptionSpec=1.0";

/// The body of the last comment.
const LAST: &str = "the last";

/// Returns the status code and the body of `/readyz`.
async fn readyz(url: String) -> (u16, Value) {
    let answer = reqwest::get(url).await.expect("an answer");
    (
        answer.status().as_u16(),
        answer.json().await.expect("an object"),
    )
}

/// Waits until the server reports that it shuts down.
async fn wait_until_draining(url: &str) {
    wait_until("it is not ready", async || {
        readyz(url.to_owned()).await.0 != 200
    })
    .await;
}

/// Waits until the socket is closed, and returns the code, or `None` once it was sent a comment.
async fn closed_or_told(mut socket: Socket) -> (Option<u16>, Socket) {
    loop {
        match socket.next().await {
            Frame::Message(message) if message["type"] == "next" => return (None, socket),
            Frame::Message(_) => {}
            Frame::Close(code, _) => return (Some(code), socket),
            Frame::End => panic!("no close frame"),
        }
    }
}

/// Opens a socket that subscribes to the post.
async fn follower(server: &TestServer, after: Value) -> Socket {
    let mut socket = server.socket().await;
    socket.subscribe("s", FOLLOW, json!({"after": after})).await;
    socket
}

async fn cursor(client: &Client) -> Value {
    let mut data = client
        .send("{ post(id: \"hello\") { cursor } }", json!({}))
        .await;
    data["post"]["cursor"].take()
}

/// Sends an upgrade request and returns the head of the answer.
async fn upgrade(server: std::net::SocketAddr) -> String {
    let mut connection = TcpStream::connect(server).await.expect("a connection");
    let request = upgrade_request(Some("graphql-transport-ws"));
    connection
        .write_all(request.as_bytes())
        .await
        .expect("sent");
    let head = within("a head", head(&mut connection)).await;
    head.expect("an answer").to_ascii_lowercase()
}

/// Asserts that a stream was refused in a way that every client takes for a failure of the network.
fn assert_refused(answer: &Streaming) {
    let headers = ["content-type", "retry-after"].map(|name| answer.header(name));
    let expected = [Some("text/plain; charset=utf-8"), Some("1")];
    assert_eq!((answer.status(), headers), (503, expected));
}

#[tokio::test]
async fn shutdown_is_announced_first_and_sockets_close_gradually() {
    const SOCKETS: usize = 60;
    // One socket closes in a second, and the test is over after the first ones.
    const WINDOW: Duration = Duration::from_secs(60);
    const FIRST: usize = 5;
    let server = TestServer::start_with(&["--drain-window=1m"]).await;
    let (ready, at) = (server.url("/readyz"), server.address());
    let observer = server.observer().clone();
    assert_eq!(readyz(ready.clone()).await.0, 200);
    let start = cursor(&server.client()).await;
    let mut sockets = Vec::new();
    for _ in 0..SOCKETS {
        sockets.push(follower(&server, start.clone()).await);
    }
    server.wait_for_members(1, SOCKETS).await;
    let writer = server.reader("writer");
    let began = Instant::now();
    let ended = tokio::spawn(server.begin_to_stop());
    wait_until_draining(&ready).await;
    let (status, body) = readyz(ready.clone()).await;
    assert_eq!((status, &body["status"]), (503, &json!("draining")));

    // However busy the machine is, no close comes before it is due.
    let mut open: FuturesUnordered<_> = sockets.into_iter().map(closed_or_told).collect();
    for number in 0..FIRST {
        let (code, socket) = open.next().await.expect("a socket");
        assert_eq!(code, Some(1012));
        let due = WINDOW.mul_f64(number as f64 / SOCKETS as f64);
        assert!(began.elapsed() >= due, "close {number}");
        socket.vanish();
    }
    // The server still answers queries, but takes no client that it would soon send away. The open sockets
    // receive the comment, and the others catch up by their cursors.
    writer.comment("in the window").await;
    assert_eq!(readyz(ready.clone()).await.0, 503);
    let mut told = 0;
    while let Some((code, socket)) = open.next().await {
        assert!(code.is_none_or(|code| code == 1012), "{code:?}");
        told += usize::from(code.is_none());
        socket.vanish();
    }
    assert!(told > 0, "no socket was told");
    ended.await.expect("an end");
    assert_eq!(observer.rooms().members, 0);
    assert!(TcpStream::connect(at).await.is_err());
}

#[tokio::test]
async fn drain_delay_serves_on_while_readiness_fails() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = ["--drain-delay=1h", "--drain-window=0s"];
    let mut server = start_node(folder.path(), &settings).await;
    open_post(&server).await;
    let mut before = server.socket().await;
    before.subscribe("s", FOLLOW, json!({})).await;
    server.wait_for_members(1).await;
    assert!(before.settle().await.is_empty());
    server.signal(Signal::SIGTERM);
    let ready = format!("http://{}/readyz", server.address());
    wait_until_draining(&ready).await;
    let alive = reqwest::get(format!("http://{}/healthz", server.address())).await;
    assert_eq!(alive.expect("an answer").status(), 200);
    // A client that comes anyway is served.
    let mut after = server.socket().await;
    after.subscribe("s", FOLLOW, json!({})).await;
    server.wait_for_members(2).await;
    assert!(after.settle().await.is_empty());
    let id = user(&server, Role::Reader).comment("still here").await;
    for socket in [&mut before, &mut after] {
        assert_eq!(socket.data("s").await["commentAdded"]["id"], json!(id));
    }
    // A second signal ends it at once.
    server.signal(Signal::SIGTERM);
    let ended = server.ended().await;
    assert!(!ended.status.success());
    assert!(ended.stderr.contains("second signal"), "{}", ended.stderr);
}

#[tokio::test]
async fn drain_window_answers_queries_and_refuses_new_streams() {
    // The first of two sockets is due at once and the second half-way through the window, after this test.
    let server = TestServer::start_with(&["--drain-window=1h"]).await;
    let (at, ready) = (server.address(), server.url("/readyz"));
    let mut sockets = [server.socket().await, server.socket().await];
    let client = server.client();
    let ended = tokio::spawn(server.begin_to_stop());
    wait_until_draining(&ready).await;
    let [first, second] = &mut sockets;
    let (closed, other) = tokio::select! {
        closed = first.closed() => (closed, second),
        closed = second.closed() => (closed, first),
    };
    assert_eq!(closed, (1012, "Service restart".to_owned()));

    let head = upgrade(at).await;
    assert!(head.starts_with("http/1.1 503 ") && head.contains("\r\nretry-after: 1\r\n"));
    // The last two are of urql and Apollo Client. Either would take a body of GraphQL for the final answer.
    for accept in [
        "text/event-stream",
        MULTIPART,
        "application/graphql-response+json, application/json, text/event-stream, multipart/mixed",
        "multipart/mixed;boundary=graphql;subscriptionSpec=1.0,application/graphql-response+json",
    ] {
        let request = Request::post(FOLLOW, json!({})).accepting(accept);
        assert_refused(&Streaming::open(at, &request).await);
    }
    let request = Request::get(&[("query", FOLLOW)]).accepting(MULTIPART);
    assert_refused(&Streaming::open(at, &request).await);
    // EventSource would never reconnect after a status other than 200.
    let request = Request::get(&[("query", FOLLOW)]).accepting("text/event-stream");
    let mut answer = Streaming::open(at, &request).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.rest().await, (":\n\n".to_owned(), Chunk::CutOff));
    let reply = client
        .try_send("{ posts { nodes { id } } }", json!({}))
        .await;
    assert!(reply.body["data"]["posts"].is_object(), "{reply:?}");
    assert_eq!(reply.headers["connection"], "close");
    // The remaining socket may still subscribe because it is not due yet.
    other.subscribe("s", FOLLOW, json!({})).await;
    assert!(other.settle().await.is_empty());
    for socket in sockets {
        socket.vanish();
    }
    // No client is left, so the rest of the window is skipped.
    ended.await.expect("an end");
}

#[tokio::test]
async fn shutdown_ends_each_stream_as_its_protocol_requires() {
    let server = TestServer::start_with(&["--drain-window=500ms"]).await;
    let open = async |accept| {
        let request = Request::post(FOLLOW, json!({})).accepting(accept);
        Streaming::open(server.address(), &request).await
    };
    let mut events = open("text/event-stream").await;
    let mut parts = open(MULTIPART).await;
    server.wait_for_members(1, 2).await;
    let ended = tokio::spawn(server.begin_to_stop());
    // graphql-sse and EventSource reconnect after a body that is cut off.
    assert!(matches!(events.rest().await, (_, Chunk::CutOff)));
    let part = parts.part().await;
    assert_eq!(part["payload"], Value::Null);
    assert_eq!(
        part["errors"][0]["extensions"]["code"],
        json!("SERVICE_RESTART")
    );
    assert!(matches!(parts.rest().await, (_, Chunk::Last)));
    ended.await.expect("an end");
}

#[tokio::test]
async fn mutation_under_way_is_answered_before_its_socket_closes() {
    let server = TestServer::start().await;
    let mut socket = server.reader_socket("ada").await;
    socket.subscribe("s", FOLLOW, json!({})).await;
    server.wait_for_members(1, 1).await;
    let other = another_program(&server.database()).await;
    lock(&other).await;
    socket.subscribe("w", WRITE, json!({"body": "b"})).await;
    assert!(socket.settle().await.is_empty());
    let observer = server.observer().clone();
    let ended = tokio::spawn(server.begin_to_stop());
    // A refused operation is the only sign that the socket is due.
    wait_until_refused(&mut socket).await;
    assert_eq!(observer.rooms().members, 1);
    run(&other, "ROLLBACK").await;
    assert!(socket.data("w").await["createComment"]["comment"]["id"].is_string());
    let complete = socket.message().await;
    assert_eq!(complete, json!({"id": "w", "type": "complete"}));
    assert_eq!(socket.closed().await.0, 1012);
    ended.await.expect("an end");
}

/// Sends operations until one is refused because the server restarts.
async fn wait_until_refused(socket: &mut Socket) {
    for number in 0.. {
        let id = format!("q{number}");
        socket.subscribe(&id, "{ __typename }", json!({})).await;
        let message = socket.message().await;
        if message["type"] == "error" {
            let code = &message["payload"][0]["extensions"]["code"];
            assert_eq!(code, &json!("SERVICE_RESTART"));
            return;
        }
        assert_eq!(socket.message().await["type"], "complete");
    }
}

/// A stream over HTTP that is opened until one is accepted, as clients do that retry.
#[tokio::test]
async fn http_stream_resumes_after_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut node = start_node(folder.path(), &["--drain-window=1h"]).await;
    open_post(&node).await;
    let after = cursor(&node.client()).await;
    let request = Request::post(FOLLOW, json!({"after": after})).accepting("text/event-stream");
    let mut stream = Streaming::open(node.address(), &request).await;
    // The stream and the socket are due at once and in half an hour, in random order.
    let socket = node.socket().await;
    let writer = user(&node, Role::Reader);
    let first = writer.comment("before").await;
    assert_eq!(
        stream.event_data().await["commentAdded"]["id"],
        json!(first)
    );
    node.signal(Signal::SIGTERM);
    wait_until_draining(&format!("http://{}/readyz", node.address())).await;
    wait_until("a stream is refused", async || {
        Streaming::open(node.address(), &request).await.status() == 503
    })
    .await;
    let second = writer.comment("while it drains").await;
    socket.vanish();
    stream.vanish();
    assert!(node.ended().await.status.success());
    assert!(TcpStream::connect(node.address()).await.is_err());

    node.start_again().await;
    let mut stream = Streaming::open(node.address(), &request).await;
    for id in [first, second] {
        assert_eq!(stream.event_data().await["commentAdded"]["id"], json!(id));
    }
    stream.vanish();
    node.signal(Signal::SIGTERM);
    assert!(node.ended().await.status.success());
}

/// Writers and reconnecting readers, across a node that is replaced by another. Each acknowledged comment
/// reaches every reader once and in order.
#[tokio::test]
async fn restart_under_load_loses_nothing_for_returning_readers() {
    const READERS: usize = 20;
    let folder = tempfile::tempdir().expect("a folder");
    let mut node = start_node(folder.path(), &["--drain-window=1s"]).await;
    open_post(&node).await;
    let start_at = cursor(&node.client()).await;
    let readers: Vec<_> = (0..READERS)
        .map(|_| {
            let reader = Reader::new(node.address(), start_at.clone());
            tokio::spawn(reader.read_until(LAST))
        })
        .collect();
    let writer = user(&node, Role::Reader);
    let mut acknowledged = Vec::new();
    for number in 0..30 {
        acknowledged.push(writer.comment(&format!("before {number}")).await);
    }
    node.signal(Signal::SIGTERM);
    // What the server acknowledges counts for as long as it answers.
    while let Some(id) = writer.try_write("in the window").await {
        acknowledged.push(id);
    }
    assert!(node.ended().await.status.success());
    node.start_again().await;
    for number in 0..10 {
        acknowledged.push(writer.comment(&format!("after {number}")).await);
    }
    acknowledged.push(writer.comment(LAST).await);
    for reader in readers {
        let (ids, _) = reader.await.expect("a reader");
        assert_eq!(ids, acknowledged);
    }
    node.signal(Signal::SIGTERM);
    assert!(node.ended().await.status.success());
}

async fn open_post(server: &Node) {
    let open = "mutation { createPost(input: { id: \"hello\", title: \"T\" }) { post { id } } }";
    user(server, Role::Author).send(open, json!({})).await;
}
