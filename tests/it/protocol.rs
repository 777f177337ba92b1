//! graphql-transport-ws, one rule a test. The rules are those of graphql-ws's PROTOCOL.md, and each test
//! names its section. What the protocol leaves to a server is at the end.

use std::time::Duration;

use causerie::{
    auth::{Authenticator, Principal},
    config::Secret,
    model::{Role, Timestamp, User, UserId},
};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::{CloseFrame, frame::coding::CloseCode},
};

use crate::support::{BRIEFLY, Frame, Socket, TestServer, token, token_for};

const ME: &str = "{ me { id } }";
const ADDED: &str = "subscription { commentAdded(postId: \"hello\") { body } }";
const VIEWERS: &str = "subscription { viewerCount(postId: \"hello\") }";
const COMMENT: &str = "mutation($body: String!) { createComment(input: { postId: \"hello\", body: $body }) { comment { body } } }";

fn subscribe(id: &str, query: &str) -> Value {
    json!({"id": id, "type": "subscribe", "payload": {"query": query}})
}

fn comment(id: &str, body: &str) -> Value {
    let payload = json!({"query": COMMENT, "variables": {"body": body}});
    json!({"id": id, "type": "subscribe", "payload": payload})
}

fn complete(id: &str) -> Value {
    json!({"id": id, "type": "complete"})
}

fn next(id: &str, data: &Value) -> Value {
    json!({"id": id, "type": "next", "payload": {"data": data}})
}

fn added(id: &str, body: &str) -> Value {
    next(id, &json!({"commentAdded": {"body": body}}))
}

/// Reads the next message, which must be an `error` of this id, and returns the code of its one error.
async fn error_code(socket: &mut Socket, id: &str) -> Value {
    let message = socket.message().await;
    assert_eq!(
        (&message["type"], &message["id"]),
        (&json!("error"), &json!(id)),
        "{message}"
    );
    let errors = message["payload"].as_array().expect("a list of errors");
    assert_eq!(errors.len(), 1, "{message}");
    assert!(errors[0]["message"].is_string(), "{message}");
    errors[0]["extensions"]["code"].clone()
}

/// Queries the client's user by an operation that is over afterwards.
async fn me(socket: &mut Socket) -> Value {
    socket.send(subscribe("me", ME)).await;
    let data = socket.data("me").await;
    assert_eq!(socket.message().await, complete("me"));
    data["me"]["id"].clone()
}

/// Opens a socket that is in the room of `hello`.
async fn reading(server: &TestServer, id: &str) -> Socket {
    let mut socket = server.socket().await;
    socket.send(subscribe(id, ADDED)).await;
    server.wait_for_members(1, 1).await;
    socket
}

// Communication

/// Communication, and the example of a successful initialisation.
#[tokio::test]
async fn subprotocol_is_graphql_transport_ws() {
    let server = TestServer::start().await;
    for offer in ["graphql-transport-ws", "graphql-ws, graphql-transport-ws"] {
        let mut socket = Socket::connect_with(server.address(), Some(offer)).await;
        assert_eq!(socket.subprotocol(), Some("graphql-transport-ws"));
        socket.init(json!({})).await;
        socket.close().await;
    }
    server.stop().await;
}

/// Communication.
#[tokio::test]
async fn other_or_missing_subprotocol_closes_4406() {
    let server = TestServer::start().await;
    for offer in [None, Some("graphql-ws"), Some("graphql-transport-ws2")] {
        let mut socket = Socket::connect_with(server.address(), offer).await;
        assert_eq!(socket.subprotocol(), None);
        let expected = (4406, "Subprotocol not acceptable".to_owned());
        assert_eq!(socket.closed().await, expected, "{offer:?}");
        socket.vanish();
    }
    server.stop().await;
}

/// Communication.
#[tokio::test]
async fn operations_with_different_ids_run_concurrently() {
    let server = TestServer::start().await;
    let mut socket = reading(&server, "first").await;
    socket.send(subscribe("second", ADDED)).await;
    socket.send(subscribe("viewers", VIEWERS)).await;
    assert_eq!(
        socket.data("viewers").await,
        json!({"viewerCount": 1}),
        "two streams of a client are one member"
    );
    assert_eq!(me(&mut socket).await, Value::Null);

    server.reader("ada").comment("hi").await;
    let mut both = [socket.message().await, socket.message().await];
    both.sort_by_key(|message| message["id"].to_string());
    assert_eq!(both, [added("first", "hi"), added("second", "hi")]);

    socket.complete("first").await;
    server.reader("ada").comment("again").await;
    assert_eq!(socket.message().await, added("second", "again"));
    socket.close().await;
    server.stop().await;
}

