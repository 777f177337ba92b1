//! Going down: readiness first, then everybody a few at a time, and nothing under way is lost.

use std::{path::Path, time::Duration};

use causerie::model::Role;
use futures_util::{StreamExt, stream::FuturesUnordered};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::Instant,
};

use crate::support::{
    Chunk, Client, Frame, Process, Request, Socket, Streaming, TestServer, another_program,
    causerie, in_time, lock, run, serve, upgrade_request,
};

const FOLLOW: &str = "subscription($after: Cursor) {
    commentAdded(postId: \"hello\", after: $after) { id body cursor }
}";
const WRITE: &str = "mutation($body: String!) {
    createComment(input: { postId: \"hello\", body: $body }) { comment { id } }
}";

/// What the last comment says.
const LAST: &str = "the last";

/// What `/readyz` says: the status code, and the body.
async fn readyz(url: String) -> (u16, Value) {
    let answer = reqwest::get(url).await.expect("an answer");
    (
        answer.status().as_u16(),
        answer.json().await.expect("an object"),
    )
}

/// Waits until the server says that it goes down.
async fn until_draining(url: &str) {
    in_time("not ready", async {
        while readyz(url.to_owned()).await.0 == 200 {}
    })
    .await;
}

/// A socket in a room.
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

/// The answer to an upgrade, as far as its head.
async fn upgrade(server: std::net::SocketAddr) -> String {
    let mut connection = TcpStream::connect(server).await.expect("a connection");
    let request = upgrade_request(Some("graphql-transport-ws"));
    connection
        .write_all(request.as_bytes())
        .await
        .expect("sent");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(connection.read_u8().await.expect("an answer"));
    }
    String::from_utf8(head).expect("text").to_ascii_lowercase()
}

#[tokio::test]
async fn a_server_that_goes_down_says_so_first_and_closes_its_sockets_a_few_at_a_time() {
    const SOCKETS: usize = 60;
    const WINDOW: Duration = Duration::from_secs(4);
    let server = TestServer::start_with(&["--drain-window=4s"]).await;
    let (ready, at) = (server.url("/readyz"), server.address());
    let observer = server.observer().clone();
    assert_eq!(readyz(ready.clone()).await.0, 200);
    let start = cursor(&server.client()).await;
    let mut sockets = Vec::new();
    for _ in 0..SOCKETS {
        sockets.push(follower(&server, start.clone()).await);
    }
    server.until_census(1, SOCKETS).await;
    let writer = server.reader("writer");
    let began = Instant::now();
    let ended = tokio::spawn(server.begin_to_stop());
    until_draining(&ready).await;
    let (status, body) = readyz(ready.clone()).await;
    assert_eq!((status, &body["status"]), (503, &json!("draining")));

    // Amid this comes a comment: those who are still there are told, and the others by their cursors.
    let mut closing: FuturesUnordered<_> = sockets
        .into_iter()
        .map(async |mut socket: Socket| {
            let mut told = false;
            loop {
                match socket.next().await {
                    Frame::Message(message) => told |= message["type"] == "next",
                    Frame::Close(code, _) => return (code, began.elapsed(), told),
                    Frame::End => panic!("no close frame"),
                }
            }
        })
        .collect();
    let mut moments = Vec::new();
    let mut told = 0;
    while let Some((code, at, was_told)) = closing.next().await {
        assert_eq!(code, 1012);
        moments.push(at);
        told += usize::from(was_told);
        if moments.len() == SOCKETS / 4 {
            // The server still answers, and takes in nobody who would be sent away again.
            writer.comment("in the window").await;
            assert_eq!(readyz(ready.clone()).await.0, 503);
        }
    }
    assert!(told > 0 && told <= SOCKETS * 3 / 4, "{told} were told");
    // Whatever the machine is busy with, no close comes before it is due.
    for (number, at) in (0_u32..).zip(&moments) {
        let due = WINDOW.mul_f64(f64::from(number) / SOCKETS as f64);
        assert!(*at >= due, "close {number} came at {at:?}");
    }
    ended.await.expect("an end");
    assert_eq!(observer.census().members, 0);
    assert!(TcpStream::connect(at).await.is_err());
}

