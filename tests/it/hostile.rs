//! Hostile and broken clients. None may cost other clients anything, nor leave anything behind: at the end of
//! each test, `stop` counts what is left.

use std::{future::Future, iter, net::SocketAddr};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};
use tokio_tungstenite::tungstenite::Message;

use crate::support::{
    Client, Frame, Socket, TestServer,
    frame::{BINARY, CONTINUATION, FIN, PING, PONG, TEXT, closed_by, frame},
    upgrade_request, within,
};

const MEBIBYTE: usize = 1024 * 1024;
/// More than the system buffers of a connection hold in both directions. A server that takes this much from a
/// client that never reads keeps it in its own memory.
const TOO_MUCH: usize = 64 * MEBIBYTE;

const VIEWERS: &str = "subscription { viewerCount(postId: \"hello\") }";
const ADDED: &str = "subscription { commentAdded(postId: \"hello\") { body } }";

async fn server(arguments: &[&str]) -> TestServer {
    TestServer::start_with(arguments).await
}

/// A well-behaved reader of `hello`.
struct Bystander {
    socket: Socket,
    server: SocketAddr,
    comments: Client,
}

impl Bystander {
    async fn of(server: &TestServer) -> Self {
        let mut socket = server.socket().await;
        socket.subscribe("c", ADDED, json!({})).await;
        server.wait_for_members(1, 1).await;
        Self {
            socket,
            server: server.address(),
            comments: server.reader("ada"),
        }
    }

    /// Asserts that a comment comes through.
    async fn reads(&mut self, body: &str) {
        self.comments.comment(body).await;
        let expected = json!({"commentAdded": {"body": body}});
        assert_eq!(self.socket.data("c").await, expected);
    }

    /// Asserts that a comment comes through and that a new client is accepted.
    async fn is_served(&mut self) {
        self.reads("still here").await;
        let mut new = Socket::connect(self.server).await;
        new.init(json!({})).await;
        new.close().await;
    }

    /// Repeats `is_served` until `something` has happened.
    async fn is_served_during<T>(&mut self, something: impl Future<Output = T>) -> T {
        let mut something = std::pin::pin!(within("its end", something));
        loop {
            let served = self.is_served();
            tokio::select! {
                happened = &mut something => return happened,
                () = served => {}
            }
        }
    }

    async fn leaves(self) {
        self.socket.close().await;
    }
}

/// Opens a socket in the room of `hello` whose system buffers are small.
async fn member_with_small_buffers(server: &TestServer) -> Socket {
    let connection = TcpSocket::new_v4().expect("a socket");
    connection.set_recv_buffer_size(4096).expect("small");
    let connection = connection.connect(server.address()).await;
    let connection = connection.expect("a connection");
    let request = upgrade_request(Some("graphql-transport-ws"));
    let mut socket = Socket::upgrade(connection, request.as_bytes()).await;
    socket.init(json!({})).await;
    socket.subscribe("v", VIEWERS, json!({})).await;
    socket.data("v").await;
    socket
}

/// Sends `bytes` repeatedly, and never reads, until the server drops the connection or has taken `TOO_MUCH`.
/// Returns the number of bytes that the server took.
async fn flood(socket: Socket, bytes: Vec<u8>) -> usize {
    let mut connection = socket.into_inner().into_inner();
    let mut taken = 0;
    while taken < TOO_MUCH && connection.write_all(&bytes).await.is_ok() {
        taken += bytes.len();
    }
    taken
}

fn ping(payload: &str) -> Value {
    json!({"type": "ping", "payload": {"text": payload}})
}

// Messages

#[tokio::test]
async fn ten_megabyte_message_closes_1009_and_others_are_served() {
    let server = server(&[]).await;
    let mut bystander = Bystander::of(&server).await;
    for kind in [TEXT, BINARY] {
        let socket = server.socket().await;
        let message = frame(FIN | kind, vec![b'x'; 10 * MEBIBYTE]);
        let closed = bystander.is_served_during(closed_by(socket, [message]));
        assert_eq!(closed.await, 1009);
    }
    bystander.is_served().await;
    bystander.leaves().await;
    server.stop().await;
}

