//! The process's memory: each kind of thing that clients can make it hold, as large as its limits allow, many
//! times, alone and all together. `MEMORY_LIMIT` and the table of sizes in docs/operating.md bound the sum.

use std::{fmt::Write, path::Path, time::Duration};

use causerie::model::Role;
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncWriteExt, Interest},
    net::TcpStream,
};

use crate::{
    metrics::Samples,
    support::{
        Client, Node, Socket, frame, sqlite_url, start_node_on, token, upgrade_request, wait_until,
        wait_until_within,
    },
};

/// The budget of a server under test.
const LIMIT: u64 = 64 * 1024 * 1024;
/// The memory that docs/operating.md names beside the budget: of caches and the allocator.
const FIXED: u64 = 128 * 1024 * 1024;
/// The memory that docs/operating.md names for each connection.
const CONNECTION: u64 = 64 * 1024;
/// Limit of the wait for work that is under way when clients leave. The machine may have other work too.
const LETS_GO: Duration = Duration::from_secs(300);

const REFUSALS: &str = "causerie_memory_refusals_total{pool=\"requests\"}";
const BEHIND: &str = "causerie_catch_ups_total{reason=\"slow\"}";

/// The number of rooms with many subscriptions each.
const ROOMS: usize = 20;

/// The longest text of a comment, in the longest characters.
fn longest() -> String {
    "\u{1F600}".repeat(10_000)
}

/// Fills a database with a post of a page of the longest comments, one of which has replies.
async fn fill(database: &str) -> Filled {
    let node = start_node_on(database, &[]).await;
    let author = node
        .client()
        .with_token(&token("author", "Author", Role::Author));
    let create =
        "mutation { createPost(input: { id: \"hello\", title: \"Hello\" }) { post { cursor } } }";
    let created = author.send(create, Value::Null).await;
    for number in 0..ROOMS {
        let create = format!(
            "mutation {{ createPost(input: {{ id: \"p{number}\", title: \"P\" }}) {{ post {{ id }} }} }}"
        );
        author.send(&create, Value::Null).await;
    }
    let mut parent = String::new();
    for _ in 0..100 {
        parent = author.comment(&longest()).await;
    }
    for _ in 0..24 {
        let reply = json!({"body": longest(), "parentId": parent});
        author.create_comment(reply).await;
    }
    node.stop();
    Filled {
        start: created["createPost"]["post"]["cursor"].clone(),
        parent,
    }
}

/// The database of all tests here.
struct Filled {
    /// The cursor before the first comment.
    start: Value,
    /// The comment that has replies.
    parent: String,
}

/// A client that reads nothing.
struct Unread(TcpStream);

impl Unread {
    async fn connect(node: &Node) -> Self {
        Self(TcpStream::connect(node.address()).await.expect("connected"))
    }

    /// Sends bytes, as far as the server takes them.
    async fn send(&mut self, bytes: &[u8]) {
        // The server may refuse it before the end.
        let _ = self.0.write_all(bytes).await;
    }

    async fn answered(&self) {
        let _ = self.0.ready(Interest::READABLE).await;
    }
}

/// Opens sockets and sends `messages` on each in one piece. Reads nothing of the answers.
async fn sockets(node: &Node, count: usize, messages: impl Fn(usize) -> Vec<Value>) -> Vec<Unread> {
    join_all((0..count).map(|number| {
        let mut bytes = Vec::new();
        for message in messages(number) {
            bytes.extend(frame::frame(frame::FIN | frame::TEXT, message.to_string()));
        }
        // Its pong shows that the server has read all before it.
        bytes.extend(frame::frame(frame::FIN | frame::PING, ""));
        async move {
            let connection = TcpStream::connect(node.address()).await.expect("connected");
            let request = upgrade_request(Some("graphql-transport-ws"));
            let mut socket = Socket::upgrade(connection, request.as_bytes()).await;
            socket.init(json!({})).await;
            let mut socket = Unread(socket.into_inner().into_inner());
            socket.send(&bytes).await;
            socket
        }
    }))
    .await
}

fn post(length: usize, body: &str) -> String {
    format!(
        "POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
}

async fn requests(node: &Node, count: usize, request: impl Fn(usize) -> String) -> Vec<Unread> {
    join_all((0..count).map(|number| {
        let request = request(number);
        async move {
            let mut connection = Unread::connect(node).await;
            connection.send(request.as_bytes()).await;
            connection
        }
    }))
    .await
}

fn page(number: usize) -> String {
    format!(
        "{{ post(id: \"hello\") {{ a{number}: comments(first: 100) {{ nodes {{ body }} }} }} }}"
    )
}

fn subscribe(id: usize, query: impl Into<String>) -> Value {
    json!({"type": "subscribe", "id": id.to_string(), "payload": {"query": query.into()}})
}

/// A kind of thing that clients can make the server hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Unread responses over HTTP.
    Responses,
    /// Unread results of many operations on a socket.
    Results,
    /// Pages that are read for other fields than their texts.
    Pages,
    /// Pages that wait for one another.
    WaitingPages,
    /// Messages that never end.
    Messages,
    /// Bodies that never end, in small chunks.
    Bodies,
    /// Subscriptions, each another one.
    Subscriptions,
    /// Unread catch-ups.
    CatchUps,
    /// Events, many at a time, that many operations of a room show at length.
    Events,
    /// Mutations whose clients leave.
    Mutations,
}

