//! Limits, at each bound and beyond it: connections in total and per address, timeouts, rates of comments and
//! guests, reply depth.

use std::{net::SocketAddr, time::Duration};

use causerie::model::Role;
use serde_json::{Value, json};
use testkit::ws_client;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

use crate::support::{
    Client, Frame, Request, Socket, Streaming, TestServer, another_program, lock, run, token,
    token_for, upgrade_request, wait_until, within,
};

const ASK: &str = "GET /graphql?query=%7B__typename%7D HTTP/1.1\r\nHost: localhost\r\n\r\n";
const VIEWERS: &str = "subscription { viewerCount(postId: \"hello\") }";

pub(crate) fn code(error: &Value) -> &str {
    error["extensions"]["code"].as_str().expect("a code")
}

/// Opens a connection from the local address `address`.
async fn connect_from(address: &str, server: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    let from = format!("{address}:0").parse().expect("an address");
    socket.bind(from).expect("an address of this machine");
    socket.connect(server).await.expect("a connection")
}

/// Reads the head of an answer.
async fn head(connection: &mut TcpStream) -> String {
    let head = within("a head", ws_client::head(connection)).await;
    head.expect("an answer")
}

/// Sends `request`, reads the whole answer, and returns its status.
async fn ask(connection: &mut TcpStream, request: &str) -> String {
    // The write may fail because a refused connection has been answered by now.
    let _ = connection.write_all(request.as_bytes()).await;
    let head = head(connection).await.to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let length = length.map_or(0, |length| length.parse().expect("a number"));
    let read = async {
        connection
            .read_exact(&mut vec![0; length])
            .await
            .expect("a body")
    };
    within("a body", read).await;
    head.split(' ').nth(1).expect("a status").to_owned()
}

/// Connects from `address` until a connection is admitted, which may need others to end first.
async fn admitted(address: &str, server: SocketAddr) -> TcpStream {
    let connected = async {
        loop {
            let mut connection = connect_from(address, server).await;
            if ask(&mut connection, ASK).await == "200" {
                return connection;
            }
        }
    };
    within("a place", connected).await
}

/// Reads until the server ends the connection.
async fn ended(mut connection: TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    let read = connection.read_to_end(&mut rest);
    within("its end", read).await.expect("an orderly end");
    rest
}

fn handshake(headers: &str) -> String {
    let request = upgrade_request(Some("graphql-transport-ws"));
    request.replace("\r\n\r\n", &format!("\r\n{headers}\r\n"))
}

// Connections

#[tokio::test]
async fn connection_beyond_the_limit_gets_503_until_another_ends() {
    let server = TestServer::start_with(&["--connection-limit=3"]).await;
    let at = server.address();
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(admitted("127.0.0.1", at).await);
    }
    for _ in 0..5 {
        let mut refused = connect_from("127.0.0.1", at).await;
        let _ = refused.write_all(ASK.as_bytes()).await;
        let head = head(&mut refused).await;
        assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
        assert!(head.contains("\r\nRetry-After: 5\r\n"), "{head}");
        ended(refused).await;
    }
    // Admitted connections are still served.
    assert_eq!(ask(&mut held[0], ASK).await, "200");
    held.pop();
    held.push(admitted("127.0.0.1", at).await);
    drop(held);
    server.stop().await;
}

#[tokio::test]
async fn connection_beyond_the_address_limit_gets_429() {
    let limit = &["--rate-limits=on", "--connections-per-address=2"];
    let server = TestServer::start_with(limit).await;
    let at = server.address();
    let first = admitted("127.0.0.2", at).await;
    // A WebSocket counts as one connection.
    let mut socket = Socket::upgrade(
        connect_from("127.0.0.2", at).await,
        handshake("").as_bytes(),
    )
    .await;
    socket.init(json!({})).await;
    let mut refused = connect_from("127.0.0.2", at).await;
    assert_eq!(ask(&mut refused, ASK).await, "429");
    ended(refused).await;
    // Another address has its own limit.
    drop(admitted("127.0.0.3", at).await);
    socket.vanish();
    let second = admitted("127.0.0.2", at).await;
    let mut refused = connect_from("127.0.0.2", at).await;
    assert_eq!(ask(&mut refused, ASK).await, "429");
    drop((first, second));
    server.stop().await;
}

