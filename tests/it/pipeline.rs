//! The way of a request, the same on every transport: a document means what it says, an invalid
//! operation does nothing, and a fault ends one operation alone.

use causerie::model::Role;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::support::{Request, Socket, Streaming, TestServer, another_program, run, token};

const SSE: &str = "text/event-stream";
const MULTIPART: &str = "multipart/mixed;subscriptionSpec=1.0";

/// The transports that carry an operation with one result.
#[derive(Clone, Copy, Debug)]
enum Transport {
    Http,
    Sse,
    Multipart,
    WebSocket,
}

const TRANSPORTS: [Transport; 4] = [
    Transport::Http,
    Transport::Sse,
    Transport::Multipart,
    Transport::WebSocket,
];

/// Sends an operation as Ada and returns its result: `data`, `errors`, or both.
async fn send(server: &TestServer, over: Transport, query: &str, variables: Value) -> Value {
    let ada = token("ada", "Ada", Role::Author);
    let request = |accept| {
        let request = Request::post(query, variables.clone());
        request.with_token(&ada).accepting(accept)
    };
    match over {
        Transport::Http => {
            let client = server.client().with_token(&ada);
            client.try_send(query, variables).await.body
        }
        Transport::Sse => {
            let mut stream = Streaming::open(server.address(), &request(SSE)).await;
            stream.event().await.data
        }
        Transport::Multipart => {
            let mut stream = Streaming::open(server.address(), &request(MULTIPART)).await;
            stream.part().await["payload"].take()
        }
        Transport::WebSocket => {
            let mut socket = server.connect().await;
            socket.init(json!({"authorization": ada})).await;
            let result = result(&mut socket, "1", query, variables).await;
            socket.close().await;
            result
        }
    }
}

/// Sends an operation on a socket and returns its result.
async fn result(socket: &mut Socket, id: &str, query: &str, variables: Value) -> Value {
    socket.subscribe(id, query, variables).await;
    let mut message = socket.message().await;
    match message["type"].as_str() {
        Some("error") => json!({"errors": message["payload"].take()}),
        _ => {
            let result = message["payload"].take();
            assert_eq!(socket.message().await["type"], "complete");
            result
        }
    }
}

fn code(result: &Value) -> &Value {
    &result["errors"][0]["extensions"]["code"]
}

#[tokio::test]
async fn mutation_field_in_two_fragments_is_executed_once() {
    let server = TestServer::start().await;
    let query = "mutation($i: CreateCommentInput!) { ...A ...B }
        fragment A on Mutation { createComment(input: $i) { comment { id } } }
        fragment B on Mutation { createComment(input: $i) { comment { body } } }";
    for (index, over) in TRANSPORTS.into_iter().enumerate() {
        let body = format!("{over:?}");
        let variables = json!({"i": {"postId": "hello", "body": body}});
        let result = send(&server, over, query, variables).await;
        let comment = &result["data"]["createComment"]["comment"];
        assert_eq!(comment["body"], json!(body), "{result}");
        assert!(comment["id"].is_string(), "{result}");
        assert_eq!(server.client().bodies().await.len(), index + 1, "{over:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn skipped_mutation_writes_nothing() {
    let server = TestServer::start().await;
    let query = "mutation($i: CreateCommentInput!, $dry: Boolean! = true) {
        createComment(input: $i) @skip(if: $dry) { comment { id } } }";
    let input = json!({"postId": "hello", "body": "b"});
    for over in TRANSPORTS {
        let result = send(&server, over, query, json!({"i": input})).await;
        assert_eq!(result, json!({"data": {}}), "{over:?}");
    }
    assert!(server.client().bodies().await.is_empty());
    let given = json!({"i": input, "dry": false});
    send(&server, Transport::Http, query, given).await;
    assert_eq!(server.client().bodies().await, ["b"]);
    server.stop().await;
}

#[tokio::test]
async fn invalid_mutation_does_none_of_its_fields() {
    let server = TestServer::start().await;
    let valid = "a: createComment(input: {postId: \"hello\", body: \"a\"}) { comment { id } }";
    let two = "mutation($b: CreateCommentInput!) { a: createComment(input: {postId: \"hello\",
        body: \"a\"}) { comment { id } } b: createComment(input: $b) { comment { id } } }";
    let cases = [
        (
            format!("mutation {{ {valid} createComment(input: \"x\") {{ comment {{ id }} }} }}"),
            json!({}),
        ),
        (
            format!(
                "mutation {{ {valid} createComment(input: {{postId: \"hello\", body: \"b\",
                    body: \"c\"}}) {{ comment {{ id }} }} }}"
            ),
            json!({}),
        ),
        (
            format!(
                "mutation {{ {valid} a: setTyping(input: {{postId: \"hello\", isTyping: true}})
            {{ isTyping }} }}"
            ),
            json!({}),
        ),
        (
            format!(
                "mutation($p: ID) {{ {valid} createComment(input: {{postId: \"hello\", body: \"b\",
                    bogus: 1, parentId: $p}}) {{ comment {{ id }} }} }}"
            ),
            json!({}),
        ),
        (two.to_owned(), json!({"b": 5})),
        (
            two.to_owned(),
            json!({"b": {"postId": "hello", "body": null}}),
        ),
        (
            two.to_owned(),
            json!({"b": {"postId": "hello", "body": "b", "more": 1}}),
        ),
        (two.to_owned(), json!({})),
    ];
    for (query, variables) in &cases {
        for over in TRANSPORTS {
            let result = send(&server, over, query, variables.clone()).await;
            assert_eq!(
                code(&result),
                "GRAPHQL_VALIDATION_FAILED",
                "{query} {result}"
            );
            assert!(
                result["errors"][0]["locations"][0]["line"].is_u64(),
                "{result}"
            );
            assert_eq!(result.get("data"), None, "{query} {result}");
        }
    }
    assert!(server.client().bodies().await.is_empty());
    server.stop().await;
}