#[tokio::test]
async fn until_the_delay_is_over_everything_goes_on_but_nobody_is_sent_here() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = ["--drain-delay=1h", "--drain-window=0s"];
    let server = Process::start(folder.path(), &settings).await;
    open_post(&server).await;
    let mut before = server.socket().await;
    before.subscribe("s", FOLLOW, json!({})).await;
    server.until_members(1).await;
    assert!(before.settle().await.is_empty());
    server.signal("TERM").await;
    let ready = format!("http://{}/readyz", server.address());
    until_draining(&ready).await;
    let alive = reqwest::get(format!("http://{}/healthz", server.address())).await;
    assert_eq!(alive.expect("an answer").status(), 200);
    // Who comes all the same is served.
    let mut after = server.socket().await;
    after.subscribe("s", FOLLOW, json!({})).await;
    server.until_members(2).await;
    assert!(after.settle().await.is_empty());
    let id = server.user(Role::Reader).comment("still here").await;
    for socket in [&mut before, &mut after] {
        assert_eq!(socket.data("s").await["commentAdded"]["id"], json!(id));
    }
    // A second signal ends it at once.
    server.signal("TERM").await;
    let ended = server.ended().await;
    assert!(!ended.status.success());
    assert!(ended.stderr.contains("second signal"), "{}", ended.stderr);
}

#[tokio::test]
async fn in_the_window_queries_are_answered_and_no_new_stream_is_begun() {
    // Of two sockets the second has its moment half-way: the window is still there for as long as
    // this test needs it.
    let server = TestServer::start_with(&["--drain-window=20s"]).await;
    let (at, ready) = (server.address(), server.url("/readyz"));
    let mut sockets = [server.socket().await, server.socket().await];
    let client = server.client();
    let ended = tokio::spawn(server.begin_to_stop());
    until_draining(&ready).await;
    let [first, second] = &mut sockets;
    let (closed, other) = tokio::select! {
        closed = first.closed() => (closed, second),
        closed = second.closed() => (closed, first),
    };
    assert_eq!(closed, (1012, "Service restart".to_owned()));

    let head = upgrade(at).await;
    assert!(head.starts_with("http/1.1 503 ") && head.contains("\r\nretry-after: 1\r\n"));
    for accept in ["text/event-stream", "multipart/mixed;subscriptionSpec=1.0"] {
        let request = Request::post(FOLLOW, json!({})).accepting(accept);
        let answer = Streaming::open(at, &request).await;
        assert_eq!(answer.status(), 503);
        assert_eq!(answer.header("retry-after"), Some("1"));
    }
    // EventSource would never come back after another status than 200.
    let request = Request::get(&[("query", FOLLOW)]).accepting("text/event-stream");
    let mut answer = Streaming::open(at, &request).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.rest().await, (":\n\n".to_owned(), Chunk::CutOff));
    let reply = client
        .try_send("{ posts { nodes { id } } }", json!({}))
        .await;
    assert!(reply.body["data"]["posts"].is_object(), "{reply:?}");
    assert_eq!(reply.headers["connection"], "close");
    // One who is still there subscribes on, for its moment has not come.
    other.subscribe("s", FOLLOW, json!({})).await;
    assert!(other.settle().await.is_empty());
    for socket in sockets {
        socket.vanish();
    }
    // Nobody is left: the rest of the window is not waited for.
    ended.await.expect("an end");
}