#[tokio::test]
async fn sockets_and_streams_of_a_proxy_count_for_the_client_it_names() {
    let server = TestServer::start_with(&[
        "--rate-limits=on",
        "--connections-per-address=2",
        "--trusted-proxies=127.0.0.1,10.0.0.0/8",
    ])
    .await;
    let at = server.address();
    // The proxy itself may have any number of connections.
    let mut proxy = Vec::new();
    for _ in 0..5 {
        proxy.push(admitted("127.0.0.1", at).await);
    }
    let from = |client: &str| handshake(&format!("X-Forwarded-For: 1.2.3.4, {client}\r\n"));
    let ada = from("203.0.113.7");
    let socket = Socket::upgrade(connect_from("127.0.0.1", at).await, ada.as_bytes()).await;
    let stream = Request::post(VIEWERS, json!({})).accepting("text/event-stream");
    let ada_stream = stream.clone().with("x-forwarded-for", "203.0.113.7");
    let mut streaming = Streaming::open(at, &ada_stream).await;
    assert_eq!(streaming.event_data().await, json!({"viewerCount": 1}));
    let mut refused = connect_from("127.0.0.1", at).await;
    assert_eq!(ask(&mut refused, &ada).await, "429");
    let refused = Streaming::open(at, &ada_stream).await;
    assert_eq!(
        (refused.status(), refused.header("retry-after")),
        (429, Some("5"))
    );
    // Another client has its own limit, and a query does not count as a socket.
    let bob = from("203.0.113.8");
    let bob = Socket::upgrade(connect_from("127.0.0.1", at).await, bob.as_bytes()).await;
    let query = ASK.replace("\r\n\r\n", "\r\nX-Forwarded-For: 203.0.113.7\r\n\r\n");
    assert_eq!(ask(&mut proxy[1], &query).await, "200");
    // A stream that ends frees its place.
    streaming.vanish();
    server.wait_for_members(0, 0).await;
    let again = async {
        loop {
            let mut connection = connect_from("127.0.0.1", at).await;
            if ask(&mut connection, &ada).await == "101" {
                return connection;
            }
        }
    };
    drop(within("a place", again).await);
    // A peer that is no trusted proxy is not believed.
    let liar = handshake("X-Forwarded-For: 203.0.113.9\r\n");
    let mut lies = Vec::new();
    for expected in ["101", "101", "429"] {
        let mut connection = connect_from("127.0.0.4", at).await;
        assert_eq!(ask(&mut connection, &liar).await, expected);
        lies.push(connection);
    }
    drop((lies, proxy));
    socket.vanish();
    bob.vanish();
    server.stop().await;
}

// Refusals

