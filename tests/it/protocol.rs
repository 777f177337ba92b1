//! graphql-transport-ws, a rule a test. The rules are those of PROTOCOL.md of graphql-ws; each
//! test names the section that it holds the server to. What the protocol leaves to a server is at
//! the end.

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

use crate::support::{Frame, Socket, TestServer, token, token_for};

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

/// The code of the one error in the next message, which must be an `error` of this id.
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

/// Asks who the client is, by an operation that is over afterwards.
async fn me(socket: &mut Socket) -> Value {
    socket.send(subscribe("me", ME)).await;
    let data = socket.data("me").await;
    assert_eq!(socket.message().await, complete("me"));
    data["me"]["id"].clone()
}

/// A socket that reads `hello`, and is in its room.
async fn reading(server: &TestServer, id: &str) -> Socket {
    let mut socket = server.socket().await;
    socket.send(subscribe(id, ADDED)).await;
    server.until_census(1, 1).await;
    socket
}

// Communication

/// Communication, and the example of a successful initialisation.
#[tokio::test]
async fn the_subprotocol_is_graphql_transport_ws() {
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
async fn a_client_of_another_subprotocol_or_of_none_is_closed_with_4406() {
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
async fn operations_with_different_ids_are_active_at_the_same_time_and_interleave() {
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
async fn a_client_ends_the_connection_by_closing_with_1000() {
    let server = TestServer::start().await;
    let mut socket = reading(&server, "c").await;
    let frame = CloseFrame {
        code: CloseCode::Normal,
        reason: "Normal Closure".into(),
    };
    socket.send_frame(Message::Close(Some(frame))).await;
    assert_eq!(socket.closed().await, (1000, "Normal Closure".to_owned()));
    server.until_census(0, 0).await;
    assert!(matches!(socket.next().await, Frame::End));
    server.stop().await;
}

// ConnectionInit

/// ConnectionInit, and the example of an initialisation timeout.
#[tokio::test]
async fn a_client_that_does_not_initialise_in_time_is_closed_with_4408() {
    let server = TestServer::start_with(&["--ws-init-timeout=200ms"]).await;
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
    // This one's time was over before.
    assert!(initialised.settle().await.is_empty());
    late.vanish();
    initialised.close().await;
    server.stop().await;
}

/// ConnectionInit.
#[tokio::test]
async fn a_second_initialisation_closes_with_4429() {
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
async fn an_initialisation_needs_no_payload_and_is_answered_by_connection_ack() {
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
async fn a_token_that_is_forged_expired_unsigned_or_nonsense_is_closed_with_4403() {
    let server = TestServer::start_with(&["--jwt-leeway=0s"]).await;
    let identity = Principal {
        user: User {
            id: UserId::parse("ada").expect("a user id"),
            name: "Ada".into(),
            avatar: None,
        },
        role: Role::Moderator,
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

/// ConnectionInit: what its payload may say here.
#[tokio::test]
async fn the_token_stands_under_authorization_in_any_letter_case_with_or_without_bearer() {
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
    server.stop().await;
}

/// ConnectionInit: what its payload may say here.
#[tokio::test]
async fn a_client_may_name_itself_and_is_then_the_same_as_over_http() {
    let server = TestServer::start().await;
    for name in ["a", "Tab_1.b-2", &"x".repeat(64)] {
        let mut socket = server.connect().await;
        socket.init(json!({"clientId": name})).await;
        socket.send(subscribe("c", ADDED)).await;
        server.until_census(1, 1).await;
        server.reader("ada").named(name).comment("my own").await;
        server.reader("ada").named("other").comment("another").await;
        assert_eq!(socket.message().await, added("c", "another"), "{name}");
        socket.close().await;
        server.until_census(0, 0).await;
    }
    server.stop().await;
}

/// ConnectionInit: what its payload may say here.
#[tokio::test]
async fn a_client_id_or_token_of_another_form_is_closed_with_4400() {
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
async fn a_ping_is_answered_by_a_pong_with_its_payload_at_any_time() {
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
async fn a_pong_that_nobody_asked_for_is_ignored_at_any_time() {
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
async fn an_operation_before_the_acknowledgement_closes_with_4401() {
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
async fn an_id_that_is_taken_closes_with_4409_whatever_the_operation() {
    let server = TestServer::start().await;
    for query in [ADDED, ME, COMMENT, "not GraphQL"] {
        let mut socket = reading(&server, "taken").await;
        socket.send(subscribe("taken", query)).await;
        assert_eq!(
            socket.closed().await,
            (4409, "Subscriber for taken already exists".to_owned())
        );
        server.until_census(0, 0).await;
        socket.vanish();
    }
    server.stop().await;
}

/// Subscribe: an id is kept for as long as its operation is active, and may then be used again.
#[tokio::test]
async fn an_id_is_free_again_once_its_operation_is_over() {
    let server = TestServer::start().await;
    let mut socket = server.socket().await;
    for _ in 0..3 {
        // Over by itself,
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
        // and by the client, in one breath with its next use.
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
async fn a_payload_has_a_query_and_may_have_an_operation_name_variables_and_extensions() {
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
async fn a_query_or_mutation_is_one_next_and_then_complete() {
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
async fn a_subscription_is_a_next_for_each_event_over_time() {
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

/// Next: its payload is an execution result, so what failed in the execution stands in it.
#[tokio::test]
async fn errors_of_fields_come_in_the_result_and_complete_follows() {
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
async fn an_operation_that_is_not_valid_is_one_error_and_nothing_more() {
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
    assert_eq!(server.observer().census().members, 0);
    socket.close().await;
    server.stop().await;
}

/// Error: during the execution, as where a subscription's stream cannot be made.
#[tokio::test]
async fn a_subscription_that_cannot_start_is_one_error_and_the_others_go_on() {
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
async fn a_clients_complete_ends_its_stream_at_once_and_is_not_echoed() {
    let server = TestServer::start().await;
    let mut socket = reading(&server, "c").await;
    socket.complete("c").await;
    assert!(socket.settle().await.is_empty());
    assert_eq!(
        server.observer().census().members,
        0,
        "what was read before the ping has been done before the pong"
    );
    server.reader("ada").comment("too late").await;
    assert!(socket.settle().await.is_empty());
    socket.close().await;
    server.stop().await;
}

/// Complete, from the client: also before the result of a single result operation is there.
#[tokio::test]
async fn the_result_of_an_operation_that_its_client_completed_is_not_sent() {
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
async fn complete_for_an_operation_that_is_over_or_never_was_is_ignored() {
    let server = TestServer::start().await;
    let mut socket = server.connect().await;
    socket.complete("never").await;
    socket.init(json!({})).await;
    socket.complete("never").await;
    for query in [ME, "{"] {
        socket.send(subscribe("1", query)).await;
        socket.message().await;
        // Crosses the server's own, where there is one.
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
async fn a_message_of_another_form_is_closed_at_once_with_4400() {
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
        // Lists are no objects, though a parser may take them for the same.
        r#"["ping"]"#.to_owned(),
        r#"["subscribe","1",{"query":"{me{id}}"}]"#.to_owned(),
        subscribe(r#"["{me{id}}",null,null,null]"#),
        // What only a server sends.
        r#"{"type":"connection_ack"}"#.to_owned(),
        r#"{"type":"next","id":"1","payload":{}}"#.to_owned(),
        r#"{"type":"error","id":"1","payload":[]}"#.to_owned(),
        // The id is a string that is not empty.
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
async fn a_binary_message_is_closed_at_once_with_4400() {
    let server = TestServer::start().await;
    for bytes in [r#"{"type":"ping"}"#.as_bytes(), b"", b"\xff"] {
        let mut socket = server.socket().await;
        socket.send_frame(Message::binary(bytes)).await;
        assert!(matches!(socket.next().await, Frame::Close(4400, _)));
        socket.vanish();
    }
    server.stop().await;
}

/// Invalid message: the closure is immediate, for whatever goes on in the connection.
#[tokio::test]
async fn an_invalid_message_ends_every_operation_of_its_connection() {
    let server = TestServer::start().await;
    let mut socket = reading(&server, "c").await;
    socket.send(json!({"type": "hello"})).await;
    assert!(matches!(socket.next().await, Frame::Close(4400, _)));
    server.until_census(0, 0).await;
    socket.vanish();
    server.stop().await;
}

/// Invalid message: its reason tells why, in what a close frame can carry (RFC 6455, 5.5).
#[tokio::test]
async fn a_reason_has_at_most_123_bytes() {
    let server = TestServer::start().await;
    let long = "é".repeat(300);

    let mut unknown = server.socket().await;
    unknown.send(json!({"type": long})).await;
    let (code, reason) = unknown.closed().await;
    assert_eq!(code, 4400);
    assert!((100..=123).contains(&reason.len()), "{reason}");

    let mut twice = server.socket().await;
    let operation = subscribe(&long, VIEWERS);
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
async fn a_socket_is_closed_with_4403_when_its_token_ends() {
    let server = TestServer::start_with(&["--jwt-leeway=0s"]).await;
    let mut lasting = server.reader_socket("bob").await;
    let mut socket = server.connect().await;
    let token = token_for("ada", Duration::from_secs(2));
    socket.init(json!({"authorization": token})).await;
    socket.send(subscribe("c", ADDED)).await;
    assert_eq!(socket.closed().await, (4403, "Token expired".to_owned()));
    server.until_census(0, 0).await;
    assert_eq!(me(&mut lasting).await, json!("bob"));
    socket.vanish();
    lasting.close().await;
    server.stop().await;
}

/// Error: an operation more than a connection may have.
#[tokio::test]
async fn one_operation_too_many_is_an_error_and_the_others_go_on() {
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
async fn sixty_four_operations_run_at_once_and_each_has_its_own_answers() {
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
    assert_eq!(server.observer().census().members, 0);

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

/// Below the protocol: pings of WebSocket itself find out who is gone without a word.
#[tokio::test]
async fn a_peer_that_leaves_the_servers_pings_unanswered_leaves_the_room() {
    let server = TestServer::start_with(&["--ws-ping-interval=1s"]).await;
    let mut here = server.socket().await;
    here.send(subscribe("v", VIEWERS)).await;
    assert_eq!(here.data("v").await, json!({"viewerCount": 1}));
    // Its pings are answered by whoever reads from it, which nobody does any more.
    let silent = reading_too(&server).await;
    assert_eq!(here.data("v").await, json!({"viewerCount": 2}));
    // This one answers while it waits.
    assert_eq!(here.data("v").await, json!({"viewerCount": 1}));
    assert!(here.settle().await.is_empty());
    here.close().await;
    server.stop().await;
    silent.vanish();
}

/// A second socket in the room of `hello`.
async fn reading_too(server: &TestServer) -> Socket {
    let mut socket = server.socket().await;
    socket.send(subscribe("c", ADDED)).await;
    server.until_census(1, 2).await;
    socket
}

/// Complete: a mutation that was begun is done, whatever becomes of the client.
#[tokio::test]
async fn a_mutation_runs_to_its_end_though_its_client_completes_it_or_goes() {
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
