//! Results as server-sent events: each test is a sentence of graphql-sse's PROTOCOL.md (distinct connections
//! mode). The membership that a stream holds is tested too.

use causerie::model::Role;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::net::TcpSocket;

use crate::support::{
    BRIEFLY, Chunk, Event, Request, Streaming, TestServer, token, token_for, within,
};

const SSE: &str = "text/event-stream";
const VIEWERS: &str = "subscription { viewerCount(postId: \"hello\") }";
const ADDED: &str = "subscription($after: Cursor) {
    commentAdded(postId: \"hello\", after: $after) { body }
}";

async fn open(server: &TestServer, request: Request) -> Streaming {
    Streaming::open(server.address(), &request.accepting(SSE)).await
}

async fn subscribe(server: &TestServer, query: &str) -> Streaming {
    open(server, Request::post(query, json!({}))).await
}

fn added(body: &str) -> Value {
    json!({"commentAdded": {"body": body}})
}

/// Returns the post's cursor.
async fn cursor(server: &TestServer) -> String {
    let query = "{ post(id: \"hello\") { cursor } }";
    let data = server.client().send(query, json!({})).await;
    data["post"]["cursor"].as_str().expect("a cursor").into()
}

fn complete() -> Event {
    Event {
        name: "complete".to_owned(),
        id: None,
        data: Value::Null,
    }
}

/// Returns the code of the one error of a `next` without data, and asserts that the stream then ends.
async fn refusal(stream: &mut Streaming) -> Value {
    assert_eq!(stream.status(), 200);
    let next = stream.event().await;
    assert_eq!(
        (next.name.as_str(), next.data.get("data")),
        ("next", None),
        "{next:?}"
    );
    assert_eq!(stream.event().await, complete());
    assert_eq!(stream.rest().await, (String::new(), Chunk::Last));
    next.data["errors"][0]["extensions"]["code"].clone()
}

// The stream

#[tokio::test]
async fn subscription_sends_next_for_each_event_as_it_happens() {
    let server = TestServer::start().await;
    let mut stream = subscribe(&server, ADDED).await;
    assert_eq!(stream.status(), 200);
    let headers = ["content-type", "cache-control", "x-accel-buffering"];
    assert_eq!(
        headers.map(|name| stream.header(name)),
        [
            Some("text/event-stream; charset=utf-8"),
            Some("no-cache, no-transform"),
            Some("no")
        ]
    );
    // The head, and a comment for browsers that wait for the first byte of a body.
    assert_eq!(stream.chunk().await, Chunk::Text(":\n\n".to_owned()));
    server.wait_for_members(1, 1).await;
    for body in ["one", "two\nlines", "a\u{2028}b"] {
        server.reader("ada").comment(body).await;
        let result = json!({"data": added(body)});
        let id = cursor(&server).await;
        let expected = format!("id: {id}\nevent: next\ndata: {result}\n\n");
        assert_eq!(stream.chunk().await, Chunk::Text(expected));
    }
    stream.vanish();
    server.stop().await;
}

#[tokio::test]
async fn subscription_by_get_works_as_event_source_needs_it() {
    let server = TestServer::start().await;
    let start = cursor(&server).await;
    server.reader("ada").comment("before").await;
    let variables = json!({"after": start}).to_string();
    let query = format!(
        "query Other {{ me {{ id }} }} {}",
        ADDED.replace("n($", "n Added($")
    );
    let parameters = [
        ("query", query.as_str()),
        ("operationName", "Added"),
        ("variables", &variables),
    ];
    let mut stream = open(&server, Request::get(&parameters)).await;
    assert_eq!(stream.event_data().await, added("before"));
    server.reader("ada").comment("after").await;
    assert_eq!(stream.event_data().await, added("after"));
    stream.vanish();
    server.stop().await;
}