#[tokio::test]
async fn refusal_reaches_a_client_that_still_sends() {
    let server = TestServer::start().await;
    let body = "x".repeat(1 << 20);
    let cases = [
        ("POST /nope", "application/json", "404"),
        ("POST /graphiql", "application/json", "405"),
        ("POST /graphql", "text/plain", "415"),
        ("POST /graphql", "application/json", "413"),
        ("GET /graphql?query={me{id}}", "application/json", "200"),
    ];
    for (request, media_type, status) in cases {
        let mut connection = connect_from("127.0.0.1", server.address()).await;
        let request = format!(
            "{request} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {media_type}\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        connection
            .write_all(request.as_bytes())
            .await
            .expect(status);
        let answer = String::from_utf8(ended(connection).await).expect("a text");
        let answer = answer.to_ascii_lowercase();
        assert!(
            answer.starts_with(&format!("http/1.1 {status}")),
            "{answer}"
        );
        assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    }
    server.stop().await;
}

#[tokio::test]
async fn connection_is_used_again_after_a_body_that_was_read() {
    let server = TestServer::start().await;
    let mut connection = connect_from("127.0.0.1", server.address()).await;
    let request = "POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
        Content-Length: 19\r\n\r\n{\"query\":\"{me{id}}\"";
    // The last brace is missing, so this is no JSON.
    assert_eq!(ask(&mut connection, request).await, "400");
    assert_eq!(ask(&mut connection, ASK).await, "200");
    drop(connection);
    server.stop().await;
}

#[tokio::test]
async fn missing_or_second_host_gets_400() {
    let server = TestServer::start().await;
    let cases = [
        ("1.1", "", "400"),
        ("1.1", "Host: a\r\nHost: b\r\n", "400"),
        ("1.1", "Host: a\r\n", "200"),
        ("1.0", "", "200"),
    ];
    for (version, hosts, status) in cases {
        let mut connection = connect_from("127.0.0.1", server.address()).await;
        let request = format!("GET /healthz HTTP/{version}\r\n{hosts}\r\n");
        assert_eq!(ask(&mut connection, &request).await, status, "{hosts}");
    }
    server.stop().await;
}

#[tokio::test]
async fn encoded_body_gets_415() {
    let server = TestServer::start().await;
    for (encoding, status) in [("gzip", "415"), ("identity", "200")] {
        let mut connection = connect_from("127.0.0.1", server.address()).await;
        let request = format!(
            "POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Content-Encoding: {encoding}\r\nContent-Length: 20\r\n\r\n{{\"query\":\"{{me{{id}}}}\"}}"
        );
        assert_eq!(ask(&mut connection, &request).await, status, "{encoding}");
    }
    server.stop().await;
}

// Timeouts

#[tokio::test]
async fn missing_request_head_times_out() {
    let server = TestServer::start_with(&["--http-idle-timeout=2s"]).await;
    for begun in ["", "GET /graphql HTTP/1.1\r\nHost: local"] {
        let mut connection = connect_from("127.0.0.1", server.address()).await;
        connection.write_all(begun.as_bytes()).await.expect("sent");
        ended(connection).await;
    }
    server.stop().await;
}

#[tokio::test]
async fn idle_connection_is_closed() {
    let server = TestServer::start_with(&["--http-idle-timeout=2s"]).await;
    let connection = admitted("127.0.0.1", server.address()).await;
    assert!(ended(connection).await.is_empty());
    server.stop().await;
}

#[tokio::test]
async fn missing_body_gets_408() {
    let server = TestServer::start_with(&["--http-read-timeout=2s"]).await;
    let mut connection = connect_from("127.0.0.1", server.address()).await;
    let begun = "POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
        Content-Length: 100\r\n\r\n{\"query\":";
    assert_eq!(ask(&mut connection, begun).await, "408");
    ended(connection).await;
    server.stop().await;
}

#[tokio::test]
async fn streams_and_sockets_outlive_the_timeouts_of_requests() {
    let settings = [
        "--http-read-timeout=2s",
        "--http-idle-timeout=2s",
        "--stream-keep-alive=2500ms",
    ];
    let server = TestServer::start_with(&settings).await;
    let request = Request::post(VIEWERS, json!({})).accepting("text/event-stream");
    let mut stream = Streaming::open(server.address(), &request).await;
    stream.read_until("viewerCount\":1").await;
    let mut socket = server.socket().await;
    socket.subscribe("v", VIEWERS, json!({})).await;
    stream.read_until("viewerCount\":2").await;
    // Both outlive the timeout, and two keep-alives.
    stream.read_until(":\n\n").await;
    stream.read_until(":\n\n").await;
    socket.settle().await;
    stream.vanish();
    socket.close().await;
    server.stop().await;
}

#[tokio::test]
async fn slow_mutation_gets_a_timeout_error_and_still_completes() {
    let settings = ["--operation-timeout=2s"];
    let server = TestServer::start_with(&settings).await;
    let other = another_program(&server.database()).await;
    lock(&other).await;
    let write = "mutation { createComment(input: { postId: \"hello\", body: \"late\" }) {
        comment { id } } }";
    let mut socket = server.reader_socket("bob").await;
    let error = server.reader("ada").refused(write, json!({})).await;
    assert_eq!(code(&error), "OPERATION_TIMEOUT");
    socket.subscribe("w", write, json!({})).await;
    let message = socket.message().await;
    assert_eq!(code(&message["payload"]["errors"][0]), "OPERATION_TIMEOUT");
    assert_eq!(server.client().bodies().await, Vec::<String>::new());
    // Two mutations and the socket.
    assert_eq!(server.observer().tasks(), 3);
    run(&other, "ROLLBACK").await;
    socket.close().await;
    let observer = server.observer().clone();
    wait_until("both have ended", async || observer.tasks() == 0).await;
    assert_eq!(server.client().bodies().await, ["late", "late"]);
    server.stop().await;
}

#[tokio::test]
async fn mutation_completed_by_its_client_counts_until_it_ends() {
    let server = TestServer::start_with(&["--ws-operation-limit=2"]).await;
    let other = another_program(&server.database()).await;
    lock(&other).await;
    let write = "mutation { createComment(input: { postId: \"hello\", body: \"b\" }) {
        comment { id } } }";
    let mut socket = server.reader_socket("ada").await;
    for id in ["1", "2"] {
        socket.subscribe(id, write, json!({})).await;
        socket.send(json!({"type": "complete", "id": id})).await;
    }
    socket.subscribe("3", write, json!({})).await;
    let message = socket.message().await;
    assert_eq!(message["id"], json!("3"));
    assert_eq!(code(&message["payload"][0]), "RATE_LIMITED");
    // A query needs no such place.
    let all = "{ post(id: \"hello\") { commentCount } }";
    socket.subscribe("q", all, json!({})).await;
    assert_eq!(socket.data("q").await["post"]["commentCount"], json!(0));
    run(&other, "ROLLBACK").await;
    let observer = server.observer().clone();
    wait_until("both have ended", async || observer.tasks() == 1).await;
    assert_eq!(server.client().bodies().await, ["b", "b"]);
    socket.close().await;
    server.stop().await;
}