/// Communication.
#[tokio::test]
async fn close_1000_by_the_client_ends_the_connection() {
    let server = TestServer::start().await;
    let mut socket = reading(&server, "c").await;
    let frame = CloseFrame {
        code: CloseCode::Normal,
        reason: "Normal Closure".into(),
    };
    socket.send_frame(Message::Close(Some(frame))).await;
    assert_eq!(socket.closed().await, (1000, "Normal Closure".to_owned()));
    server.wait_for_members(0, 0).await;
    assert!(matches!(socket.next().await, Frame::End));
    server.stop().await;
}

// ConnectionInit

/// ConnectionInit, and the example of an initialisation timeout.
#[tokio::test]
async fn missing_initialisation_closes_4408() {
    let server = TestServer::start_with(&["--ws-init-timeout=2s"]).await;
    let mut initialised = server.socket().await;
    let mut late = server.connect().await;
    assert!(
        late.settle().await.is_empty(),
        "a ping is no initialisation"
    );
    assert_eq!(
        late.closed().await,
        (4408, "Connection initialisation timeout".to_owned())
    );
    // This socket's timeout would have ended before.
    assert!(initialised.settle().await.is_empty());
    late.vanish();
    initialised.close().await;
    server.stop().await;
}

/// ConnectionInit.
#[tokio::test]
async fn second_initialisation_closes_4429() {
    let server = TestServer::start().await;
    let init = json!({"type": "connection_init"});
    let expected = (4429, "Too many initialisation requests".to_owned());

    let mut acknowledged = server.socket().await;
    acknowledged.send(init.clone()).await;
    assert_eq!(acknowledged.closed().await, expected);

    let mut hasty = server.connect().await;
    hasty.send_together([init.clone(), init]).await;
    assert_eq!(hasty.closed().await, expected);

    acknowledged.vanish();
    hasty.vanish();
    server.stop().await;
}

/// ConnectionInit: the payload is an object, null or absent; ConnectionAck: the answer.
#[tokio::test]
async fn initialisation_without_payload_is_acknowledged() {
    let server = TestServer::start().await;
    for init in [
        json!({"type": "connection_init"}),
        json!({"type": "connection_init", "payload": null}),
        json!({"type": "connection_init", "payload": {}}),
        json!({"type": "connection_init", "payload": {"locale": "fr", "clientId": null, "authorization": null}}),
    ] {
        let mut socket = server.connect().await;
        socket.send(init).await;
        assert_eq!(socket.message().await, json!({"type": "connection_ack"}));
        assert_eq!(me(&mut socket).await, Value::Null);
        socket.close().await;
    }
    server.stop().await;
}

/// ConnectionInit: a rejected connection is closed with 4403.
#[tokio::test]
async fn forged_expired_unsigned_or_malformed_token_closes_4403() {
    let server = TestServer::start_with(&["--jwt-leeway=0s"]).await;
    let identity = Principal {
        user: User {
            id: UserId::parse("ada").expect("a user id"),
            name: "Ada".into(),
            avatar: None,
            role: Role::Moderator,
        },
        issued_at: None,
        expires_at: Timestamp::now().plus(Duration::from_secs(3600)),
    };
    let forged = Authenticator::with_secret(&Secret::new("another secret"))
        .sign(&identity)
        .expect("a token");
    // The good claims under {"alg":"none","typ":"JWT"}, without and with the good signature.
    let good = token("ada", "Ada", Role::Moderator);
    let (_, claims_and_signature) = good.split_once('.').expect("a token");
    let (claims, _) = claims_and_signature.split_once('.').expect("a token");
    let none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0";
    for refused in [
        forged,
        token_for("ada", Duration::ZERO),
        format!("{none}.{claims}."),
        format!("{none}.{claims_and_signature}"),
        "nonsense".to_owned(),
        "null".to_owned(),
        String::new(),
    ] {
        let mut socket = server.connect().await;
        let payload = json!({"authorization": format!("Bearer {refused}")});
        socket
            .send_together([
                json!({"type": "connection_init", "payload": payload}),
                subscribe("1", ME),
            ])
            .await;
        match socket.next().await {
            Frame::Close(4403, reason) => assert!(!reason.contains(&claims[..8]), "{reason}"),
            other => panic!("{refused:?}: {other:?}"),
        }
        socket.vanish();
    }
    server.stop().await;
}

