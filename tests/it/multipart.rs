//! Results as parts of one response: a sentence of Apollo's multipart protocol a test.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Chunk, Request, Streaming, TestServer, token_for};

/// As Apollo Client sends it.
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

/// The code of the protocol's own error, with which the response then ends.
async fn farewell(stream: &mut Streaming) -> Value {
    let last = stream.part().await;
    assert_eq!(last["payload"], Value::Null);
    assert_eq!(stream.rest().await, ("--\r\n".to_owned(), Chunk::Last));
    last["errors"][0]["extensions"]["code"].clone()
}

#[tokio::test]
async fn an_event_is_a_part_that_arrives_together_with_the_delimiter_behind_it() {
    let server = TestServer::start().await;
    let mut stream = subscribe(&server, ADDED).await;
    assert_eq!(stream.status(), 200);
    let headers = ["content-type", "cache-control", "x-accel-buffering"];
    assert_eq!(
        headers.map(|name| stream.header(name)),
        [
            Some("multipart/mixed;boundary=\"graphql\";subscriptionSpec=1.0"),
            Some("no-cache"),
            Some("no")
        ]
    );
    assert_eq!(
        stream.chunk().await,
        Chunk::Text("\r\n--graphql".to_owned())
    );
    server.until_census(1, 1).await;
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
async fn it_may_be_asked_for_in_any_of_the_ways_in_which_clients_write_it() {
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
            server.until_census(0, 0).await;
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
async fn a_response_that_has_nothing_to_say_has_parts_that_are_empty_objects() {
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
async fn errors_of_the_operation_are_in_the_payload_and_the_last_delimiter_follows() {
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
async fn a_query_is_one_part_for_a_client_that_takes_nothing_else() {
    let server = TestServer::start().await;
    let request = Request::post("{ me { id } }", json!({})).accepting("multipart/mixed");
    let mut stream = Streaming::open(server.address(), &request).await;
    assert_eq!(stream.part_data().await, json!({"me": null}));
    assert_eq!(stream.rest().await, ("--\r\n".to_owned(), Chunk::Last));
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_vanishes_leaves_its_room() {
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
async fn a_response_ends_with_its_token_and_says_so_as_an_error_of_the_protocol() {
    let server = TestServer::start_with(&["--jwt-leeway=0s"]).await;
    let token = token_for("ada", Duration::from_secs(2));
    let request = Request::post(VIEWERS, json!({})).with_token(&token);
    let mut stream = Streaming::open(server.address(), &request.accepting(APOLLO)).await;
    assert_eq!(stream.part_data().await, json!({"viewerCount": 1}));
    assert_eq!(farewell(&mut stream).await, json!("UNAUTHENTICATED"));
    server.stop().await;
}

#[tokio::test]
async fn responses_end_when_the_server_goes_down_and_say_so_as_an_error_of_the_protocol() {
    let server = TestServer::start().await;
    let mut stream = subscribe(&server, VIEWERS).await;
    assert_eq!(stream.part_data().await, json!({"viewerCount": 1}));
    let (_, code) = tokio::join!(server.shut_down(), farewell(&mut stream));
    assert_eq!(code, json!("SERVICE_RESTART"));
}