#[tokio::test]
async fn unknown_type_is_an_error_and_the_socket_goes_on() {
    let server = TestServer::start().await;
    let query = "query($a: [Nope] = [1]) { me { id } }";
    for over in TRANSPORTS {
        let result = send(&server, over, query, json!({})).await;
        assert_eq!(
            code(&result),
            "GRAPHQL_VALIDATION_FAILED",
            "{over:?} {result}"
        );
    }
    let mut socket = server.socket().await;
    let refused = result(&mut socket, "1", query, json!({})).await;
    assert_eq!(code(&refused), "GRAPHQL_VALIDATION_FAILED");
    let data = result(&mut socket, "1", "{ me { id } }", json!({})).await;
    assert_eq!(data, json!({"data": {"me": null}}));
    socket.close().await;
    server.stop().await;
}

#[tokio::test]
async fn strings_mean_what_the_specification_says() {
    let server = TestServer::start().await;
    let texts = [
        (r#""\uD83E\uDD80 \u{1F980}""#, "🦀 🦀"),
        (r#""""a \""" b""""#, r#"a """ b"#),
        ("\"\"\"\n    one\n  \n      two\n  \"\"\"", "one\n\n  two"),
    ];
    for (literal, text) in texts {
        let query = format!(
            "mutation {{ createComment(input: {{postId: \"hello\", body: {literal}}}) {{
                comment {{ body }} }} }}"
        );
        for over in TRANSPORTS {
            let result = send(&server, over, &query, json!({})).await;
            let body = &result["data"]["createComment"]["comment"]["body"];
            assert_eq!(body, &json!(text), "{over:?} {result}");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn unreadable_payload_fails_its_operation_alone() {
    let server = TestServer::start().await;
    let mut socket = server.socket().await;
    socket
        .subscribe(
            "v",
            "subscription { viewerCount(postId: \"hello\") }",
            json!({}),
        )
        .await;
    assert_eq!(socket.data("v").await, json!({"viewerCount": 1}));
    let deep = "[".repeat(300) + &"]".repeat(300);
    for value in [r#""half \ud83d""#, "1e400", &deep] {
        let message = format!(
            r#"{{"id":"1","type":"subscribe","payload":{{"query":"query($b: ID!) {{ post(id: $b) {{ id }} }}","variables":{{"b":{value}}}}}}}"#
        );
        socket.send_frame(Message::text(message)).await;
        let refused = socket.message().await;
        assert_eq!(
            (&refused["type"], &refused["id"]),
            (&json!("error"), &json!("1")),
            "{refused}"
        );
        assert!(
            refused["payload"][0]["extensions"]["code"].is_string(),
            "{refused}"
        );
    }
    let mut other = server.socket().await;
    other
        .subscribe(
            "v",
            "subscription { viewerCount(postId: \"hello\") }",
            json!({}),
        )
        .await;
    assert_eq!(socket.data("v").await, json!({"viewerCount": 2}));
    other.close().await;
    socket.close().await;
    server.stop().await;
}

/// A time that no RFC 3339 text can show, which makes its resolver panic.
const UNSHOWABLE: i64 = 1_000_000_000_000_000;

#[tokio::test]
async fn panic_in_a_resolver_fails_its_operation_alone() {
    let server = TestServer::start().await;
    let writer = server.reader("ada");
    let broken = writer.comment("broken").await;
    let database = another_program(&server.database()).await;
    run(
        &database,
        &format!("UPDATE comment SET created_at = {UNSHOWABLE}"),
    )
    .await;

    let mut socket = server.socket().await;
    let viewers = "subscription { viewerCount(postId: \"hello\") }";
    socket.subscribe("v", viewers, json!({})).await;
    assert_eq!(socket.data("v").await, json!({"viewerCount": 1}));

    let query = "query($id: ID!) { comment(id: $id) { createdAt } }";
    let edit = "mutation($id: ID!) { editComment(input: {id: $id, body: \"edited\"}) {
        comment { createdAt } } }";
    for operation in [query, edit] {
        for over in TRANSPORTS {
            let result = send(&server, over, operation, json!({"id": broken})).await;
            assert_eq!(code(&result), "INTERNAL_SERVER_ERROR", "{over:?} {result}");
        }
        let failed = result(&mut socket, "1", query, json!({"id": broken})).await;
        assert_eq!(code(&failed), "INTERNAL_SERVER_ERROR", "{failed}");
    }

    // An event that cannot be rendered ends its subscription, and no other of its socket.
    let changed = "subscription { commentChanged(postId: \"hello\") { comment { createdAt } } }";
    socket.subscribe("c", changed, json!({})).await;
    server.wait_for_members(1, 1).await;
    send(&server, Transport::Http, edit, json!({"id": broken})).await;
    let failed = socket.message().await;
    assert_eq!(
        (&failed["type"], &failed["id"]),
        (&json!("error"), &json!("c")),
        "{failed}"
    );
    let mut other = server.socket().await;
    other.subscribe("v", viewers, json!({})).await;
    assert_eq!(socket.data("v").await, json!({"viewerCount": 2}));
    other.close().await;
    socket.close().await;
    server.stop().await;
}