/// ConnectionInit: the payload's members on this server.
#[tokio::test]
async fn authorization_key_ignores_case_and_bearer_is_optional() {
    let server = TestServer::start().await;
    let token = token("ada", "Ada", Role::Reader);
    for name in ["authorization", "Authorization", "AUTHORIZATION"] {
        for scheme in ["", "Bearer ", "bearer "] {
            let mut socket = server.connect().await;
            socket.init(json!({name: format!("{scheme}{token}")})).await;
            assert_eq!(me(&mut socket).await, json!("ada"), "{name}: {scheme}");
            socket.close().await;
        }
    }
    for blank in ["", " "] {
        let mut socket = server.connect().await;
        socket.init(json!({"authorization": blank})).await;
        assert_eq!(me(&mut socket).await, json!(null), "{blank:?}");
        socket.close().await;
    }
    server.stop().await;
}

/// ConnectionInit: the payload's members on this server.
#[tokio::test]
async fn client_id_names_the_same_client_as_over_http() {
    let server = TestServer::start().await;
    for name in ["a", "Tab_1.b-2", &"x".repeat(64)] {
        let mut socket = server.connect().await;
        socket.init(json!({"clientId": name})).await;
        socket.send(subscribe("c", ADDED)).await;
        server.wait_for_members(1, 1).await;
        server.reader("ada").named(name).comment("my own").await;
        server.reader("ada").named("other").comment("another").await;
        assert_eq!(socket.message().await, added("c", "another"), "{name}");
        socket.close().await;
        server.wait_for_members(0, 0).await;
    }
    server.stop().await;
}

#[tokio::test]
async fn operation_must_name_the_client_as_its_socket_does() {
    let server = TestServer::start().await;
    let query = |id: &str, client: &str| {
        let payload = json!({"query": "{ me { id } }", "extensions": {"clientId": client}});
        json!({"type": "subscribe", "id": id, "payload": payload})
    };
    let (mut named, mut unnamed) = (server.connect().await, server.connect().await);
    named.init(json!({"clientId": "tab-1"})).await;
    unnamed.init(json!({})).await;
    named.send(query("same", "tab-1")).await;
    assert_eq!(named.message().await["type"], json!("next"));
    assert_eq!(named.message().await["type"], json!("complete"));
    for (socket, client) in [(&mut named, "tab-2"), (&mut unnamed, "tab-1")] {
        socket.send(query("other", client)).await;
        let refused = socket.message().await;
        assert_eq!(refused["type"], json!("error"), "{refused}");
        let extensions = json!({"code": "BAD_USER_INPUT", "field": "clientId"});
        assert_eq!(refused["payload"][0]["extensions"], extensions);
    }
    named.close().await;
    unnamed.close().await;
    server.stop().await;
}

/// ConnectionInit: the payload's members on this server.
#[tokio::test]
async fn malformed_client_id_or_token_closes_4400() {
    let server = TestServer::start().await;
    for payload in [
        json!({"clientId": ""}),
        json!({"clientId": "a b"}),
        json!({"clientId": "é"}),
        json!({"clientId": "x".repeat(65)}),
        json!({"clientId": 7}),
        json!({"authorization": ["Bearer"]}),
    ] {
        let mut socket = server.connect().await;
        socket
            .send(json!({"type": "connection_init", "payload": payload}))
            .await;
        assert_eq!(socket.closed().await.0, 4400, "{payload}");
        socket.vanish();
    }
    server.stop().await;
}

// Ping and Pong

/// Ping: at any time within the socket, so before the acknowledgement too.
#[tokio::test]
async fn ping_is_answered_with_its_payload_at_any_time() {
    let server = TestServer::start().await;
    let mut socket = server.connect().await;
    for is_acknowledged in [false, true] {
        if is_acknowledged {
            socket.init(json!({})).await;
        }
        for (ping, pong) in [
            (json!({"type": "ping"}), json!({"type": "pong"})),
            (
                json!({"type": "ping", "payload": null}),
                json!({"type": "pong"}),
            ),
            (
                json!({"type": "ping", "payload": {}}),
                json!({"type": "pong", "payload": {}}),
            ),
            (
                json!({"type": "ping", "payload": {"at": [1, "é", null]}}),
                json!({"type": "pong", "payload": {"at": [1, "é", null]}}),
            ),
        ] {
            socket.send(ping).await;
            assert_eq!(socket.message().await, pong);
        }
    }
    socket.close().await;
    server.stop().await;
}