#[tokio::test]
async fn abandoned_mutations_count_for_their_user_until_they_end() {
    let settings = ["--rate-limits=on", "--comments-per-user=1000"];
    let server = TestServer::start_with(&settings).await;
    let other = another_program(&server.database()).await;
    lock(&other).await;
    let (observer, ada) = (server.observer().clone(), server.reader("ada"));
    for begun in 1..=64 {
        tokio::select! {
            outcome = outcome(&ada, WRITE, json!({})) => panic!("{outcome:?}"),
            () = wait_until("it is under way", async || observer.tasks() == begun) => {}
        }
    }
    assert!(is_limited(&outcome(&ada, WRITE, json!({})).await));
    // Others have places of their own.
    let bob = server.reader("bob");
    tokio::select! {
        outcome = outcome(&bob, WRITE, json!({})) => panic!("{outcome:?}"),
        () = wait_until("it is under way", async || observer.tasks() == 65) => {}
    }
    run(&other, "ROLLBACK").await;
    wait_until("all have ended", async || observer.tasks() == 0).await;
    assert!(outcome(&ada, WRITE, json!({})).await.is_ok());
    assert_eq!(server.client().bodies().await.len(), 66);
    server.stop().await;
}

#[tokio::test]
async fn mutation_field_after_its_tokens_end_is_refused() {
    let server = TestServer::start_with(&["--jwt-leeway=0s"]).await;
    let other = another_program(&server.database()).await;
    lock(&other).await;
    let token = token_for("ada", Duration::from_secs(2));
    let ada = server.client().with_token(&token);
    let two = "mutation {
        a: createComment(input: { postId: \"hello\", body: \"in time\" }) { comment { id } }
        b: createComment(input: { postId: \"hello\", body: \"too late\" }) { comment { id } } }";
    let observer = server.observer().clone();
    let expiry = async {
        wait_until("it is under way", async || observer.tasks() == 1).await;
        let me = "{ me { id } }";
        while server
            .client()
            .with_token(&token)
            .try_send(me, json!({}))
            .await
            .status
            == 200
        {}
        run(&other, "ROLLBACK").await;
    };
    let (outcome, ()) = tokio::join!(outcome(&ada, two, json!({})), expiry);
    let error = outcome.expect_err("the second is refused");
    assert_eq!(code(&error), "UNAUTHENTICATED");
    assert_eq!(server.client().bodies().await, ["in time"]);
    server.stop().await;
}

#[tokio::test]
async fn mutation_with_eleven_root_fields_is_refused() {
    let server = TestServer::start().await;
    let mutation = |count: usize| {
        let field = |number| {
            format!(
                "a{number}: createComment(input: {{ postId: \"hello\", body: \"b\" }}) {{ comment {{ id }} }} "
            )
        };
        format!(
            "mutation {{ {} }}",
            (0..count).map(field).collect::<String>()
        )
    };
    let ada = server.reader("ada");
    let error = outcome(&ada, &mutation(11), json!({}))
        .await
        .expect_err("refused");
    assert_eq!(code(&error), "QUERY_TOO_EXPENSIVE");
    assert_eq!(server.client().bodies().await, Vec::<String>::new());
    assert!(outcome(&ada, &mutation(10), json!({})).await.is_ok());
    assert_eq!(server.client().bodies().await.len(), 10);
    server.stop().await;
}

// Rates

async fn guest(client: &Client) -> Result<Value, Value> {
    let sign_in = "mutation { signInAsGuest(input: { name: \"Gus\" }) { token } }";
    outcome(client, sign_in, json!({})).await
}

pub(crate) async fn outcome(
    client: &Client,
    query: &str,
    variables: Value,
) -> Result<Value, Value> {
    let mut reply = client.try_send(query, variables).await;
    match reply.body.get("errors") {
        None => Ok(reply.body["data"].take()),
        Some(_) => Err(reply.error()),
    }
}

/// Returns true if the request was rate limited with a valid retry time.
pub(crate) fn is_limited(outcome: &Result<Value, Value>) -> bool {
    let error = outcome.as_ref().expect_err("limited");
    let retry = &error["extensions"]["retryAfterMs"];
    code(error) == "RATE_LIMITED" && retry.as_u64().is_some_and(|millis| millis <= 60_001)
}

pub(crate) const WRITE: &str =
    "mutation { createComment(input: { postId: \"hello\", body: \"b\" }) {
    comment { id } } }";

#[tokio::test]
async fn comment_rate_limits_a_user_edits_included_at_any_address() {
    let settings = [
        "--rate-limits=on",
        "--comments-per-user=3",
        "--trusted-proxies=127.0.0.1",
    ];
    let server = TestServer::start_with(&settings).await;
    let (ada, bob) = (server.reader("ada"), server.reader("bob"));
    let first = outcome(&ada, WRITE, json!({})).await.expect("written");
    let id = &first["createComment"]["comment"]["id"];
    let edit = "mutation($id: ID!) { editComment(input: { id: $id, body: \"c\" }) {
        comment { id } } }";
    outcome(&ada, edit, json!({"id": id}))
        .await
        .expect("edited");
    outcome(&ada, WRITE, json!({})).await.expect("written");
    assert!(is_limited(&outcome(&ada, WRITE, json!({})).await));
    assert!(is_limited(&outcome(&ada, edit, json!({"id": id})).await));
    // Another connection or another address does not make another user.
    let mut socket = server.reader_socket("ada").await;
    socket.subscribe("w", WRITE, json!({})).await;
    let message = socket.message().await;
    assert_eq!(code(&message["payload"]["errors"][0]), "RATE_LIMITED");
    socket.close().await;
    let elsewhere = server.reader("ada").behind("203.0.113.7");
    assert!(is_limited(&outcome(&elsewhere, WRITE, json!({})).await));
    outcome(&bob, WRITE, json!({})).await.expect("written");
    let delete = "mutation($id: ID!) { deleteComment(input: { id: $id }) { comment { id } } }";
    outcome(&ada, delete, json!({"id": id}))
        .await
        .expect("deleted");
    assert_eq!(server.client().bodies().await.len(), 2);
    server.stop().await;
}