/// Values of every kind that a client may give an argument.
fn values(cursor: &Value) -> Vec<Value> {
    let mut values = vec![cursor.clone()];
    for value in [
        json!("hello"),
        json!("nowhere"),
        json!(""),
        json!("made up"),
        json!(7),
        json!(true),
        json!(false),
        json!(null),
        json!(["hello"]),
        json!({}),
    ] {
        values.push(value);
    }
    values
}

/// Returns a type as documents write it.
fn type_name(described: &Value) -> String {
    let of = || type_name(&described["ofType"]);
    match described["kind"].as_str() {
        Some("NON_NULL") => format!("{}!", of()),
        Some("LIST") => format!("[{}]", of()),
        _ => described["name"].as_str().expect("a name").to_owned(),
    }
}

#[tokio::test]
async fn first_and_later_subscribers_get_the_same_verdict() {
    let server = TestServer::start().await;
    let types = "{ __type(name: \"Subscription\") { fields { name args { name
        type { kind name ofType { kind name ofType { kind name ofType { kind name } } } } }
        type { ofType { kind } } } } post(id: \"hello\") { cursor } }";
    let schema = server.client().send(types, json!({})).await;
    let cursor = &schema["post"]["cursor"];
    let fields = schema["__type"]["fields"].as_array().expect("fields");
    for field in fields {
        let name = field["name"].as_str().expect("a name");
        let selection = match field["type"]["ofType"]["kind"].as_str() {
            Some("OBJECT") => "{ __typename }",
            _ => "",
        };
        for argument in field["args"].as_array().expect("arguments") {
            let own = argument["name"].as_str().expect("a name");
            let of = type_name(&argument["type"]);
            let of = of.trim_end_matches('!');
            let arguments = match own {
                "postId" | "ids" => format!("{own}: $value"),
                _ => format!("postId: \"hello\" {own}: $value"),
            };
            let document =
                format!("subscription($value: {of}!) {{ {name}({arguments}) {selection} }}");
            let valid = match of {
                "ID" => json!("hello"),
                "[ID!]" => json!(["hello"]),
                "[RoomTopic!]" => json!(["COMMENTS"]),
                "Boolean" => json!(false),
                "Cursor" => cursor.clone(),
                other => panic!("no valid value of {other}"),
            };
            for value in values(cursor) {
                let variables = json!({"value": value});
                let mut subscriber = server.socket().await;
                let mut first = messages(&mut subscriber, &document, &variables).await;
                // The same with the operation open, by another subscriber.
                let mut holder = server.socket().await;
                holder
                    .subscribe("h", &document, json!({"value": valid}))
                    .await;
                let opened = holder.settle().await;
                assert!(
                    opened.iter().all(|message| message["type"] == "next"),
                    "{opened:?}"
                );
                let mut later = messages(&mut subscriber, &document, &variables).await;
                for message in &mut later {
                    // The holder is a reader, too.
                    if message["payload"]["data"]["viewerCount"] == 2 {
                        message["payload"]["data"]["viewerCount"] = json!(1);
                    }
                }
                // Their number may come once more.
                first.dedup();
                later.dedup();
                assert_eq!(first, later, "{document} {value}");
                holder.close().await;
                subscriber.close().await;
                server.wait_for_members(0, 0).await;
            }
        }
    }
    server.stop().await;
}