/// Pong: it may come unsolicited, as a heartbeat in one direction.
#[tokio::test]
async fn unsolicited_pong_is_ignored_at_any_time() {
    let server = TestServer::start().await;
    let mut socket = server.connect().await;
    for is_acknowledged in [false, true] {
        if is_acknowledged {
            socket.init(json!({})).await;
        }
        socket.send(json!({"type": "pong"})).await;
        socket
            .send(json!({"type": "pong", "payload": {"beat": 1}}))
            .await;
        assert!(socket.settle().await.is_empty());
    }
    socket.close().await;
    server.stop().await;
}

// Subscribe

/// Subscribe: only after the acknowledgement.
#[tokio::test]
async fn operation_before_acknowledgement_closes_4401() {
    let server = TestServer::start().await;
    for query in [ME, ADDED, COMMENT] {
        let mut socket = server.connect().await;
        socket.send(subscribe("1", query)).await;
        assert_eq!(socket.closed().await, (4401, "Unauthorized".to_owned()));
        socket.vanish();
    }
    server.stop().await;
}

/// Subscribe: an id that is active, regardless of the operation's type.
#[tokio::test]
async fn active_id_closes_4409_whatever_the_operation() {
    let server = TestServer::start().await;
    for query in [ADDED, ME, COMMENT, "not GraphQL"] {
        let mut socket = reading(&server, "taken").await;
        socket.send(subscribe("taken", query)).await;
        assert_eq!(
            socket.closed().await,
            (4409, "Subscriber for taken already exists".to_owned())
        );
        server.wait_for_members(0, 0).await;
        socket.vanish();
    }
    server.stop().await;
}

/// Subscribe: an id is taken while its operation is active, and can be used again afterwards.
#[tokio::test]
async fn id_is_reusable_once_its_operation_ended() {
    let server = TestServer::start().await;
    let mut socket = server.socket().await;
    for _ in 0..3 {
        // Ended by itself,
        socket.send(subscribe("1", ME)).await;
        assert_eq!(socket.data("1").await, json!({"me": null}));
        assert_eq!(socket.message().await, complete("1"));
        // by an error before and an error in the execution,
        socket.send(subscribe("1", "{")).await;
        error_code(&mut socket, "1").await;
        socket
            .send(subscribe(
                "1",
                "subscription { typing(postId: \"no\") { isTyping } }",
            ))
            .await;
        error_code(&mut socket, "1").await;
        // and by the client, in one batch with its next use.
        socket
            .send_together([
                subscribe("1", VIEWERS),
                complete("1"),
                subscribe("1", VIEWERS),
            ])
            .await;
        assert_eq!(socket.data("1").await, json!({"viewerCount": 1}));
        socket.complete("1").await;
    }
    socket.close().await;
    server.stop().await;
}

/// Subscribe: the members of its payload.
#[tokio::test]
async fn payload_may_hold_operation_name_variables_and_extensions() {
    let server = TestServer::start().await;
    let mut socket = server.socket().await;
    let query = "query A { me { id } } query B($id: ID!) { post(id: $id) { id } }";
    for (payload, data) in [
        (json!({"query": ME}), json!({"me": null})),
        (
            json!({"query": ME, "operationName": null, "variables": null, "extensions": null}),
            json!({"me": null}),
        ),
        (
            json!({"query": query, "operationName": "B", "variables": {"id": "hello"}, "extensions": {"any": 1}}),
            json!({"post": {"id": "hello"}}),
        ),
    ] {
        socket
            .send(json!({"id": "1", "type": "subscribe", "payload": payload}))
            .await;
        assert_eq!(socket.message().await, next("1", &data));
        assert_eq!(socket.message().await, complete("1"));
    }
    socket.close().await;
    server.stop().await;
}

// Next

/// Next, and the example of a single result operation.
#[tokio::test]
async fn query_or_mutation_is_one_next_then_complete() {
    let server = TestServer::start().await;
    let mut socket = server.reader_socket("ada").await;
    for (message, data) in [
        (subscribe("q", ME), json!({"me": {"id": "ada"}})),
        (
            comment("m", "hi"),
            json!({"createComment": {"comment": {"body": "hi"}}}),
        ),
    ] {
        let id = message["id"].as_str().expect("an id").to_owned();
        socket.send(message).await;
        assert_eq!(socket.message().await, next(&id, &data));
        assert_eq!(socket.message().await, complete(&id));
        assert!(socket.settle().await.is_empty());
    }
    socket.close().await;
    server.stop().await;
}