#[tokio::test]
async fn comment_rate_limits_an_address_across_users() {
    let settings = [
        "--rate-limits=on",
        "--comments-per-address=3",
        "--trusted-proxies=127.0.0.1",
    ];
    let server = TestServer::start_with(&settings).await;
    for name in ["ada", "bob", "cleo"] {
        let client = server.reader(name).behind("203.0.113.7");
        outcome(&client, WRITE, json!({})).await.expect("written");
    }
    let dan = server.reader("dan");
    assert!(is_limited(
        &outcome(&dan.clone().behind("203.0.113.7"), WRITE, json!({})).await
    ));
    outcome(&dan.behind("203.0.113.8"), WRITE, json!({}))
        .await
        .expect("written");
    server.stop().await;
}

#[tokio::test]
async fn guest_rate_limits_sign_ins_from_an_address() {
    let settings = [
        "--rate-limits=on",
        "--guests-per-address=2",
        "--trusted-proxies=127.0.0.1",
    ];
    let server = TestServer::start_with(&settings).await;
    let here = |client| server.client().behind(client);
    guest(&here("2001:db8::1")).await.expect("a token");
    guest(&here("2001:db8::2")).await.expect("a token");
    assert!(
        is_limited(&guest(&here("2001:db8::3")).await),
        "a /64 is one address"
    );
    guest(&here("2001:db8:0:1::1")).await.expect("a token");
    server.stop().await;
}