/// Subscribes, completes, and returns what came in between.
async fn messages(socket: &mut Socket, document: &str, variables: &Value) -> Vec<Value> {
    socket.subscribe("s", document, variables.clone()).await;
    let messages = socket.settle().await;
    if messages.iter().all(|message| message["type"] == "next") {
        socket.complete("s").await;
        socket.settle().await;
    }
    messages
}

/// A key to which a library gives a meaning of its own.
const RAW: &str = "$serde_json::private::RawValue";

#[tokio::test]
async fn every_key_of_a_request_is_a_key() {
    let server = TestServer::start().await;
    let query = "query($i: ID!) { post(id: $i) { id } }";
    for over in TRANSPORTS {
        let variables = json!({"i": {RAW: "\"hello\""}});
        let result = send(&server, over, query, variables).await;
        assert_eq!(
            code(&result),
            "GRAPHQL_VALIDATION_FAILED",
            "{over:?} {result}"
        );
    }
    let mut socket = server.socket().await;
    let payload = json!({RAW: "{\"query\": \"{ me { id } }\"}"});
    let message = json!({"type": "subscribe", "id": "1", "payload": payload});
    socket.send(message).await;
    assert_eq!(socket.closed().await.0, 4400);
    server.stop().await;
}

#[tokio::test]
async fn nesting_of_json_is_bounded_whatever_its_keys_are() {
    let server = TestServer::start().await;
    let nested = |times: usize| {
        (0..times).fold("1".to_owned(), |deep, _| {
            let inner = json!({RAW: deep}).to_string();
            "[".repeat(110) + &inner + &"]".repeat(110)
        })
    };
    let deep = nested(12);
    // A ping's payload has a limit of its own.
    let short = nested(5);
    let body = format!(r#"{{"query":"{{ __typename }}","variables":{{"n":{deep}}}}}"#);
    let reply = server.client().post("application/json", body).await;
    assert_eq!(
        reply.body["data"],
        json!({"__typename": "Query"}),
        "{:?}",
        reply.body
    );
    for message in [
        format!(r#"{{"type":"connection_init","payload":{{"n":{deep}}}}}"#),
        format!(r#"{{"type":"ping","payload":{{"n":{short}}}}}"#),
    ] {
        let mut socket = server.connect().await;
        socket.send_frame(Message::text(message)).await;
        assert!(socket.message().await["type"].is_string());
        socket.close().await;
    }
    server.stop().await;
}

#[tokio::test]
async fn null_of_introspection_is_propagated_to_the_root() {
    let server = TestServer::start().await;
    let query = "query($d: Boolean = false) {
        me { id } __schema { directives { args(includeDeprecated: $d) { name } } } }";
    for over in TRANSPORTS {
        let result = send(&server, over, query, json!({"d": null})).await;
        assert_eq!(result["data"], json!(null), "{result}");
        let error = &result["errors"][0];
        assert_eq!(
            error["path"],
            json!(["__schema", "directives", 0, "args"]),
            "{result}"
        );
        assert_eq!(error["locations"][0]["line"], 2, "{result}");
    }
    server.stop().await;
}

#[tokio::test]
async fn shared_event_tells_no_place_in_another_subscribers_document() {
    let server = TestServer::start().await;
    let mut sockets = Vec::new();
    for blank in ["", "\n\n    "] {
        let mut socket = server.socket().await;
        let query = format!(
            "subscription {{ commentAdded(postId: \"hello\") {{ id {blank} replies(first: 101) {{
                nodes {{ id }} }} }} }}"
        );
        socket.subscribe("s", &query, json!({})).await;
        sockets.push(socket);
    }
    server.wait_for_members(1, 2).await;
    server.reader("ada").comment("one").await;
    for mut socket in sockets {
        let event = socket.message().await;
        let error = &event["payload"]["errors"][0];
        assert_eq!(error["path"], json!(["commentAdded", "replies"]), "{event}");
        assert_eq!(error.get("locations"), None, "{event}");
        socket.close().await;
    }
    server.stop().await;
}

#[tokio::test]
async fn null_argument_fails_its_field_alone() {
    let server = TestServer::start().await;
    for field in ["post", "comment"] {
        let query = format!("query($i: ID = \"x\") {{ {field}(id: $i) {{ id }} me {{ name }} }}");
        for over in TRANSPORTS {
            let result = send(&server, over, &query, json!({"i": null})).await;
            assert_eq!(
                result["data"],
                json!({field: null, "me": {"name": "Ada"}}),
                "{result}"
            );
            assert_eq!(code(&result), "BAD_USER_INPUT", "{result}");
            assert_eq!(result["errors"][0]["path"], json!([field]), "{result}");
        }
    }
    server.stop().await;
}