#[tokio::test]
async fn message_limit_is_exact() {
    let server = server(&["--ws-message-limit=1024"]).await;
    let mut socket = server.socket().await;
    let around = ping("").to_string().len();
    let most = ping(&"x".repeat(1024 - around));
    socket.send(most.clone()).await;
    assert_eq!(socket.message().await["payload"], most["payload"]);
    let more = ping(&"x".repeat(1025 - around)).to_string();
    assert_eq!(closed_by(socket, [frame(FIN | TEXT, more)]).await, 1009);
    server.stop().await;
}

#[tokio::test]
async fn endless_fragments_close_1009() {
    let server = server(&[]).await;
    let mut bystander = Bystander::of(&server).await;
    let socket = server.socket().await;
    let more = frame(CONTINUATION, [b'x'; 1024]);
    let frames = iter::once(frame(TEXT, "x")).chain(iter::repeat(more));
    let closed = bystander.is_served_during(closed_by(socket, frames));
    assert_eq!(closed.await, 1009);
    bystander.leaves().await;
    server.stop().await;
}

#[tokio::test]
async fn empty_fragments_without_end_close_1009() {
    let server = server(&[]).await;
    let mut bystander = Bystander::of(&server).await;
    let socket = server.socket().await;
    let more = frame(CONTINUATION, []).repeat(1024);
    let frames = iter::once(frame(TEXT, [])).chain(iter::repeat(more));
    let closed = bystander.is_served_during(closed_by(socket, frames));
    assert_eq!(closed.await, 1009);
    bystander.leaves().await;
    server.stop().await;
}

// Clients that are gone, or do not read

#[tokio::test]
async fn client_lost_without_a_close_frame_leaves_its_room() {
    let server = server(&[]).await;
    let mut first = server.socket().await;
    first.subscribe("v", VIEWERS, json!({})).await;
    assert_eq!(first.data("v").await, json!({"viewerCount": 1}));
    let mut second = server.socket().await;
    second.subscribe("v", VIEWERS, json!({})).await;
    assert_eq!(first.data("v").await, json!({"viewerCount": 2}));
    second.vanish();
    assert_eq!(first.data("v").await, json!({"viewerCount": 1}));
    first.vanish();
    server.stop().await;
}

/// The answer repeats the payload, so a client that reads nothing could make the server hold it.
#[tokio::test]
async fn ping_beyond_4_kib_closes_4400() {
    let server = server(&[]).await;
    let mut socket = server.socket().await;
    socket.send(ping(&"x".repeat(4000))).await;
    assert_eq!(socket.message().await["type"], "pong");
    socket.send(ping(&"x".repeat(4096))).await;
    assert_eq!(socket.closed().await.0, 4400);
    server.stop().await;
}

/// An error that repeats what the client sent would be several times as long as that.
#[tokio::test]
async fn error_repeats_at_most_500_bytes_of_a_request() {
    let server = server(&[]).await;
    let long = "\u{7f}".repeat(100_000);
    let client = server.client();
    for body in [
        json!(long).to_string(),
        json!({"query": {long.clone(): 1}}).to_string(),
        json!({"query": "{ __typename }", "operationName": long}).to_string(),
        json!({"query": "query($a: Int) { __typename }", "variables": {"a": long}}).to_string(),
        json!({"query": "query($a: CommentOrder) { __typename }", "variables": {"a": long}})
            .to_string(),
    ] {
        let reply = client.post("application/json", body).await;
        let message = reply.error()["message"]
            .as_str()
            .expect("a text")
            .to_owned();
        assert!(message.len() < 600, "{} bytes", message.len());
    }
    let mut socket = server.socket().await;
    let payload = json!({"query": "{ __typename }", "operationName": "x".repeat(200_000)});
    socket
        .send(json!({"type": "subscribe", "id": "s", "payload": payload}))
        .await;
    assert!(socket.message().await.to_string().len() < 1000);
    server.stop().await;
}

/// The server stops reading from a client that it cannot write to, so its memory is bounded.
#[tokio::test]
async fn client_that_never_reads_is_throttled_then_dropped() {
    let server = server(&["--ws-write-timeout=1s"]).await;
    let mut bystander = Bystander::of(&server).await;
    let deaf = member_with_small_buffers(&server).await;
    server.wait_for_members(1, 2).await;
    let large = frame(FIN | TEXT, ping(&"x".repeat(4000)).to_string()).repeat(16);
    let taken = bystander.is_served_during(flood(deaf, large)).await;
    assert!(taken < TOO_MUCH, "the server took {taken} bytes");
    server.wait_for_members(1, 1).await;
    bystander.is_served().await;
    bystander.leaves().await;
    server.stop().await;
}