#[tokio::test]
async fn forwarded_header_of_an_untrusted_proxy_is_ignored() {
    let settings = [
        "--rate-limits=on",
        "--guests-per-address=2",
        "--trusted-proxies=127.0.0.9",
    ];
    let server = TestServer::start_with(&settings).await;
    let from = |client| server.client().behind(client);
    guest(&from("203.0.113.1")).await.expect("a token");
    guest(&from("203.0.113.2")).await.expect("a token");
    assert!(is_limited(&guest(&from("203.0.113.3")).await));
    server.stop().await;
}

// Replies

#[tokio::test]
async fn ancestors_weigh_the_depth_of_replies() {
    let query =
        "{ posts(first: 10) { nodes { comments(first: 50) { nodes { ancestors { id } } } } } }";
    let server = TestServer::start_with(&["--reply-depth=100"]).await;
    let error = server.client().refused(query, json!({})).await;
    assert_eq!(error["extensions"]["code"], json!("QUERY_TOO_EXPENSIVE"));
    server.stop().await;
    let server = TestServer::start_with(&["--reply-depth=50"]).await;
    server.client().send(query, json!({})).await;
    server.stop().await;
}

#[tokio::test]
async fn reply_depth_limit_is_exact() {
    let server = TestServer::start_with(&["--reply-depth=3"]).await;
    let ada = server.reader("ada");
    let mut parent = Value::from(ada.comment("top").await);
    for _ in 0..3 {
        let input = json!({"body": "deeper", "parentId": parent});
        parent = ada.create_comment(input).await["id"].take();
    }
    let reply = "mutation($parent: ID!) { createComment(input: {
        postId: \"hello\", body: \"too deep\", parentId: $parent }) { comment { id } } }";
    let error = ada.refused(reply, json!({"parent": parent})).await;
    let extensions = json!({"code": "BAD_USER_INPUT", "field": "parentId"});
    assert_eq!(error["extensions"], extensions);
    // Refused replies are not counted.
    let query = "query($id: ID!) { comment(id: $id) { replyCount } post(id: \"hello\") {
        commentCount } }";
    let counts = server.client().send(query, json!({"id": parent})).await;
    let expected = json!({"comment": {"replyCount": 0}, "post": {"commentCount": 4}});
    assert_eq!(counts, expected);
    server.stop().await;
}

