//! Results as parts of one response: each test is a sentence of Apollo's multipart protocol.

use serde_json::{Value, json};

use crate::support::{BRIEFLY, Chunk, Request, Streaming, TestServer, token_for};

/// The header as Apollo Client sends it.
const APOLLO: &str = "multipart/mixed;boundary=graphql;subscriptionSpec=1.0,\
                      application/graphql-response+json,application/json;q=0.9";
const VIEWERS: &str = "subscription { viewerCount(postId: \"hello\") }";
const ADDED: &str = "subscription { commentAdded(postId: \"hello\") { body } }";

async fn subscribe(server: &TestServer, query: &str) -> Streaming {
    let request = Request::post(query, json!({})).accepting(APOLLO);
    Streaming::open(server.address(), &request).await
}

fn added(body: &str) -> Value {
    json!({"commentAdded": {"body": body}})
}

/// Reads the protocol's own error, asserts that it ends the response, and returns its code.
async fn final_error_code(stream: &mut Streaming) -> Value {
    let last = stream.part().await;
    assert_eq!(last["payload"], Value::Null);
    assert_eq!(stream.rest().await, ("--\r\n".to_owned(), Chunk::Last));
    last["errors"][0]["extensions"]["code"].clone()
}

#[tokio::test]
async fn event_part_arrives_together_with_its_closing_delimiter() {
    let server = TestServer::start().await;
    let mut stream = subscribe(&server, ADDED).await;
    assert_eq!(stream.status(), 200);
    let headers = ["content-type", "cache-control", "x-accel-buffering"];
    assert_eq!(
        headers.map(|name| stream.header(name)),
        [
            Some("multipart/mixed;boundary=\"graphql\";subscriptionSpec=1.0"),
            Some("no-cache, no-transform"),
            Some("no")
        ]
    );
    assert_eq!(
        stream.chunk().await,
        Chunk::Text("\r\n--graphql".to_owned())
    );
    server.wait_for_members(1, 1).await;
    for body in ["one", "two"] {
        server.reader("ada").comment(body).await;
        let payload = json!({"payload": {"data": added(body)}});
        let part = format!("\r\nContent-Type: application/json\r\n\r\n{payload}\r\n--graphql");
        // The next comment does not exist yet.
        assert_eq!(stream.chunk().await, Chunk::Text(part));
    }
    stream.vanish();
    server.stop().await;
}

#[tokio::test]
async fn multipart_accept_header_is_read_in_every_client_spelling() {
    let server = TestServer::start().await;
    for accept in [
        "multipart/mixed",
        "multipart/mixed;subscriptionSpec=1.0",
        "multipart/mixed;subscriptionSpec=\"1.0\", application/json",
        "multipart/mixed;boundary=\"graphql\";subscriptionSpec=\"1.0\"",
        "multipart/mixed; boundary=graphql; subscriptionSpec=1.0",
        APOLLO,
    ] {
        for request in [
            Request::post(VIEWERS, json!({})),
            Request::get(&[("query", VIEWERS)]),
        ] {
            let request = request.accepting(accept);
            let mut stream = Streaming::open(server.address(), &request).await;
            assert_eq!(stream.status(), 200, "{accept}");
            assert_eq!(stream.part_data().await, json!({"viewerCount": 1}));
            stream.vanish();
            server.wait_for_members(0, 0).await;
        }
    }
    for accept in [
        "multipart/mixed;subscriptionSpec=2.0",
        "multipart/mixed;deferSpec=20220824",
    ] {
        let client = server.client().accepting(accept);
        let reply = client.try_send(VIEWERS, json!({})).await;
        assert_eq!(reply.status.as_u16(), 406, "{accept}");
    }
    server.stop().await;
}

#[tokio::test]
async fn idle_response_sends_empty_objects_as_heartbeats() {
    let server = TestServer::start_with(&["--stream-keep-alive=20ms"]).await;
    let mut stream = subscribe(&server, ADDED).await;
    stream.chunk().await;
    for _ in 0..3 {
        let heartbeat = "\r\nContent-Type: application/json\r\n\r\n{}\r\n--graphql";
        assert_eq!(stream.chunk().await, Chunk::Text(heartbeat.to_owned()));
    }
    server.reader("ada").comment("b").await;
    assert_eq!(stream.part_data().await, added("b"));
    stream.vanish();
    server.stop().await;
}

#[tokio::test]
async fn operation_errors_are_in_the_payload_of_the_last_part() {
    let server = TestServer::start().await;
    for (query, code) in [
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("subscription { nothing }", "GRAPHQL_VALIDATION_FAILED"),
        (
            "subscription { viewerCount(postId: \"none\") }",
            "NOT_FOUND",
        ),
    ] {
        let mut stream = subscribe(&server, query).await;
        let part = stream.part().await;
        assert_eq!(part.get("errors"), None, "they are none of the protocol's");
        let payload = &part["payload"];
        assert_eq!(payload["errors"][0]["extensions"]["code"], json!(code));
        assert_eq!(stream.rest().await, ("--\r\n".to_owned(), Chunk::Last));
    }
    server.stop().await;
}

#[tokio::test]
async fn query_is_one_part_if_only_multipart_is_accepted() {
    let server = TestServer::start().await;
    let request = Request::post("{ me { id } }", json!({})).accepting("multipart/mixed");
    let mut stream = Streaming::open(server.address(), &request).await;
    assert_eq!(stream.part_data().await, json!({"me": null}));
    assert_eq!(stream.rest().await, ("--\r\n".to_owned(), Chunk::Last));
    server.stop().await;
}

#[tokio::test]
async fn lost_client_leaves_its_room() {
    let server = TestServer::start().await;
    let mut first = subscribe(&server, VIEWERS).await;
    assert_eq!(first.part_data().await, json!({"viewerCount": 1}));
    let second = subscribe(&server, VIEWERS).await;
    assert_eq!(first.part_data().await, json!({"viewerCount": 2}));
    second.vanish();
    assert_eq!(first.part_data().await, json!({"viewerCount": 1}));
    first.vanish();
    server.stop().await;
}

#[tokio::test]
async fn token_expiry_ends_the_response_with_a_protocol_error() {
    let server = TestServer::start_with(&["--jwt-leeway=0s"]).await;
    let token = token_for("ada", BRIEFLY);
    let request = Request::post(VIEWERS, json!({})).with_token(&token);
    let mut stream = Streaming::open(server.address(), &request.accepting(APOLLO)).await;
    assert_eq!(stream.part_data().await, json!({"viewerCount": 1}));
    assert_eq!(
        final_error_code(&mut stream).await,
        json!("UNAUTHENTICATED")
    );
    server.stop().await;
}

#[tokio::test]
async fn shutdown_ends_the_response_with_a_protocol_error() {
    let server = TestServer::start().await;
    let mut stream = subscribe(&server, VIEWERS).await;
    assert_eq!(stream.part_data().await, json!({"viewerCount": 1}));
    let (_, code) = tokio::join!(server.shut_down(), final_error_code(&mut stream));
    assert_eq!(code, json!("SERVICE_RESTART"));
}