#[tokio::test]
async fn event_of_a_feed_has_its_cursor_as_id_whatever_is_selected() {
    let server = TestServer::start().await;
    let mut added = subscribe(
        &server,
        "subscription { commentAdded(postId: \"hello\") { __typename } }",
    )
    .await;
    let mut changed = subscribe(
        &server,
        "subscription { commentChanged(postId: \"hello\") { kind } }",
    )
    .await;
    let mut viewers = subscribe(&server, VIEWERS).await;
    assert_eq!(viewers.event().await.id, None);
    server.wait_for_members(1, 3).await;
    let ada = server.reader("ada");
    let id = ada.comment("1").await;
    let first = cursor(&server).await;
    assert_eq!(added.event().await.id, Some(first.clone()));
    assert_eq!(changed.event().await.id, Some(first));
    let edit = "mutation($id: ID!) { editComment(input: { id: $id, body: \"2\" }) {
        comment { id }
    } }";
    ada.send(edit, json!({"id": id})).await;
    assert_eq!(changed.event().await.id, Some(cursor(&server).await));
    for stream in [added, changed, viewers] {
        stream.vanish();
    }
    server.stop().await;
}

/// EventSource repeats a request as it was, and adds the last id that it received.
#[tokio::test]
async fn last_event_id_resumes_before_the_cursor_of_the_request() {
    let server = TestServer::start().await;
    let (ada, start) = (server.reader("ada"), cursor(&server).await);
    ada.comment("1").await;
    let variables = json!({"after": start}).to_string();
    let request = || Request::get(&[("query", ADDED), ("variables", &variables)]);
    let mut stream = open(&server, request()).await;
    let first = stream.event().await;
    assert_eq!(first.data["data"], added("1"));
    stream.vanish();
    ada.comment("2").await;
    let last = first.id.expect("an id");
    let mut stream = open(&server, request().with("Last-Event-ID", &last)).await;
    assert_eq!(stream.event_data().await, added("2"));
    ada.comment("3").await;
    assert_eq!(stream.event_data().await, added("3"));
    stream.vanish();
    // An id that no event had. A topic that has no ids needs none.
    let mut stream = open(&server, request().with("Last-Event-ID", "7")).await;
    assert_eq!(refusal(&mut stream).await, "BAD_USER_INPUT");
    let viewers = Request::get(&[("query", VIEWERS)]).with("Last-Event-ID", "7");
    let mut stream = open(&server, viewers).await;
    assert_eq!(stream.event_data().await, json!({"viewerCount": 1}));
    stream.vanish();
    server.stop().await;
}