/// The library answers these by itself, so they are counted in another place.
#[tokio::test]
async fn ping_flood_without_reading_is_throttled_then_dropped() {
    let server = server(&["--ws-write-timeout=3s"]).await;
    let mut bystander = Bystander::of(&server).await;
    let deaf = member_with_small_buffers(&server).await;
    server.wait_for_members(1, 2).await;
    let pings = frame(FIN | PING, [0; 125]).repeat(500);
    let taken = bystander.is_served_during(flood(deaf, pings)).await;
    assert!(taken < TOO_MUCH, "the server took {taken} bytes");
    server.wait_for_members(1, 1).await;
    bystander.leaves().await;
    server.stop().await;
}

/// It sends nothing, so only its unread results show that it is gone.
#[tokio::test]
async fn client_that_stops_reading_closes_1013_or_is_dropped() {
    let server = server(&["--ws-write-timeout=1s"]).await;
    let mut bystander = Bystander::of(&server).await;
    let mut slow = member_with_small_buffers(&server).await;
    server.wait_for_members(1, 2).await;
    for n in 0..32 {
        slow.subscribe(&n.to_string(), ADDED, json!({})).await;
    }
    slow.settle().await;
    // 12 MB in total, which is more than the system buffers for a client with small buffers.
    for _ in 0..40 {
        bystander.reads(&"x".repeat(10_000)).await;
    }
    bystander
        .is_served_during(server.wait_for_members(1, 1))
        .await;
    loop {
        match slow.next().await {
            Frame::Message(_) => {}
            // If it reads again in time, it gets the close frame.
            Frame::Close(code, _) => break assert_eq!(code, 1013),
            Frame::End => break,
        }
    }
    bystander.leaves().await;
    server.stop().await;
}

#[tokio::test]
async fn silent_client_closes_4408_and_is_dropped() {
    let server = server(&["--ws-init-timeout=200ms"]).await;
    let mut silent = server.connect().await;
    // It never answers the close frame, and the server drops it.
    assert!(matches!(silent.next().await, Frame::Close(4408, _)));
    server.stop().await;
    silent.vanish();
}

// Floods

/// A client that never pauses may delay its own answers, but not timeouts: its message can be read before the
/// timeout, and the timeout ends before it is read.
#[tokio::test]
async fn unread_message_does_not_delay_the_init_timeout() {
    let server = server(&["--ws-init-timeout=1ns"]).await;
    let init = frame(FIN | TEXT, r#"{"type":"connection_init"}"#);
    let request = [
        upgrade_request(Some("graphql-transport-ws")).as_bytes(),
        &init,
    ]
    .concat();
    let connection = TcpStream::connect(server.address()).await;
    let mut socket = Socket::upgrade(connection.expect("a connection"), &request).await;
    assert!(matches!(socket.next().await, Frame::Close(4408, _)));
    socket.vanish();
    server.stop().await;
}

#[tokio::test]
async fn thousands_of_ended_subscriptions_leave_no_member() {
    let server = server(&[]).await;
    let mut socket = server.socket().await;
    let start = json!({"id": "1", "type": "subscribe", "payload": {"query": VIEWERS}});
    let end = json!({"id": "1", "type": "complete"});
    // Some end before they are in the room,
    for _ in 0..20 {
        let cycles = iter::repeat_n([start.clone(), end.clone()], 100);
        socket.send_together(cycles.flatten()).await;
        socket.settle().await;
        assert_eq!(server.observer().rooms().members, 0);
    }
    // and some afterwards.
    for _ in 0..200 {
        socket.send(start.clone()).await;
        assert_eq!(socket.data("1").await, json!({"viewerCount": 1}));
        socket.send(end.clone()).await;
        assert!(socket.settle().await.is_empty());
        assert_eq!(server.observer().rooms().members, 0);
    }
    socket.close().await;
    server.stop().await;
}

#[tokio::test]
async fn unfinished_handshakes_delay_neither_clients_nor_shutdown() {
    let server = server(&["--grace-period=1s"]).await;
    let mut bystander = Bystander::of(&server).await;
    let request = upgrade_request(Some("graphql-transport-ws"));
    let (head, tail) = request.split_at(request.len() / 2);
    let mut slow = Vec::new();
    for _ in 0..50 {
        let mut connection = TcpStream::connect(server.address()).await.expect("one");
        connection.write_all(head.as_bytes()).await.expect("sent");
        slow.push(connection);
    }
    bystander.is_served().await;
    let mut last = slow.pop().expect("one of them");
    last.write_all(tail.as_bytes()).await.expect("sent");
    let mut answer = [0; 12];
    last.read_exact(&mut answer).await.expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 101");
    drop(last);
    bystander.leaves().await;
    // The other handshakes are still unfinished, and must not delay shutdown.
    server.stop().await;
}

// Shutdown

#[tokio::test]
async fn shutdown_closes_sockets_1012() {
    let server = server(&[]).await;
    let mut early = server.connect().await;
    let mut reading = server.socket().await;
    reading.subscribe("v", VIEWERS, json!({})).await;
    reading.data("v").await;
    // This one never answers its close frame.
    let deaf = member_with_small_buffers(&server).await;
    let ended = server.begin_to_stop();
    let told = async {
        for socket in [&mut early, &mut reading] {
            assert_eq!(socket.closed().await, (1012, "Service restart".to_owned()));
            assert!(matches!(socket.next().await, Frame::End));
        }
    };
    tokio::join!(ended, told);
    drop(deaf);
}

/// Its messages need no answer, so no backpressure slows it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shutdown_closes_1012_a_client_that_never_pauses() {
    let server = server(&[]).await;
    let socket = server.socket().await;
    let pongs = frame(FIN | PONG, []).repeat(10_000);
    let closed = tokio::spawn(closed_by(socket, iter::repeat(pongs)));
    server.begin_to_stop().await;
    assert_eq!(closed.await.expect("closed"), 1012);
}