impl Kind {
    /// Returns true if the server tells each client something as soon as it holds what the client sent.
    fn is_answered(self) -> bool {
        !matches!(self, Self::Bodies | Self::Mutations)
    }

    /// Returns true if `MEMORY_LIMIT` is what bounds the kind. The other kinds reach another limit before.
    fn reaches_limit(self) -> bool {
        match self {
            Self::Responses | Self::Results | Self::Pages | Self::Messages | Self::Bodies => true,
            Self::WaitingPages
            | Self::Subscriptions
            | Self::CatchUps
            | Self::Events
            | Self::Mutations => false,
        }
    }
}

/// All kinds. Those that `MEMORY_LIMIT` bounds are last, because nothing is let in after them.
const KINDS: [Kind; 10] = [
    Kind::Events,
    Kind::Mutations,
    Kind::CatchUps,
    Kind::Subscriptions,
    Kind::WaitingPages,
    Kind::Pages,
    Kind::Results,
    Kind::Responses,
    Kind::Messages,
    Kind::Bodies,
];

/// Makes the server hold many of one kind.
async fn hold(node: &Node, filled: &Filled, kind: Kind) -> Vec<Unread> {
    match kind {
        Kind::Responses => {
            let request = |number| {
                let body = json!({"query": page(number)}).to_string();
                post(body.len(), &body)
            };
            requests(node, 40, request).await
        }
        Kind::Results => {
            let messages = |socket: usize| {
                let number = |operation| socket * 100 + operation;
                (0..60)
                    .map(|operation| subscribe(operation, page(number(operation))))
                    .collect()
            };
            // Their send queues alone hold more than the limit.
            sockets(node, 10, messages).await
        }
        Kind::Pages => {
            let request = |number: usize| {
                let mut query = String::from("{ post(id: \"hello\") {");
                for alias in 0..60 {
                    write!(
                        query,
                        " a{number}_{alias}: comments(first: 100) {{ nodes {{ replies(first: 1) {{ nodes {{ body }} }} }} }}"
                    )
                    .expect("written");
                }
                let body = json!({"query": query + " } }"}).to_string();
                post(body.len(), &body)
            };
            requests(node, 20, request).await
        }
        Kind::WaitingPages => {
            let request = |number| {
                let pages: String = (0..84)
                    .map(|alias| {
                        format!("a{alias}: comments(first: 1) {{ pageInfo {{ hasNextPage }} }} ")
                    })
                    .collect();
                let query = format!("{{ x{number}: posts(first: 21) {{ nodes {{ {pages} }} }} }}");
                let body = json!({"query": query}).to_string();
                post(body.len(), &body)
            };
            requests(node, 24, request).await
        }
        Kind::Messages => {
            let mut part = frame::frame(frame::TEXT, "x".repeat(130_000));
            part.extend(frame::frame(frame::CONTINUATION, "x".repeat(130_000)));
            // It stands between two fragments.
            part.extend(frame::frame(frame::FIN | frame::PING, ""));
            let mut unread = Vec::new();
            for mut socket in sockets(node, 400, |_| Vec::new()).await {
                socket.send(&part).await;
                unread.push(socket);
            }
            unread
        }
        Kind::Bodies => {
            let head = "POST /graphql HTTP/1.1\r\nHost: localhost\r\n\
                        Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
            let request = |_| {
                let chunk = format!("40\r\n{:64}\r\n", "");
                head.to_owned() + &chunk.repeat(3_750)
            };
            requests(node, 400, request).await
        }
        Kind::Subscriptions => {
            let messages = |socket: usize| {
                (0..60)
                    .map(|operation| subscribe(operation, long_subscription(socket, operation)))
                    .collect()
            };
            sockets(node, ROOMS, messages).await
        }
        Kind::CatchUps => {
            let query = "subscription($after: Cursor) {
                commentAdded(postId: \"hello\", after: $after) { body } }";
            let messages = |_| {
                let message = |operation: usize| {
                    let mut message = subscribe(operation, query);
                    message["payload"]["variables"] = json!({"after": filled.start});
                    message
                };
                (0..60).map(message).collect()
            };
            sockets(node, 20, messages).await
        }
        Kind::Events => {
            let query = |number: usize| {
                format!(
                    "subscription {{ commentChanged(postId: \"hello\") {{ comment {{
                        a{number}: replies(first: 24) {{ nodes {{ body }} }} }} }} }}"
                )
            };
            let messages = |socket: usize| {
                let number = |operation| socket * 100 + operation;
                (0..60)
                    .map(|operation| subscribe(operation, query(number(operation))))
                    .collect()
            };
            let unread = sockets(node, 4, messages).await;
            wait_until("they joined", async || {
                samples(node).await.get("causerie_members") >= 4.0
            })
            .await;
            let edit = "mutation($id: ID!, $body: String!) {
                editComment(input: { id: $id, body: $body }) { comment { id } } }";
            for number in 0..8 {
                let variables = json!({"id": filled.parent, "body": format!("edit {number}")});
                wait_until("the edit is accepted", async || {
                    let edited = author(node).attempt(edit, variables.clone()).await;
                    edited.is_some_and(|answer| answer["data"] != Value::Null)
                })
                .await;
            }
            wait_until("they fall behind", async || {
                samples(node).await.get(BEHIND) >= 1.0
            })
            .await;
            unread
        }
        Kind::Mutations => {
            let query = format!(
                "mutation($body: String!) {{ {} }}",
                (0..10)
                    .map(|alias| format!(
                        "a{alias}: createComment(input: {{ postId: \"hello\", body: $body }})
                            {{ comment {{ id }} }} "
                    ))
                    .collect::<String>()
            );
            let body = json!({"query": query, "variables": {"body": longest()}}).to_string();
            let length = body.len();
            let token = token("author", "Author", Role::Author);
            let request = post(length, &body).replacen(
                "\r\n",
                &format!("\r\nAuthorization: Bearer {token}\r\n"),
                1,
            );
            requests(node, 100, |_| request.clone()).await
        }
    }
}