/// Next, and the example of a streaming operation.
#[tokio::test]
async fn subscription_is_one_next_for_each_event() {
    let server = TestServer::start().await;
    let mut socket = reading(&server, "c").await;
    let ada = server.reader("ada");
    for body in ["one", "two", "three"] {
        assert!(socket.settle().await.is_empty());
        ada.comment(body).await;
        assert_eq!(socket.message().await, added("c", body));
    }
    socket.close().await;
    server.stop().await;
}

/// Next: its payload is an execution result, so it contains the errors of the execution.
#[tokio::test]
async fn field_errors_come_in_the_result_and_complete_follows() {
    let server = TestServer::start().await;
    let mut socket = server.socket().await;
    socket.send(comment("m", "from nobody")).await;
    let message = socket.message().await;
    assert_eq!(message["type"], json!("next"));
    let payload = &message["payload"];
    assert_eq!(payload["data"], Value::Null);
    let error = &payload["errors"][0];
    assert_eq!(error["path"], json!(["createComment"]));
    assert_eq!(error["extensions"]["code"], json!("UNAUTHENTICATED"));
    assert_eq!(socket.message().await, complete("m"));
    socket.close().await;
    server.stop().await;
}

// Error

/// Error: before the execution; it ends the operation, and no `complete` follows.
#[tokio::test]
async fn invalid_operation_is_one_error_and_nothing_more() {
    let server = TestServer::start().await;
    let mut socket = server.socket().await;
    for (payload, code) in [
        (json!({"query": "{ me { id }"}), "GRAPHQL_PARSE_FAILED"),
        (json!({"query": ""}), "GRAPHQL_PARSE_FAILED"),
        (json!({"query": "{ nothing }"}), "GRAPHQL_VALIDATION_FAILED"),
        (
            json!({"query": ME, "operationName": "Other"}),
            "GRAPHQL_VALIDATION_FAILED",
        ),
        (
            json!({"query": "mutation { nothing }"}),
            "GRAPHQL_VALIDATION_FAILED",
        ),
        (
            json!({"query": "subscription { nothing }"}),
            "GRAPHQL_VALIDATION_FAILED",
        ),
        (
            json!({"query": "subscription { a: viewerCount(postId: \"hello\") b: viewerCount(postId: \"hello\") }"}),
            "GRAPHQL_VALIDATION_FAILED",
        ),
    ] {
        socket
            .send(json!({"id": "1", "type": "subscribe", "payload": payload}))
            .await;
        assert_eq!(error_code(&mut socket, "1").await, json!(code), "{payload}");
        assert!(socket.settle().await.is_empty(), "{payload}");
    }
    assert_eq!(server.observer().rooms().members, 0);
    socket.close().await;
    server.stop().await;
}

/// Error: during the execution, if a subscription's stream cannot be created.
#[tokio::test]
async fn subscription_that_cannot_start_is_one_error_and_others_go_on() {
    let server = TestServer::start().await;
    let mut socket = reading(&server, "c").await;
    for (query, code) in [
        ("subscription { viewerCount(postId: \"no\") }", "NOT_FOUND"),
        (
            "subscription { commentAdded(postId: \"no\") { id } }",
            "NOT_FOUND",
        ),
        (
            "subscription { typing(postId: \"no\") { isTyping } }",
            "NOT_FOUND",
        ),
        (
            "subscription { commentChanged(postId: \"hello\", after: \"never\") { kind } }",
            "BAD_USER_INPUT",
        ),
    ] {
        socket.send(subscribe("1", query)).await;
        assert_eq!(error_code(&mut socket, "1").await, json!(code), "{query}");
        assert!(socket.settle().await.is_empty(), "{query}");
    }
    server.reader("ada").comment("hi").await;
    assert_eq!(socket.message().await, added("c", "hi"));
    socket.close().await;
    server.stop().await;
}

// Complete