#[tokio::test]
async fn shutdown_ends_despite_a_client_that_never_answers() {
    let server = server(&[]).await;
    let deaf = member_with_small_buffers(&server).await;
    // `shut_down` asserts that no room, member or task is left.
    server.shut_down().await;
    drop(deaf);
}

/// An alias repeats a text, and a list repeats it for each comment: a kilobyte could ask for two gigabytes.
#[tokio::test]
async fn answer_beyond_its_text_budget_is_refused() {
    let server = TestServer::start().await;
    let writer = server.reader("writer");
    let long = "\u{10ffff}".repeat(10_000);
    writer.comment(&long).await;
    let names =
        |count: usize| (0..count).fold(String::new(), |all, at| format!("{all} a{at}: body"));
    let page = |count| {
        let names = names(count);
        format!("{{ post(id: \"hello\") {{ comments {{ nodes {{ {names} }} }} }} }}")
    };
    let whole = writer.send(&page(100), json!({})).await;
    assert_eq!(whole["post"]["comments"]["nodes"][0]["a99"], long);
    let refused = writer.refused(&page(120), json!({})).await;
    assert_eq!(refused["extensions"]["code"], "QUERY_TOO_EXPENSIVE");
    // A mutation answers with comments too.
    let create = format!(
        "mutation($body: String!) {{ createComment(input: {{ postId: \"hello\", body: $body }}) {{
            comment {{ {} }} }} }}",
        names(120)
    );
    let refused = writer.refused(&create, json!({"body": long})).await;
    assert_eq!(refused["extensions"]["code"], "QUERY_TOO_EXPENSIVE");
    server.stop().await;
}

/// Aliases turn one long text into many, in each event.
#[tokio::test]
async fn subscription_with_oversized_events_ends_and_others_go_on() {
    let server = TestServer::start().await;
    let mut bystander = server.socket().await;
    bystander.subscribe("b", ADDED, json!({})).await;
    let names: String = (0..200).map(|number| format!("a{number}: body ")).collect();
    let document = format!("subscription {{ commentAdded(postId: \"hello\") {{ {names} }} }}");
    let mut greedy = server.socket().await;
    greedy.subscribe("g", &document, json!({})).await;
    server.wait_for_members(1, 2).await;
    let long = "x".repeat(10_000);
    server.reader("writer").comment(&long).await;
    let told = greedy.message().await;
    assert_eq!(told["type"], "error", "{}", told["type"]);
    let code = &told["payload"][0]["extensions"]["code"];
    assert_eq!(code, "QUERY_TOO_EXPENSIVE");
    assert_eq!(bystander.data("b").await["commentAdded"]["body"], long);
    server.wait_for_members(1, 1).await;
    greedy.close().await;
    bystander.close().await;
    server.stop().await;
}