/// EventSource can send no header. Streams of one client are one reader, who has written the comment itself.
#[tokio::test]
async fn event_source_names_its_client_in_the_extensions() {
    let server = TestServer::start().await;
    let named = |query| {
        let extensions = r#"{"clientId":"tab-1"}"#;
        open(
            &server,
            Request::get(&[("query", query), ("extensions", extensions)]),
        )
    };
    let mut comments = named(ADDED).await;
    let mut viewers = named(VIEWERS).await;
    server.wait_for_members(1, 1).await;
    assert_eq!(viewers.event_data().await, json!({"viewerCount": 1}));
    let ada = server.reader("ada");
    let same = server
        .client()
        .with_token(&token("ada", "Ada", Role::Reader))
        .named("tab-1");
    same.comment("own").await;
    ada.comment("another's").await;
    assert_eq!(comments.event_data().await, added("another's"));
    comments.vanish();
    viewers.vanish();
    let malformed = Request::get(&[("query", VIEWERS), ("extensions", r#"{"clientId":"a b"}"#)]);
    assert_eq!(open(&server, malformed).await.status(), 400);
    server.stop().await;
}

#[tokio::test]
async fn query_or_mutation_is_one_next_then_complete() {
    let server = TestServer::start().await;
    let query = "{ post(id: \"hello\") { title id } me { id } }";
    for request in [
        Request::post(query, json!({})),
        Request::get(&[("query", query)]),
    ] {
        let mut stream = open(&server, request).await;
        let expected = ":\n\nevent: next\ndata: \
            {\"data\":{\"post\":{\"title\":\"Hello\",\"id\":\"hello\"},\"me\":null}}\n\n\
            event: complete\ndata: \n\n";
        assert_eq!(stream.rest().await, (expected.to_owned(), Chunk::Last));
    }
    let write = "mutation { createComment(input: { postId: \"hello\", body: \"b\" }) {
        comment { body }
    } }";
    let token = token("ada", "Ada", Role::Reader);
    let request = Request::post(write, json!({})).with_token(&token);
    let mut stream = open(&server, request).await;
    assert_eq!(
        stream.event_data().await,
        json!({"createComment": {"comment": {"body": "b"}}})
    );
    assert_eq!(stream.event().await, complete());
    assert_eq!(server.reader("ada").bodies().await, ["b"]);
    server.stop().await;
}

#[tokio::test]
async fn operation_errors_come_in_next_before_complete() {
    let server = TestServer::start().await;
    let no_post = "subscription { viewerCount(postId: \"none\") }";
    let two_fields = "subscription { a: viewerCount(postId: \"hello\") b: __typename }";
    let no_cursor = "subscription { commentAdded(postId: \"hello\", after: \"x\") { id } }";
    let many = format!("subscription {{ {} }}", "...F ".repeat(4_000));
    for (query, code) in [
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("subscription { nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("{ nothing }", "GRAPHQL_VALIDATION_FAILED"),
        (two_fields, "GRAPHQL_VALIDATION_FAILED"),
        (&many, "QUERY_TOO_EXPENSIVE"),
        (no_post, "NOT_FOUND"),
        (no_cursor, "BAD_USER_INPUT"),
    ] {
        let mut stream = subscribe(&server, query).await;
        assert_eq!(refusal(&mut stream).await, json!(code), "{query}");
    }
    server.stop().await;
}

#[tokio::test]
async fn request_errors_set_the_status() {
    let server = TestServer::start_with(&["--http-body-limit=1024"]).await;
    let client = server.client().accepting(SSE);
    let subscription = json!({"query": VIEWERS}).to_string();
    let json = "application/json";
    for (content_type, body, status) in [
        ("text/plain", subscription.clone(), 415),
        (json, "{".to_owned(), 400),
        (json, json!({}).to_string(), 400),
        (json, format!("{subscription}{}", " ".repeat(1024)), 413),
    ] {
        let reply = client.post(content_type, body.clone()).await;
        assert_eq!(reply.status.as_u16(), status, "{body}");
        assert_eq!(
            reply.headers["content-type"],
            "application/json; charset=utf-8"
        );
        assert_eq!(
            reply.error()["extensions"]["code"],
            json!("GRAPHQL_VALIDATION_FAILED")
        );
    }
    let forger = client.clone().with_token("forged");
    let forged = forger.post(json, subscription).await;
    assert_eq!(forged.status, StatusCode::UNAUTHORIZED);
    assert_eq!(
        forged.error()["extensions"]["code"],
        json!("UNAUTHENTICATED")
    );
    let write = "mutation { setTyping(input: { postId: \"hello\", isTyping: true }) { isTyping } }";
    let by_get = client.get(&[("query", write)]).await;
    assert_eq!(by_get.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(by_get.headers["allow"], "POST");
    server.stop().await;
}

#[tokio::test]
async fn accept_header_selects_the_preferred_stream_type() {
    let server = TestServer::start().await;
    let multipart = "multipart/mixed;boundary=\"graphql\";subscriptionSpec=1.0";
    let events = "text/event-stream; charset=utf-8";
    for (accept, content_type) in [
        (SSE, events),
        ("text/event-stream, multipart/mixed", events),
        ("application/json, text/event-stream;q=0.1", events),
        ("text/event-stream;q=0.5, multipart/mixed;q=0.6", multipart),
        ("multipart/mixed;q=0.5, text/event-stream;q=0.6", events),
    ] {
        let request = Request::post(VIEWERS, json!({})).accepting(accept);
        let stream = Streaming::open(server.address(), &request).await;
        assert_eq!(
            stream.header("content-type"),
            Some(content_type),
            "{accept}"
        );
        stream.vanish();
    }
    for accept in ["application/json", "*/*", "application/json, text/*"] {
        let client = server.client().accepting(accept);
        let reply = client.try_send(VIEWERS, json!({})).await;
        assert_eq!(reply.status, StatusCode::NOT_ACCEPTABLE, "{accept}");
        let message = reply.error()["message"].to_string();
        assert!(message.contains("text/event-stream"), "{message}");
    }
    server.stop().await;
}

#[tokio::test]
async fn idle_stream_sends_keep_alives() {
    let server = TestServer::start_with(&["--stream-keep-alive=20ms"]).await;
    let mut stream = subscribe(&server, ADDED).await;
    for _ in 0..5 {
        assert_eq!(stream.chunk().await, Chunk::Text(":\n\n".to_owned()));
    }
    server.reader("ada").comment("b").await;
    assert_eq!(stream.event_data().await, added("b"));
    stream.vanish();
    server.stop().await;
}

// The end of a stream is the end of its membership

#[tokio::test]
async fn lost_client_leaves_its_room() {
    let server = TestServer::start().await;
    let mut first = subscribe(&server, VIEWERS).await;
    assert_eq!(first.event_data().await, json!({"viewerCount": 1}));
    let second = subscribe(&server, VIEWERS).await;
    assert_eq!(first.event_data().await, json!({"viewerCount": 2}));
    second.vanish();
    assert_eq!(first.event_data().await, json!({"viewerCount": 1}));
    first.vanish();
    server.stop().await;
}

/// Opens a stream that has small system buffers and is not read.
async fn unread_stream(server: &TestServer) -> Streaming {
    let connection = TcpSocket::new_v4().expect("a socket");
    connection.set_recv_buffer_size(4096).expect("small");
    let connection = connection.connect(server.address()).await;
    let request = Request::post(ADDED, json!({})).accepting(SSE);
    Streaming::open_on(connection.expect("a connection"), &request).await
}

#[tokio::test]
async fn client_that_never_reads_is_dropped() {
    // The system's timeout is longer than the server's.
    let server =
        TestServer::start_with(&["--http-write-timeout=500ms", "--ws-write-timeout=1h"]).await;
    let mut unread_stream = unread_stream(&server).await;
    server.wait_for_members(1, 1).await;
    let ada = server.reader("ada");
    let large = "x".repeat(10_000);
    // More than the buffers on both sides hold.
    within("it leaves the room", async {
        while server.observer().rooms().members == 1 {
            ada.comment(&large).await;
        }
    })
    .await;
    let (text, end) = unread_stream.rest().await;
    assert_eq!(end, Chunk::CutOff);
    assert!(!text.contains("complete"));
    server.stop().await;
}

/// The system has taken all that was written, so only it can see that no byte is acknowledged. A peer that is
/// gone without a close frame looks the same.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn client_acknowledging_no_bytes_is_dropped_even_when_idle() {
    let server =
        TestServer::start_with(&["--http-write-timeout=500ms", "--ws-write-timeout=500ms"]).await;
    let unread_stream = unread_stream(&server).await;
    server.wait_for_members(1, 1).await;
    for _ in 0..3 {
        server.reader("ada").comment(&"x".repeat(10_000)).await;
    }
    server.wait_for_members(0, 0).await;
    unread_stream.vanish();
    server.stop().await;
}

#[tokio::test]
async fn token_expiry_cuts_the_stream_off_so_clients_reconnect() {
    let server = TestServer::start_with(&["--jwt-leeway=0s"]).await;
    let token = token_for("ada", BRIEFLY);
    let request = Request::post(VIEWERS, json!({})).with_token(&token);
    let mut stream = open(&server, request).await;
    assert_eq!(stream.event_data().await, json!({"viewerCount": 1}));
    assert_eq!(stream.rest().await, (String::new(), Chunk::CutOff));
    server.stop().await;
}

#[tokio::test]
async fn shutdown_cuts_streams_off_so_clients_reconnect() {
    let server = TestServer::start_with(&["--grace-period=1s"]).await;
    let mut stream = subscribe(&server, VIEWERS).await;
    assert_eq!(stream.event_data().await, json!({"viewerCount": 1}));
    // This stream has more pending than it can take, which does not keep it in its room.
    let unread_stream = unread_stream(&server).await;
    server.wait_for_members(1, 2).await;
    for _ in 0..60 {
        server.reader("ada").comment(&"x".repeat(10_000)).await;
    }
    let (_, (text, end)) = tokio::join!(server.shut_down(), stream.rest());
    // The count without the other reader may still have been sent.
    assert!(!text.contains("complete"), "{text}");
    assert_eq!(end, Chunk::CutOff);
    drop(unread_stream);
}