/// A subscription of about the size that is allowed, unlike all others.
fn long_subscription(socket: usize, operation: usize) -> String {
    let fields: String = (0..200)
        .map(|alias| format!("a{socket}_{operation}_{alias}:id "))
        .collect();
    format!("subscription {{ commentAdded(postId: \"p{socket}\") {{ {fields} }} }}")
}

async fn samples(node: &Node) -> Samples {
    Samples::of(&format!("http://{}/metrics", node.address())).await
}

fn author(node: &Node) -> Client {
    node.client()
        .with_token(&token("author", "Author", Role::Author))
}

/// The growth of a server's memory at its peak, in bytes.
#[derive(Debug)]
struct Peak {
    #[allow(dead_code, reason = "it is shown where the test fails")]
    kinds: Vec<Kind>,
    growth: u64,
    allowed: u64,
}

/// Makes a new server hold all of `kinds` at once, until the clients have left and it has let go of them.
async fn peak(folder: &Path, filled: &Filled, kinds: &[Kind]) -> Peak {
    let limit = format!("--memory-limit={LIMIT}");
    let arguments = [
        &limit,
        "--connection-limit=4000",
        // Nothing ends before its client leaves.
        "--ws-write-timeout=10m",
        "--http-write-timeout=10m",
        "--http-read-timeout=10m",
        "--ws-ping-interval=10m",
        "--log=off",
    ];
    let node = start_node_on(&sqlite_url(folder), &arguments).await;
    let start = node.program().resident().expect("a number");
    let files = samples(&node).await.get("process_open_fds");
    let mut held = Vec::new();
    for kind in kinds {
        let unread = hold(&node, filled, *kind).await;
        if kind.is_answered() {
            join_all(unread.iter().map(Unread::answered)).await;
        }
        held.push(unread);
    }
    if kinds.iter().any(|kind| kind.reaches_limit()) {
        wait_until("the limit refuses more", async || {
            samples(&node).await.get(REFUSALS) >= 1.0
        })
        .await;
    }
    let connections = held.iter().flatten().count() as u64;
    drop(held);
    wait_until_within(LETS_GO, "the server let go of them all", async || {
        let samples = samples(&node).await;
        let files_now = samples.get("process_open_fds");
        let reserved = ["requests", "events"].map(|pool| {
            samples.get(&format!(
                "causerie_memory_reserved_bytes{{pool=\"{pool}\"}}"
            ))
        });
        let let_go = files_now <= files + 20.0 && reserved == [0.0, 0.0];
        let_go.then_some(()).ok_or((files_now, reserved))
    })
    .await;
    let peak = node.program().peak().expect("a number");
    node.stop();
    Peak {
        kinds: kinds.to_vec(),
        growth: peak.saturating_sub(start),
        allowed: LIMIT + FIXED + connections * CONNECTION,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_is_bounded_whatever_clients_make_the_server_hold() {
    let folder = tempfile::tempdir().expect("a folder");
    let filled = fill(&sqlite_url(folder.path())).await;
    let mut peaks = Vec::new();
    for kind in KINDS {
        peaks.push(peak(folder.path(), &filled, &[kind]).await);
    }
    peaks.push(peak(folder.path(), &filled, &KINDS).await);
    assert!(
        peaks.iter().all(|peak| peak.growth <= peak.allowed),
        "{peaks:#?}"
    );
}