/// Each distinct operation is one more execution of every event.
#[tokio::test]
async fn room_refuses_more_than_256_distinct_operations() {
    const MOST: usize = 256;
    let server = TestServer::start_with(&["--ws-operation-limit=257"]).await;
    let other = |number| format!("subscription {{ a{number}: viewerCount(postId: \"hello\") }}");
    let mut greedy = server.socket().await;
    for number in 0..MOST {
        let id = number.to_string();
        greedy.subscribe(&id, &other(number), json!({})).await;
        greedy.data(&id).await;
    }
    let mut late = server.socket().await;
    late.subscribe("new", &other(MOST), json!({})).await;
    let told = late.message().await;
    assert_eq!(told["type"], "error", "{told}");
    let extensions = &told["payload"][0]["extensions"];
    assert_eq!(extensions["code"], "RATE_LIMITED");
    assert!(extensions["retryAfterMs"].is_u64());
    // An operation that the room already has costs nothing.
    late.subscribe("known", &other(0), json!({})).await;
    late.data("known").await;
    greedy.close().await;
    server.wait_for_members(1, 1).await;
    late.subscribe("new", &other(MOST), json!({})).await;
    late.data("new").await;
    late.close().await;
    server.stop().await;
}

// Documents

/// Builds fragments of which each spreads the next `times` times.
fn chain(head: &str, times: usize, count: usize) -> String {
    let mut text = head.to_owned();
    for number in 0..count {
        let next = format!("...F{} ", number + 1).repeat(times);
        text += &format!(" fragment F{number} on Query {{ {next} }}");
    }
    text + &format!(" fragment F{count} on Query {{ me {{ id }} }}")
}

/// The document is weighed before anything else, so its cost is that of reading it.
#[tokio::test]
async fn too_expensive_document_is_refused_and_the_server_goes_on() {
    let raised = ["--http-body-limit=4194304", "--ws-message-limit=4194304"];
    let server = TestServer::start_with(&raised).await;
    let numbered = |count: usize, each: &dyn Fn(usize) -> String| -> String {
        format!("{{ {} }}", (0..count).map(each).collect::<String>())
    };
    let circles = "fields { type { ".repeat(6) + "name" + &"} }".repeat(6);
    let mut socket = server.socket().await;
    for (number, query) in [
        chain("{ ...F0 }", 2, 30),
        chain("{ ...F0 }", 1, 4_500),
        chain("{ me { id } }", 1, 4_500),
        chain("{ me { id } }", 2, 30),
        chain("query A { me { id } } query B { ...F0 }", 2, 30),
        chain("subscription { ...F0 }", 1, 4_500),
        chain("subscription { ...F0 }", 2, 30),
        numbered(1_000, &|n| {
            format!("a{n}: posts(first: 100) {{ nodes {{ id }} }} ")
        }),
        numbered(10_000, &|n| format!("a{n}: me {{ id }} ")),
        numbered(10_000, &|_| "me { id } ".to_owned()),
        numbered(60_000, &|_| "me { id name } ".to_owned()),
        "{ a ".repeat(500) + &"}".repeat(500),
        format!("{{ me {{ id }} }} # {}", "x".repeat(MEBIBYTE)),
        format!("{{ comment(id: \"{}\") {{ id }} }}", "x".repeat(MEBIBYTE)),
        format!("{{ __schema {{ types {{ {circles} }} }} }}"),
    ]
    .into_iter()
    .enumerate()
    {
        let error = server.client().refused(&query, json!({})).await;
        let expected = json!("QUERY_TOO_EXPENSIVE");
        assert_eq!(error["extensions"]["code"], expected, "document {number}");
        socket.subscribe("q", &query, json!({})).await;
        let message = socket.message().await;
        assert_eq!(message["type"], "error", "document {number}");
        let code = &message["payload"][0]["extensions"]["code"];
        assert_eq!(*code, expected, "document {number}");
    }
    socket.close().await;
    server.reader("ada").comment("the server goes on").await;
    server.stop().await;
}