/// Complete, from the client: no further events are sent, nor is the message itself.
#[tokio::test]
async fn clients_complete_ends_its_stream_at_once_without_an_echo() {
    let server = TestServer::start().await;
    let mut socket = reading(&server, "c").await;
    socket.complete("c").await;
    assert!(socket.settle().await.is_empty());
    assert_eq!(
        server.observer().rooms().members,
        0,
        "what was read before the ping has been done before the pong"
    );
    server.reader("ada").comment("too late").await;
    assert!(socket.settle().await.is_empty());
    socket.close().await;
    server.stop().await;
}

/// Complete, from the client: also before the result of a single result operation is available.
#[tokio::test]
async fn result_of_a_completed_operation_is_not_sent() {
    let server = TestServer::start().await;
    let mut socket = server.reader_socket("ada").await;
    for message in [
        subscribe("1", ME),
        subscribe("1", "{"),
        subscribe("1", VIEWERS),
        comment("1", "hi"),
    ] {
        let is_refused = message["payload"]["query"] == json!("{");
        socket.send_together([message, complete("1")]).await;
        if is_refused {
            error_code(&mut socket, "1").await;
        }
        assert!(socket.settle().await.is_empty());
    }
    assert_eq!(me(&mut socket).await, json!("ada"));
    socket.close().await;
    server.stop().await;
}

/// Complete: either side may send it although the other considers the operation over.
#[tokio::test]
async fn complete_of_an_ended_or_unknown_operation_is_ignored() {
    let server = TestServer::start().await;
    let mut socket = server.connect().await;
    socket.complete("never").await;
    socket.init(json!({})).await;
    socket.complete("never").await;
    for query in [ME, "{"] {
        socket.send(subscribe("1", query)).await;
        socket.message().await;
        // The first one crosses the server's own `complete`, if there is one.
        socket.send_together([complete("1"), complete("1")]).await;
        let between = socket.settle().await;
        assert!(between.is_empty() || between == [complete("1")]);
    }
    assert_eq!(me(&mut socket).await, Value::Null);
    socket.close().await;
    server.stop().await;
}

// Invalid message