/// A database of the previous version, whose comments have no depth.
#[tokio::test]
async fn migration_sets_the_reply_depth_in_an_older_database() {
    let server = TestServer::start().await;
    let ada = server.reader("ada");
    let top = ada.comment("top").await;
    let reply = ada
        .create_comment(json!({"body": "1", "parentId": top}))
        .await;
    let deep = ada
        .create_comment(json!({"body": "2", "parentId": reply["id"]}))
        .await;
    let database = server.database();
    let folder = server.shut_down().await;
    let other = another_program(&database).await;
    run(&other, "ALTER TABLE comment DROP COLUMN depth").await;
    run(
        &other,
        "DELETE FROM seaql_migrations WHERE version LIKE '%reply_depth'",
    )
    .await;
    let server = TestServer::start_in(folder, &["--reply-depth=2"]).await;
    let token = token("bob", "bob", Role::Reader);
    let bob = server.client().with_token(&token);
    bob.create_comment(json!({"body": "as deep", "parentId": reply["id"]}))
        .await;
    let answer = "mutation($parent: ID!) { createComment(input: {
        postId: \"hello\", body: \"deeper\", parentId: $parent }) { comment { id } } }";
    let error = bob.refused(answer, json!({"parent": deep["id"]})).await;
    assert_eq!(error["extensions"]["field"], json!("parentId"));
    server.stop().await;
}

#[tokio::test]
async fn mutation_rate_counts_deletions_also_repeated_ones() {
    let settings = ["--rate-limits=on", "--mutations-per-user=2"];
    let server = TestServer::start_with(&settings).await;
    let ada = server.reader("ada");
    let id = ada.comment("b").await;
    let delete =
        "mutation($id: ID!) { deleteComment(input: { id: $id }) { comment { isDeleted } } }";
    for _ in 0..2 {
        assert!(outcome(&ada, delete, json!({"id": id})).await.is_ok());
    }
    assert!(is_limited(&outcome(&ada, delete, json!({"id": id})).await));
    server.stop().await;
}

/// Sends `count` queries at once on a socket, and returns whether each was answered, up to a close code.
async fn flood(socket: &mut Socket, count: usize) -> (Vec<bool>, Option<u16>) {
    let operations = (0..count).map(|number| {
        json!({"id": number.to_string(), "type": "subscribe", "payload": {"query": "{ __typename }"}})
    });
    socket.send_together(operations).await;
    let mut answered = Vec::new();
    while answered.len() < count {
        match socket.next().await {
            Frame::Message(message) if message["type"] == "next" => answered.push(true),
            Frame::Message(message) if message["type"] == "error" => {
                assert!(is_limited(&Err(message["payload"][0].clone())));
                answered.push(false);
            }
            Frame::Message(_) => {}
            Frame::Close(code, _) => return (answered, Some(code)),
            Frame::End => panic!("no close frame"),
        }
    }
    (answered, None)
}

#[tokio::test]
async fn operation_rate_limits_a_socket_and_closes_one_that_floods() {
    let settings = [
        "--rate-limits=on",
        "--operations-per-socket=1",
        "--ws-queue=10000",
    ];
    let server = TestServer::start_with(&settings).await;
    let mut socket = server.socket().await;
    let (answered, closed) = flood(&mut socket, 60).await;
    assert_eq!(closed, None);
    // A burst of ten is served. While it is sent, a few more may become due.
    let served = answered.iter().filter(|answered| **answered).count();
    assert!((10..60).contains(&served), "{served}");
    // Another socket has a rate of its own.
    let mut other = server.socket().await;
    assert_eq!(flood(&mut other, 10).await, (vec![true; 10], None));
    let (_, closed) = flood(&mut other, 5_000).await;
    assert_eq!(closed, Some(4429));
    socket.close().await;
    server.stop().await;
}

#[tokio::test]
async fn operation_rate_limits_the_sockets_of_an_address_together() {
    let settings = ["--rate-limits=on", "--operations-per-address=1"];
    let server = TestServer::start_with(&settings).await;
    let (mut one, mut other) = (server.socket().await, server.socket().await);
    assert_eq!(flood(&mut one, 10).await, (vec![true; 10], None));
    let (answered, closed) = flood(&mut other, 60).await;
    assert!(
        answered.contains(&false) && closed.is_none(),
        "{answered:?}"
    );
    one.close().await;
    other.close().await;
    server.stop().await;
}