/// A recursive function would overflow the stack and end the process.
#[tokio::test]
async fn nesting_of_a_hundred_thousand_levels_is_refused() {
    const TIMES: usize = 100_000;
    let raised = ["--http-body-limit=4194304", "--ws-message-limit=4194304"];
    let server = TestServer::start_with(&raised).await;
    let mut socket = server.socket().await;
    for (open, close) in [
        ("{ a ", "}"),
        ("{", "}"),
        ("{ ... ", "}"),
        ("[", "]"),
        ("(a: [", "])"),
    ] {
        for head in [
            "",
            "{ a(b: ",
            "query(",
            "query($a: ",
            "{ a @b(c: ",
            "fragment F on Q ",
        ] {
            // The whole nesting, and as much of it as fits into one document.
            for times in [TIMES, 60_000 / open.len()] {
                for end in [close, ""] {
                    let query = format!("{head}{}{}", open.repeat(times), end.repeat(times));
                    let error = server.client().refused(&query, json!({})).await;
                    let code = error["extensions"]["code"].as_str().expect("a code");
                    assert_eq!(code, "QUERY_TOO_EXPENSIVE", "{head}{open}");
                }
            }
        }
    }
    // Nesting after a quote that the parser does not take as the beginning of a string.
    let hidden = format!("{{ a(b: [\"\"\" x \" {}", "[".repeat(50_000));
    let error = server.client().refused(&hidden, json!({})).await;
    assert_eq!(error["extensions"]["code"], "QUERY_TOO_EXPENSIVE");
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let nested = open.repeat(TIMES) + "1" + &close.repeat(TIMES);
        for body in [
            nested.clone(),
            format!("{{\"query\":\"{{ me {{ id }} }}\",\"variables\":{{\"a\":{nested}}}}}"),
            format!("{{\"query\":\"{{ me {{ id }} }}\",\"extensions\":{{\"a\":{nested}}}}}"),
        ] {
            let reply = server.client().post("application/json", body.clone()).await;
            assert_eq!(reply.status, 400);
            let message = format!("{{\"id\":\"1\",\"type\":\"subscribe\",\"payload\":{body}}}");
            let mut socket = server.socket().await;
            socket.send_frame(Message::text(message)).await;
            if body.starts_with('[') {
                // A payload is an object.
                assert_eq!(socket.closed().await.0, 4400);
                socket.vanish();
            } else {
                let refused = socket.message().await;
                assert_eq!(refused["type"], "error", "{refused}");
                socket.close().await;
            }
        }
    }
    socket.settle().await;
    socket.close().await;
    server.stop().await;
}

#[tokio::test]
async fn deepest_permitted_document_is_executed() {
    let server = TestServer::start().await;
    let ada = server.reader("ada");
    let top = ada.comment("0").await;
    let mut parent = Value::from(top.clone());
    for number in 1..=15 {
        let input = json!({"body": number.to_string(), "parentId": parent});
        parent = ada.create_comment(input).await["id"].take();
    }
    let nested = |times: usize| {
        let open = "replies(first: 1) { nodes { ".repeat(times);
        format!(
            "query($id: ID!) {{ comment(id: $id) {{ {open} body {} }} }}",
            "} }".repeat(times)
        )
    };
    let mut data = server.client().send(&nested(15), json!({"id": top})).await;
    let mut comment = data["comment"].take();
    for _ in 0..15 {
        comment = comment["replies"]["nodes"][0].take();
    }
    assert_eq!(comment["body"], "15");
    let error = server
        .client()
        .refused(&nested(16), json!({"id": top}))
        .await;
    assert_eq!(error["extensions"]["code"], "QUERY_TOO_EXPENSIVE");
    server.stop().await;
}

#[tokio::test]
async fn oversized_variables_are_refused_unless_undeclared() {
    let server = TestServer::start().await;
    let many = vec![0; 10_000];
    let query = "query($a: ID!) { post(id: $a) { id } }";
    let error = server.client().refused(query, json!({"a": many})).await;
    assert_eq!(error["extensions"]["code"], "QUERY_TOO_EXPENSIVE");
    let data = server
        .client()
        .send("{ me { id } }", json!({"a": many}))
        .await;
    assert_eq!(data, json!({"me": null}));
    server.stop().await;
}

/// The description of an error is longer than the error.
#[tokio::test]
async fn validation_errors_are_limited_to_20() {
    let server = TestServer::start().await;
    let fields: String = (0..500).map(|number| format!("a{number} ")).collect();
    let reply = server
        .client()
        .try_send(&format!("{{ {fields} }}"), json!({}))
        .await;
    assert_eq!(reply.body["errors"].as_array().expect("errors").len(), 20);
    server.stop().await;
}