/// Invalid message: of a type or format that is not specified.
#[tokio::test]
async fn malformed_message_closes_4400_at_once() {
    let server = TestServer::start().await;
    let subscribe =
        |payload: &str| format!(r#"{{"id":"1","type":"subscribe","payload":{payload}}}"#);
    for text in [
        "".to_owned(),
        "nonsense".to_owned(),
        "\"ping\"".to_owned(),
        "null".to_owned(),
        "{}".to_owned(),
        r#"{"type":null}"#.to_owned(),
        r#"{"type":1}"#.to_owned(),
        r#"{"type":"Ping"}"#.to_owned(),
        r#"{"type":"start","id":"1","payload":{"query":"{me{id}}"}}"#.to_owned(),
        r#"{"type":"ping"} {"type":"ping"}"#.to_owned(),
        // Lists are not objects, though a parser may accept them as such.
        r#"["ping"]"#.to_owned(),
        r#"["subscribe","1",{"query":"{me{id}}"}]"#.to_owned(),
        subscribe(r#"["{me{id}}",null,null,null]"#),
        // Messages that only a server sends.
        r#"{"type":"connection_ack"}"#.to_owned(),
        r#"{"type":"next","id":"1","payload":{}}"#.to_owned(),
        r#"{"type":"error","id":"1","payload":[]}"#.to_owned(),
        // The id is a non-empty string.
        r#"{"type":"subscribe","payload":{"query":"{me{id}}"}}"#.to_owned(),
        r#"{"type":"subscribe","id":null,"payload":{"query":"{me{id}}"}}"#.to_owned(),
        r#"{"type":"subscribe","id":1,"payload":{"query":"{me{id}}"}}"#.to_owned(),
        r#"{"type":"subscribe","id":"","payload":{"query":"{me{id}}"}}"#.to_owned(),
        r#"{"type":"complete"}"#.to_owned(),
        r#"{"type":"complete","id":""}"#.to_owned(),
        r#"{"type":"complete","id":1}"#.to_owned(),
        // The payload has its members, of their types.
        r#"{"type":"subscribe","id":"1"}"#.to_owned(),
        subscribe("null"),
        subscribe("\"{me{id}}\""),
        subscribe("{}"),
        subscribe(r#"{"query":null}"#),
        subscribe(r#"{"query":1}"#),
        subscribe(r#"{"query":"{me{id}}","operationName":1}"#),
        subscribe(r#"{"query":"{me{id}}","variables":[]}"#),
        subscribe(r#"{"query":"{me{id}}","variables":"{}"}"#),
        subscribe(r#"{"query":"{me{id}}","extensions":[]}"#),
        r#"{"type":"ping","payload":"text"}"#.to_owned(),
        r#"{"type":"ping","payload":[]}"#.to_owned(),
        r#"{"type":"pong","payload":1}"#.to_owned(),
        r#"{"type":"connection_init","payload":"text"}"#.to_owned(),
        r#"{"type":"connection_init","payload":[]}"#.to_owned(),
    ] {
        let mut socket = server.connect().await;
        if !text.contains("connection_init") {
            socket.init(json!({})).await;
        }
        socket.send_frame(Message::text(text.as_str())).await;
        match socket.next().await {
            Frame::Close(4400, reason) => assert!(!reason.is_empty(), "{text}"),
            other => panic!("{text}: {other:?}"),
        }
        socket.vanish();
    }
    server.stop().await;
}

/// Invalid message; Communication: messages are JSON as text.
#[tokio::test]
async fn binary_message_closes_4400_at_once() {
    let server = TestServer::start().await;
    for bytes in [r#"{"type":"ping"}"#.as_bytes(), b"", b"\xff"] {
        let mut socket = server.socket().await;
        socket.send_frame(Message::binary(bytes)).await;
        assert!(matches!(socket.next().await, Frame::Close(4400, _)));
        socket.vanish();
    }
    server.stop().await;
}

/// Invalid message: the socket is closed at once, whatever its operations.
#[tokio::test]
async fn invalid_message_ends_every_operation_of_its_connection() {
    let server = TestServer::start().await;
    let mut socket = reading(&server, "c").await;
    socket.send(json!({"type": "hello"})).await;
    assert!(matches!(socket.next().await, Frame::Close(4400, _)));
    server.wait_for_members(0, 0).await;
    socket.vanish();
    server.stop().await;
}

/// Each message of an operation repeats its id.
#[tokio::test]
async fn operation_id_beyond_128_bytes_closes_4400() {
    let server = TestServer::start().await;
    let mut socket = server.socket().await;
    let longest = "é".repeat(64);
    socket
        .subscribe(&longest, "query { __typename }", json!({}))
        .await;
    assert_eq!(socket.data(&longest).await, json!({"__typename": "Query"}));
    let longer = longest + "x";
    socket
        .subscribe(&longer, "query { __typename }", json!({}))
        .await;
    let (code, reason) = loop {
        match socket.next().await {
            Frame::Close(code, reason) => break (code, reason),
            Frame::Message(_) => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(code, 4400, "{reason}");
    server.stop().await;
}

/// Invalid message: the reason fits into a close frame (RFC 6455, 5.5).
#[tokio::test]
async fn close_reason_has_at_most_123_bytes() {
    let server = TestServer::start().await;
    let long = "é".repeat(300);

    let mut unknown = server.socket().await;
    unknown.send(json!({"type": long})).await;
    let (code, reason) = unknown.closed().await;
    assert_eq!(code, 4400);
    assert!((100..=123).contains(&reason.len()), "{reason}");

    let mut twice = server.socket().await;
    let operation = subscribe(&"é".repeat(64), VIEWERS);
    twice.send_together([operation.clone(), operation]).await;
    let (code, reason) = twice.closed().await;
    assert_eq!(code, 4409);
    assert!((100..=123).contains(&reason.len()), "{reason}");

    unknown.vanish();
    twice.vanish();
    server.stop().await;
}

// What the protocol leaves to the server

/// Communication: the server may close the socket at any time.
#[tokio::test]
async fn socket_closes_4403_when_its_token_expires() {
    let server = TestServer::start_with(&["--jwt-leeway=0s"]).await;
    let mut lasting = server.reader_socket("bob").await;
    let mut socket = server.connect().await;
    let token = token_for("ada", BRIEFLY);
    socket.init(json!({"authorization": token})).await;
    socket.send(subscribe("c", ADDED)).await;
    assert_eq!(socket.closed().await, (4403, "Token expired".to_owned()));
    server.wait_for_members(0, 0).await;
    assert_eq!(me(&mut lasting).await, json!("bob"));
    socket.vanish();
    lasting.close().await;
    server.stop().await;
}

/// Error: an operation beyond the connection's limit.
#[tokio::test]
async fn operation_beyond_the_limit_is_an_error_and_others_go_on() {
    let server = TestServer::start_with(&["--ws-operation-limit=2"]).await;
    let mut socket = reading(&server, "1").await;
    socket.send(subscribe("2", ADDED)).await;
    for query in [ADDED, ME] {
        socket.send(subscribe("3", query)).await;
        let message = socket.message().await;
        assert_eq!(
            (&message["type"], &message["id"]),
            (&json!("error"), &json!("3"))
        );
        let extensions = &message["payload"][0]["extensions"];
        assert_eq!(extensions["code"], json!("RATE_LIMITED"));
        assert!(extensions["retryAfterMs"].as_u64() > Some(0));
        assert!(socket.settle().await.is_empty());
    }
    socket.complete("2").await;
    assert_eq!(me(&mut socket).await, Value::Null);
    server.reader("ada").comment("hi").await;
    assert_eq!(socket.message().await, added("1", "hi"));
    socket.close().await;
    server.stop().await;
}

/// Subscribe: as many operations as a connection may have, all at once.
#[tokio::test]
async fn sixty_four_operations_run_at_once_with_separate_answers() {
    let server = TestServer::start().await;
    let mut socket = server.socket().await;
    let ids: Vec<String> = (0..64).map(|number| number.to_string()).collect();
    socket
        .send_together(ids.iter().map(|id| subscribe(id, VIEWERS)))
        .await;
    let mut answered = Vec::new();
    for _ in &ids {
        let message = socket.message().await;
        assert_eq!(message["payload"]["data"], json!({"viewerCount": 1}));
        answered.push(message["id"].as_str().expect("an id").to_owned());
    }
    answered.sort_by_key(|id| id.parse::<u32>().ok());
    assert_eq!(answered, ids);
    socket
        .send_together(ids.iter().map(|id| complete(id)))
        .await;
    assert!(socket.settle().await.is_empty());
    assert_eq!(server.observer().rooms().members, 0);

    socket
        .send_together(ids.iter().map(|id| subscribe(id, ME)))
        .await;
    let mut answers = Vec::new();
    for _ in 0..2 * ids.len() {
        answers.push(socket.message().await);
    }
    for id in &ids {
        let own = answers.iter().filter(|message| message["id"] == json!(id));
        let data = json!({"me": null});
        assert!(own.eq([&next(id, &data), &complete(id)]));
    }
    socket.close().await;
    server.stop().await;
}

/// Below the protocol: WebSocket pings detect peers that are gone without a close frame.
#[tokio::test]
async fn peer_that_answers_no_pings_leaves_its_room() {
    let server = TestServer::start_with(&["--ws-ping-interval=1s"]).await;
    let mut here = server.socket().await;
    here.send(subscribe("v", VIEWERS)).await;
    assert_eq!(here.data("v").await, json!({"viewerCount": 1}));
    // Pings are answered while the socket is read, and this one is read no more.
    let (silent, both) = tokio::join!(reading_too(&server), here.data("v"));
    assert_eq!(both, json!({"viewerCount": 2}));
    // This one answers pings while it waits.
    assert_eq!(here.data("v").await, json!({"viewerCount": 1}));
    assert!(here.settle().await.is_empty());
    here.close().await;
    server.stop().await;
    silent.vanish();
}

/// Opens a second socket in the room of `hello`.
async fn reading_too(server: &TestServer) -> Socket {
    let mut socket = server.socket().await;
    socket.send(subscribe("c", ADDED)).await;
    server.wait_for_members(1, 2).await;
    socket
}

/// Complete: a mutation that has begun is executed, whatever becomes of the client.
#[tokio::test]
async fn mutation_runs_to_its_end_though_completed_or_disconnected() {
    let server = TestServer::start().await;
    let mut watching = reading(&server, "c").await;

    let mut completing = server.reader_socket("ada").await;
    completing
        .send_together([comment("m", "completed"), complete("m")])
        .await;
    assert_eq!(watching.message().await, added("c", "completed"));

    let mut closed = server.reader_socket("ada").await;
    closed
        .send_together([comment("m", "closed"), json!({"type": "hello"})])
        .await;
    assert_eq!(watching.message().await, added("c", "closed"));
    assert!(matches!(closed.next().await, Frame::Close(4400, _)));

    let mut vanishing = server.reader_socket("ada").await;
    vanishing.send(comment("m", "vanished")).await;
    vanishing.vanish();
    assert_eq!(watching.message().await, added("c", "vanished"));

    closed.vanish();
    completing.close().await;
    watching.close().await;
    server.stop().await;
}