#[tokio::test]
async fn streams_end_as_their_protocols_have_it_each_in_its_moment() {
    let server = TestServer::start_with(&["--drain-window=500ms"]).await;
    let open = async |accept| {
        let request = Request::post(FOLLOW, json!({})).accepting(accept);
        Streaming::open(server.address(), &request).await
    };
    let mut events = open("text/event-stream").await;
    let mut parts = open("multipart/mixed;subscriptionSpec=1.0").await;
    server.until_census(1, 2).await;
    let ended = tokio::spawn(server.begin_to_stop());
    // graphql-sse and EventSource come back after a body that is cut off.
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
async fn a_mutation_under_way_on_a_socket_is_answered_before_the_socket_is_closed() {
    let server = TestServer::start_with(&["--database-timeout=10s"]).await;
    let mut socket = server.reader_socket("ada").await;
    socket.subscribe("s", FOLLOW, json!({})).await;
    server.until_census(1, 1).await;
    let other = another_program(&server.database()).await;
    lock(&other).await;
    socket.subscribe("w", WRITE, json!({"body": "b"})).await;
    assert!(socket.settle().await.is_empty());
    let observer = server.observer().clone();
    let ended = tokio::spawn(server.begin_to_stop());
    // The moment has come, and the socket takes no more: that is all there is to see of it.
    until_refused(&mut socket).await;
    assert_eq!(observer.census().members, 1);
    run(&other, "ROLLBACK").await;
    assert!(socket.data("w").await["createComment"]["comment"]["id"].is_string());
    let complete = socket.message().await;
    assert_eq!(complete, json!({"id": "w", "type": "complete"}));
    assert_eq!(socket.closed().await.0, 1012);
    ended.await.expect("an end");
}

/// Asks until the answer is that the server restarts.
async fn until_refused(socket: &mut Socket) {
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

/// Writers and readers who come back, over a node that is replaced by another: every comment that was
/// acknowledged reaches everybody once and in order.
#[tokio::test]
async fn a_restart_under_load_loses_nothing_for_those_who_come_back() {
    const READERS: usize = 20;
    let folder = tempfile::tempdir().expect("a folder");
    let first = start(folder.path(), "127.0.0.1:0").await;
    open_post(&first).await;
    let address = first.address().to_string();
    let start_at = cursor(&first.client()).await;
    let readers: Vec<_> = (0..READERS)
        .map(|_| {
            let reader = Reader::new(first.address(), start_at.clone());
            tokio::spawn(reader.read())
        })
        .collect();
    let writer = first.user(Role::Reader);
    let mut acknowledged = Vec::new();
    for number in 0..30 {
        acknowledged.push(writer.comment(&format!("before {number}")).await);
    }
    first.signal("TERM").await;
    // As long as it answers, what it acknowledges counts.
    while let Some(id) = writer.try_write("in the window").await {
        acknowledged.push(id);
    }
    assert!(first.ended().await.status.success());
    let second = start(folder.path(), &address).await;
    let writer = second.user(Role::Reader);
    for number in 0..10 {
        acknowledged.push(writer.comment(&format!("after {number}")).await);
    }
    acknowledged.push(writer.comment(LAST).await);
    for reader in readers {
        let seen = reader.await.expect("a reader");
        assert_eq!(seen, acknowledged);
    }
    second.signal("TERM").await;
    assert!(second.ended().await.status.success());
}

async fn start(folder: &Path, listen: &str) -> Process {
    let mut command = causerie(&[]);
    let mut arguments = serve(folder);
    arguments.retain(|argument| !argument.starts_with("--listen"));
    command
        .args(arguments)
        .args(["--drain-window=1s", "--listen", listen]);
    Process::spawn(&mut command).await
}

async fn open_post(server: &Process) {
    let open = "mutation { createPost(input: { id: \"hello\", title: \"T\" }) { post { id } } }";
    server.user(Role::Author).send(open, json!({})).await;
}

/// Who comes back with its cursor.
struct Reader {
    address: std::net::SocketAddr,
    after: Value,
    seen: Vec<String>,
}

impl Reader {
    fn new(address: std::net::SocketAddr, after: Value) -> Self {
        Self {
            address,
            after,
            seen: Vec::new(),
        }
    }

    /// Reads until it has seen the comment that says so, over as many sockets as it takes.
    async fn read(mut self) -> Vec<String> {
        in_time("the last comment", async {
            loop {
                // Nobody may listen there, or not take anybody in.
                let Some(mut socket) = Socket::try_connect(self.address).await else {
                    tokio::task::yield_now().await;
                    continue;
                };
                let init = json!({"type": "connection_init"});
                let payload = json!({"query": FOLLOW, "variables": {"after": self.after}});
                let subscribe = json!({"id": "s", "type": "subscribe", "payload": payload});
                if !socket.try_send(init).await || !socket.try_send(subscribe).await {
                    continue;
                }
                while let Frame::Message(mut message) = socket.next().await {
                    let mut comment = message["payload"]["data"]["commentAdded"].take();
                    if let Some(id) = comment["id"].as_str() {
                        self.seen.push(id.to_owned());
                        self.after = comment["cursor"].take();
                        if comment["body"] == LAST {
                            return;
                        }
                    }
                }
            }
        })
        .await;
        self.seen
    }
}
