//! GraphQL over HTTP: accepted requests, refused requests, and the pages next to the API.

use causerie::model::{Role, Timestamp};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{Reply, SECRET, TestServer, token, upgrade_request, within};

const JSON: &str = "application/json";
const GRAPHQL: &str = "application/graphql-response+json";
const WRITE: &str =
    "mutation { createComment(input: { postId: \"hello\", body: \"b\" }) { comment { id } } }";

/// Returns the code of an answer without data, which means that nothing was executed.
fn refusal(reply: &Reply) -> Value {
    assert_eq!(reply.body.get("data"), None, "{reply:?}");
    reply.error()["extensions"]["code"].clone()
}

fn media_type(reply: &Reply) -> &str {
    let value = reply.headers["content-type"].to_str().expect("a text");
    value.split(';').next().expect("a media type")
}

async fn comments(server: &TestServer) -> Value {
    let query = "{ post(id: \"hello\") { commentCount } }";
    server.client().send(query, json!({})).await["post"]["commentCount"].take()
}

#[tokio::test]
async fn only_json_posts_are_accepted_as_requests() {
    let server = TestServer::start().await;
    let ada = server.reader("ada");
    let body = json!({"query": WRITE}).to_string();
    for content_type in [
        JSON,
        "application/json; charset=utf-8",
        "Application/JSON;charset=UTF-8",
    ] {
        let reply = ada.post(content_type, body.clone()).await;
        assert_eq!(
            (reply.status, reply.body.get("errors")),
            (StatusCode::OK, None),
            "{content_type}"
        );
    }
    assert_eq!(comments(&server).await, json!(3));
    // A page of another site can send the first three without a preflight.
    for content_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/graphql",
        "application/jsonp",
        "application/json; charset=utf-16",
        "json",
        "",
    ] {
        let reply = ada.post(content_type, body.clone()).await;
        assert_eq!(
            reply.status,
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "{content_type}"
        );
        assert_eq!(refusal(&reply), json!("GRAPHQL_VALIDATION_FAILED"));
    }
    assert_eq!(comments(&server).await, json!(3));
    server.stop().await;
}

#[tokio::test]
async fn malformed_body_is_refused() {
    let server = TestServer::start().await;
    for body in [
        "".to_owned(),
        "{".to_owned(),
        "null".to_owned(),
        "7".to_owned(),
        "\"{ me { id } }\"".to_owned(),
        "{ me { id } }".to_owned(),
        json!({}).to_string(),
        json!({"query": null}).to_string(),
        json!({"query": 7}).to_string(),
        json!({"query": ["{ me { id } }"]}).to_string(),
        json!({"query": "{ me { id } }", "variables": []}).to_string(),
        json!({"query": "{ me { id } }", "variables": "{}"}).to_string(),
        json!({"query": "{ me { id } }", "operationName": 7}).to_string(),
        json!({"query": "{ me { id } }", "extensions": []}).to_string(),
    ] {
        for accept in [JSON, GRAPHQL] {
            let reply = server
                .client()
                .accepting(accept)
                .post(JSON, body.clone())
                .await;
            assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{body}");
            assert_eq!(
                refusal(&reply),
                json!("GRAPHQL_VALIDATION_FAILED"),
                "{body}"
            );
            assert_eq!(media_type(&reply), accept);
        }
    }
    let reply = server
        .client()
        .post(JSON, b"{\"query\":\"{me{id}}\xff\"}".to_vec())
        .await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST, "not UTF-8");
    let body = json!({"query": "{ me { id } }", "variables": null, "operationName": null, "extensions": {"a": 1}, "more": 1});
    let reply = server.client().post(JSON, body.to_string()).await;
    assert_eq!(
        reply.body,
        json!({"data": {"me": null}}),
        "null and more are no faults"
    );
    server.stop().await;
}

#[tokio::test]
async fn body_limit_is_exact() {
    let server = TestServer::start_with(&["--http-body-limit=1024"]).await;
    let query = json!({"query": "{ me { id } }"}).to_string();
    let filled = |length: usize| format!("{query}{}", " ".repeat(length - query.len()));
    let reply = server.client().post(JSON, filled(1024)).await;
    assert_eq!(reply.status, StatusCode::OK);
    let reply = server.client().post(JSON, filled(1025)).await;
    assert_eq!(reply.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(refusal(&reply), json!("GRAPHQL_VALIDATION_FAILED"));
    // A body that announces too many bytes is refused before any of it has come.
    let head = "POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
    let said = format!("{head}Content-Length: 1025\r\n\r\n");
    // One that announces none is refused as soon as it is too long.
    let chunk = "x".repeat(1025);
    let unsaid = format!("{head}Transfer-Encoding: chunked\r\n\r\n401\r\n{chunk}\r\n");
    for request in [said, unsaid] {
        let mut connection = TcpStream::connect(server.address()).await.expect("one");
        connection
            .write_all(request.as_bytes())
            .await
            .expect("sent");
        let mut status = [0; 12];
        let answer = within("an answer", connection.read_exact(&mut status));
        answer.await.expect("an answer");
        assert_eq!(&status, b"HTTP/1.1 413");
    }
    server.stop().await;
}

#[tokio::test]
async fn answer_has_the_media_type_that_the_client_prefers() {
    let server = TestServer::start().await;
    for (accept, expected) in [
        ("*/*", JSON),
        ("application/*", JSON),
        (JSON, JSON),
        (GRAPHQL, GRAPHQL),
        ("Application/GraphQL-Response+JSON; charset=utf-8", GRAPHQL),
        (
            "application/graphql-response+json, application/json;q=0.9",
            GRAPHQL,
        ),
        (
            "application/json;q=0.9, application/graphql-response+json",
            GRAPHQL,
        ),
        (
            "application/graphql-response+json;q=0.5, application/json",
            JSON,
        ),
        (
            "application/json;q=0, application/graphql-response+json;q=0.1",
            GRAPHQL,
        ),
        ("text/html, */*;q=0.1", JSON),
    ] {
        let reply = server
            .client()
            .accepting(accept)
            .try_send("{ me { id } }", json!({}))
            .await;
        assert_eq!(
            (reply.status, media_type(&reply)),
            (StatusCode::OK, expected),
            "{accept}"
        );
        assert_eq!(reply.body, json!({"data": {"me": null}}));
    }
    for accept in [
        "text/html",
        "image/png, text/plain",
        "application/json;q=0",
        "nonsense",
    ] {
        let reply = server
            .client()
            .accepting(accept)
            .try_send(WRITE, json!({}))
            .await;
        assert_eq!(reply.status, StatusCode::NOT_ACCEPTABLE, "{accept}");
        assert_eq!(refusal(&reply), json!("GRAPHQL_VALIDATION_FAILED"));
    }
    server.stop().await;
}

#[tokio::test]
async fn invalid_document_sets_error_code_and_newer_types_status() {
    let server = TestServer::start().await;
    let (parse, validation) = ("GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED");
    let post = "query($id: ID!) { post(id: $id) { id } }";
    let write =
        "mutation($input: CreateCommentInput!) { createComment(input: $input) { comment { id } } }";
    for (query, variables, code) in [
        ("", json!({}), parse),
        ("{", json!({}), parse),
        ("{ me { id } ", json!({}), parse),
        ("{ me { id } } }", json!({}), parse),
        ("# nothing", json!({}), parse),
        ("{ me }", json!({}), validation),
        ("{ you { id } }", json!({}), validation),
        ("{ me { id { x } } }", json!({}), validation),
        ("{ post { id } }", json!({}), validation),
        (
            "{ post(id: \"hello\", x: 1) { id } }",
            json!({}),
            validation,
        ),
        ("{ post(id: true) { id } }", json!({}), validation),
        (
            "{ posts(first: \"1\") { nodes { id } } }",
            json!({}),
            validation,
        ),
        ("{ me { ...F } }", json!({}), validation),
        (
            "{ me { id } } fragment F on User { id }",
            json!({}),
            validation,
        ),
        ("fragment F on User { id }", json!({}), validation),
        (
            "{ post(id: $id) { id } }",
            json!({"id": "hello"}),
            validation,
        ),
        (
            "query($id: Comment) { post(id: $id) { id } }",
            json!({"id": "hello"}),
            validation,
        ),
        (post, json!({}), validation),
        (post, json!({"id": null}), validation),
        (
            "query($id: ID! = \"hello\") { post(id: $id) { id } }",
            json!({"id": null}),
            validation,
        ),
        (post, json!({"id": true}), validation),
        (post, json!({"id": ["hello", "hello"]}), validation),
        (post, json!({"id": {}}), validation),
        (post, json!({"id": 1.5}), validation),
        (
            "query($n: Int) { posts(first: $n) { nodes { id } } }",
            json!({"n": "1"}),
            validation,
        ),
        (write, json!({"input": null}), validation),
        (write, json!({"input": {}}), validation),
        (write, json!({"input": {"postId": "hello"}}), validation),
        (
            write,
            json!({"input": {"postId": "hello", "body": null}}),
            validation,
        ),
        (
            write,
            json!({"input": {"postId": "hello", "body": 7}}),
            validation,
        ),
        (
            write,
            json!({"input": {"postId": "hello", "body": "b", "more": 1}}),
            validation,
        ),
    ] {
        let ada = server.reader("ada");
        for (accept, status) in [(JSON, StatusCode::OK), (GRAPHQL, StatusCode::BAD_REQUEST)] {
            let reply = ada
                .clone()
                .accepting(accept)
                .try_send(query, variables.clone())
                .await;
            assert_eq!(
                reply.body.get("data"),
                None,
                "{query} {variables}: {:?}",
                reply.body
            );
            assert_eq!(
                reply.body["errors"][0]["extensions"]["code"],
                json!(code),
                "{query} {variables}: {:?}",
                reply.body
            );
            assert_eq!(reply.status, status, "{query} {variables}");
        }
    }
    assert_eq!(comments(&server).await, json!(0));
    server.stop().await;
}

#[tokio::test]
async fn field_error_is_status_200_in_either_media_type() {
    let server = TestServer::start().await;
    for accept in [JSON, GRAPHQL] {
        let query = "{ me { id } posts(first: 1000) { nodes { id } } }";
        let reply = server
            .client()
            .accepting(accept)
            .try_send(query, json!({}))
            .await;
        assert_eq!(reply.status, StatusCode::OK);
        assert_eq!(reply.body["data"], json!(null), "posts is never null");
        assert_eq!(reply.error()["path"], json!(["posts"]));
        assert_eq!(reply.error()["extensions"]["code"], json!("BAD_USER_INPUT"));
    }
    server.stop().await;
}

#[tokio::test]
async fn operation_name_selects_the_operation() {
    let server = TestServer::start().await;
    let two = "query A { a: __typename } query B { b: __typename }";
    let send = async |query: &str, name: Value| {
        let body = json!({"query": query, "operationName": name});
        server.client().post(JSON, body.to_string()).await
    };
    assert_eq!(
        send(two, json!("A")).await.body,
        json!({"data": {"a": "Query"}})
    );
    assert_eq!(
        send(two, json!("B")).await.body,
        json!({"data": {"b": "Query"}})
    );
    assert_eq!(
        send("query A { a: __typename }", json!(null)).await.body,
        json!({"data": {"a": "Query"}})
    );
    for (query, name) in [
        (two, json!(null)),
        (two, json!("C")),
        (two, json!("")),
        ("{ a: __typename }", json!("A")),
    ] {
        let reply = send(query, name.clone()).await;
        assert_eq!(
            refusal(&reply),
            json!("GRAPHQL_VALIDATION_FAILED"),
            "{query} {name}"
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn get_executes_only_queries() {
    let server = TestServer::start().await;
    let ada = server.reader("ada");
    let query = "query A($id: ID!) { post(id: $id) { title } } query B { me { id } }";
    let hello = json!({"data": {"post": {"title": "Hello"}}});
    let variables = "{\"id\":\"hello\"}";
    let reply = ada
        .get(&[
            ("query", query),
            ("operationName", "A"),
            ("variables", variables),
        ])
        .await;
    assert_eq!((reply.status, reply.body), (StatusCode::OK, hello));
    let reply = ada
        .get(&[
            ("query", query),
            ("operationName", "B"),
            ("variables", ""),
            ("extensions", "{}"),
        ])
        .await;
    assert_eq!(reply.body, json!({"data": {"me": {"id": "ada"}}}));
    let vary = reply.headers.get_all("vary").iter();
    let vary = vary.map(|line| line.to_str().expect("a text"));
    assert!(
        vary.into_iter()
            .any(|line| line == "accept, authorization, x-client-id"),
        "{:?}",
        reply.headers
    );

    let both = format!("{WRITE} query Q {{ me {{ id }} }}").replace("mutation", "mutation M");
    let reply = ada.get(&[("query", &both), ("operationName", "Q")]).await;
    assert_eq!(
        reply.body,
        json!({"data": {"me": {"id": "ada"}}}),
        "the mutation is not the one asked for"
    );
    for (query, name) in [(WRITE, ""), (&both, "M")] {
        for accept in [JSON, GRAPHQL] {
            let reply = ada
                .clone()
                .accepting(accept)
                .get(&[("query", query), ("operationName", name)])
                .await;
            assert_eq!(reply.status, StatusCode::METHOD_NOT_ALLOWED);
            assert_eq!(reply.headers["allow"], "POST");
            assert_eq!(refusal(&reply), json!("GRAPHQL_VALIDATION_FAILED"));
        }
    }
    assert_eq!(comments(&server).await, json!(0));

    for parameters in [
        &[][..],
        &[("query", "")],
        &[("variables", "{}")],
        &[("query", "{ me { id } }"), ("variables", "[]")],
        &[("query", "{ me { id } }"), ("variables", "{")],
        &[("query", "{ me { id } }"), ("variables", "7")],
        &[("query", "{ me { id } }"), ("extensions", "x")],
    ] {
        let reply = ada.get(parameters).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{parameters:?}");
        assert_eq!(refusal(&reply), json!("GRAPHQL_VALIDATION_FAILED"));
    }
    server.stop().await;
}

#[tokio::test]
async fn other_methods_are_not_allowed() {
    let server = TestServer::start().await;
    for method in [Method::PUT, Method::PATCH, Method::DELETE] {
        let url = server.url("/graphql");
        let answer = reqwest::Client::new()
            .request(method.clone(), url)
            .send()
            .await;
        let answer = answer.expect("an answer");
        assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED, "{method}");
        let allow = answer.headers()["allow"].to_str().expect("a text");
        assert!(allow.contains("GET") && allow.contains("POST"), "{allow}");
    }
    server.stop().await;
}

/// Returns a token with these claims.
fn signed(algorithm: Algorithm, secret: &str, claims: &Value) -> String {
    let key = EncodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::encode(&Header::new(algorithm), claims, &key).expect("a token")
}

#[tokio::test]
async fn invalid_token_is_an_error_and_not_an_anonymous_request() {
    let server = TestServer::start_with(&["--jwt-leeway=0s"]).await;
    let now = Timestamp::now().unix_seconds();
    let claims = json!({"sub": "ada", "name": "Ada", "role": "moderator", "exp": now + 3600});
    let good = signed(Algorithm::HS256, SECRET, &claims);
    let parts: Vec<&str> = good.split('.').collect();
    let with = |name: &str, value: Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        signed(Algorithm::HS256, SECRET, &claims)
    };
    // {"typ":"JWT","alg":"none"}
    let none = "eyJ0eXAiOiJKV1QiLCJhbGciOiJub25lIn0";
    let other = signed(Algorithm::HS256, "another secret", &claims);
    for (what, token) in [
        ("forged", other.clone()),
        ("expired", with("exp", json!(now - 1))),
        ("expired this second", with("exp", json!(now))),
        (
            "alg none without a signature",
            format!("{none}.{}.", parts[1]),
        ),
        (
            "alg none with the old signature",
            format!("{none}.{}.{}", parts[1], parts[2]),
        ),
        (
            "another algorithm",
            signed(Algorithm::HS512, SECRET, &claims),
        ),
        (
            "other claims under the signature",
            format!(
                "{}.{}.{}",
                parts[0],
                other.split('.').nth(1).expect("claims").replace('e', "f"),
                parts[2]
            ),
        ),
        ("cut", good[..good.len() - 1].to_owned()),
        (
            "without exp",
            signed(
                Algorithm::HS256,
                SECRET,
                &json!({"sub": "ada", "name": "Ada"}),
            ),
        ),
        ("without sub", with("sub", json!(""))),
        ("unknown role", with("role", json!("admin"))),
        ("no token", "x".to_owned()),
        ("two parts", format!("{}.{}", parts[0], parts[1])),
    ] {
        for accept in [JSON, GRAPHQL] {
            let client = server.client().with_token(&token).accepting(accept);
            let reply = client.try_send(WRITE, json!({})).await;
            assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{what}: {reply:?}");
            assert_eq!(refusal(&reply), json!("UNAUTHENTICATED"), "{what}");
            assert_eq!(
                reply.headers["www-authenticate"],
                "Bearer error=\"invalid_token\""
            );
            let reply = client.get(&[("query", "{ me { id } }")]).await;
            assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{what}");
        }
    }
    assert_eq!(comments(&server).await, json!(0));
    let me = "{ me { id } }";
    let data = server.client().with_token(&good).send(me, json!({})).await;
    assert_eq!(data, json!({"me": {"id": "ada"}}));
    server.stop().await;
}

#[tokio::test]
async fn bearer_prefix_is_optional_and_case_insensitive() {
    let server = TestServer::start().await;
    let token = token("ada", "Ada", Role::Reader);
    let send = async |authorization: &str| {
        let request = reqwest::Client::new().post(server.url("/graphql"));
        let request = request
            .header("authorization", authorization)
            .header("content-type", JSON);
        let answer = request
            .body(json!({"query": "{ me { id } }"}).to_string())
            .send()
            .await;
        answer.expect("an answer")
    };
    for authorization in [
        format!("Bearer {token}"),
        format!("bearer {token}"),
        format!("BEARER  {token}"),
        token.clone(),
    ] {
        let answer: Value = send(&authorization).await.json().await.expect("JSON");
        assert_eq!(
            answer,
            json!({"data": {"me": {"id": "ada"}}}),
            "{authorization}"
        );
    }
    for blank in ["", " "] {
        let answer: Value = send(blank).await.json().await.expect("JSON");
        assert_eq!(answer, json!({"data": {"me": null}}), "{blank:?}");
    }
    for authorization in [
        "Bearer",
        "Bearer ",
        "Bearer null",
        "null",
        "Basic YTpi",
        &format!("Basic {token}"),
    ] {
        assert_eq!(
            send(authorization).await.status(),
            StatusCode::UNAUTHORIZED,
            "{authorization:?}"
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn request_must_name_the_client_as_its_header_does() {
    let server = TestServer::start().await;
    for (client, status) in [
        ("tab-1", StatusCode::OK),
        ("tab-2", StatusCode::BAD_REQUEST),
    ] {
        let body = json!({"query": "{ me { id } }", "extensions": {"clientId": client}});
        let named = server.client().named("tab-1").accepting(GRAPHQL);
        let reply = named.post("application/json", body.to_string()).await;
        assert_eq!(reply.status, status, "{reply:?}");
        if status != StatusCode::OK {
            let extensions = json!({"code": "BAD_USER_INPUT", "field": "clientId"});
            assert_eq!(reply.error()["extensions"], extensions);
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn client_id_has_1_to_64_permitted_characters() {
    let server = TestServer::start().await;
    let me = "{ me { id } }";
    for name in ["a", "AZaz09._-", &"x".repeat(64)] {
        server.client().named(name).send(me, json!({})).await;
    }
    for name in ["", " ", "a b", "a/b", "a:b", "é", &"x".repeat(65)] {
        for accept in [JSON, GRAPHQL] {
            let reply = server
                .reader("ada")
                .named(name)
                .accepting(accept)
                .try_send(WRITE, json!({}))
                .await;
            assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{name:?}");
            assert_eq!(refusal(&reply), json!("BAD_USER_INPUT"));
            assert_eq!(reply.error()["extensions"]["field"], json!("X-Client-Id"));
        }
    }
    assert_eq!(comments(&server).await, json!(0));
    server.stop().await;
}

#[tokio::test]
async fn hostile_text_shows_no_database_error() {
    let server = TestServer::start().await;
    let moderator = server
        .client()
        .with_token(&token("m", "M", Role::Moderator));
    let hostile = [
        "'",
        "\"",
        "'; DROP TABLE comment; --",
        "\u{0}",
        "%",
        "\u{10ffff}",
        "\u{202e}",
    ];
    let write = "mutation($x: ID!, $s: String!) {
        a: createPost(input: { id: $x, title: $s }) { post { id } }
        b: createComment(input: { postId: $x, body: $s, parentId: $x }) { comment { id } }
        c: editComment(input: { id: $x, body: $s }) { comment { id } }
        d: deleteComment(input: { id: $x }) { comment { id } }
    }";
    let read = "query($x: ID!, $s: String!) {
        a: post(id: $x) { id } b: comment(id: $x) { id } c: posts(after: $s) { nodes { id } }
    }";
    for text in hostile {
        for query in [write, read] {
            let reply = moderator
                .try_send(query, json!({"x": text, "s": text}))
                .await;
            let shown = reply.body.to_string().to_lowercase();
            assert!(
                !shown.contains("internal_server_error"),
                "{text:?}: {shown}"
            );
            for word in [
                "sqlite",
                "select ",
                "insert ",
                "update ",
                "syntax",
                "constraint",
                "sqlx",
            ] {
                assert!(!shown.contains(word), "{text:?}: {shown}");
            }
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn only_the_known_pages_are_served() {
    let server = TestServer::start().await;
    let get = async |path: &str| reqwest::get(server.url(path)).await.expect("an answer");
    for (path, media_type) in [
        ("/", "text/html; charset=utf-8"),
        ("/graphiql", "text/html; charset=utf-8"),
        ("/demo/app.js", "text/javascript; charset=utf-8"),
        ("/demo/style.css", "text/css; charset=utf-8"),
        ("/demo/icon.svg", "image/svg+xml"),
        ("/graphiql/main.js", "text/javascript; charset=utf-8"),
        ("/graphiql/style.css", "text/css; charset=utf-8"),
    ] {
        let answer = get(path).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        assert_eq!(answer.headers()["content-type"], media_type, "{path}");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("x-frame-options", "DENY"),
        ] {
            assert_eq!(answer.headers()[name], value, "{path}");
        }
        let policy = answer.headers()["content-security-policy"].to_str();
        let policy = policy.expect("a text");
        for rule in [
            "default-src 'none'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        ] {
            assert!(policy.contains(rule), "{path}: {policy}");
        }
        let scripts = policy.split(';').find(|rule| rule.contains("script-src"));
        let scripts = scripts.expect("a rule for scripts");
        assert!(
            !scripts.contains("unsafe") && !scripts.contains('*'),
            "{scripts}"
        );
        assert!(
            answer.headers()["permissions-policy"]
                .to_str()
                .is_ok_and(|list| list.contains("camera=()"))
        );
        assert!(!answer.text().await.expect("a text").is_empty(), "{path}");
    }
    for path in [
        "/demo",
        "/demo/",
        "/demo/none.js",
        "/demo/..%2f..%2fCargo.toml",
        "/demo/%2fetc%2fpasswd",
        "/demo/%00",
        "/index.html",
        "/graphiql/",
        "/graphiql/none.js",
        "/graphql/x",
        "/GraphQL",
        "/Cargo.toml",
        "/.env",
    ] {
        assert_eq!(get(path).await.status(), StatusCode::NOT_FOUND, "{path}");
    }
    server.stop().await;
}

#[tokio::test]
async fn cors_allows_listed_origins_any_header() {
    // The API's own headers, and those of Apollo, Sentry and Trace Context.
    const ASKED: [&str; 9] = [
        "accept",
        "apollographql-client-name",
        "authorization",
        "baggage",
        "content-type",
        "sentry-trace",
        "traceparent",
        "tracestate",
        "x-client-id",
    ];
    let server = TestServer::start_with(&[
        "--allowed-origins=https://a.example,capacitor://localhost",
        "--auto-open-posts=https://blog.example",
    ])
    .await;
    let preflight = async |origin: &str| {
        let request = reqwest::Client::new()
            .request(Method::OPTIONS, server.url("/graphql"))
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", ASKED.join(","));
        let response = request.send().await.expect("an answer");
        let header = |name| Some(response.headers().get(name)?.to_str().ok()?.to_owned());
        (
            header("access-control-allow-origin"),
            header("access-control-allow-headers"),
        )
    };
    for origin in [
        "https://a.example",
        "capacitor://localhost",
        "https://blog.example",
    ] {
        let (allowed, headers) = preflight(origin).await;
        assert_eq!(allowed.as_deref(), Some(origin));
        let headers = headers.expect("headers").to_lowercase();
        for name in ASKED {
            assert!(headers.contains(name), "{headers}");
        }
    }
    assert_eq!(preflight("https://c.example").await.0, None);
    server.stop().await;
}

/// Returns the status line of a WebSocket handshake with these headers.
async fn handshake(server: &TestServer, headers: &str) -> String {
    let mut connection = TcpStream::connect(server.address()).await.expect("one");
    let request = upgrade_request(Some("graphql-transport-ws"));
    let request = request.replace("\r\n\r\n", &format!("\r\n{headers}\r\n"));
    connection
        .write_all(request.as_bytes())
        .await
        .expect("sent");
    let mut status = [0; 12];
    let answer = within("an answer", connection.read_exact(&mut status));
    answer.await.expect("an answer");
    String::from_utf8(status.to_vec()).expect("a text")
}

#[tokio::test]
async fn websocket_accepts_listed_origins_and_non_browsers() {
    let settings = [
        "--allowed-origins=https://a.example",
        "--auto-open-posts=https://blog.example",
    ];
    let server = TestServer::start_with(&settings).await;
    for (headers, status) in [
        ("", "101"),
        ("Origin: https://a.example\r\n", "101"),
        ("Origin: https://blog.example\r\n", "101"),
        // The server's own page: the request says Host: localhost.
        ("Origin: http://localhost\r\n", "101"),
        ("Origin: https://localhost\r\n", "101"),
        ("Origin: http://localhost:8000\r\n", "403"),
        ("Origin: https://b.example\r\n", "403"),
        ("Origin: null\r\n", "403"),
        (
            "Sec-Fetch-Site: cross-site\r\nOrigin: https://a.example.evil\r\n",
            "403",
        ),
    ] {
        let head = handshake(&server, headers).await;
        assert_eq!(head, format!("HTTP/1.1 {status}"), "{headers}");
    }
    server.stop().await;
}

/// The requests that a page of another site can make a browser send without a preflight: a GET, by whatever
/// element, and a form.
#[tokio::test]
async fn cross_site_requests_without_preflight_execute_nothing() {
    let server = TestServer::start_with(&["--allowed-origins=https://a.example"]).await;
    let url = server.url("/graphql?query=%7B__typename%7D");
    let form = "query=mutation%7BcreateComment(input%3A%7BpostId%3A%22hello%22%7D)%7D";
    let page = [("sec-fetch-site", "cross-site")];
    let fetch = [
        ("sec-fetch-site", "cross-site"),
        ("origin", "https://b.example"),
    ];
    let neighbour = [
        ("sec-fetch-site", "same-site"),
        ("origin", "https://c.a.example"),
    ];
    let http = reqwest::Client::new();
    for headers in [&page[..], &fetch, &neighbour] {
        for accept in [
            "*/*",
            JSON,
            GRAPHQL,
            "text/event-stream",
            "text/html,*/*;q=0.8",
        ] {
            let mut get = http.get(&url).header("accept", accept);
            let mut post = http.post(server.url("/graphql")).header("accept", accept);
            for (name, value) in headers {
                get = get.header(*name, *value);
                post = post.header(*name, *value);
            }
            let simple = ["text/plain", "application/x-www-form-urlencoded", JSON];
            for content_type in simple {
                let post = post.try_clone().expect("no stream");
                let post = post.header("content-type", content_type).body(form);
                let answer = post.send().await.expect("an answer");
                assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{content_type}");
            }
            let answer = get.send().await.expect("an answer");
            assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{accept}");
            assert!(
                answer
                    .headers()
                    .get("access-control-allow-origin")
                    .is_none()
            );
            let body: Value = answer.json().await.expect("JSON");
            assert_eq!(body.get("data"), None);
            assert_eq!(body["errors"][0]["extensions"]["code"], json!("FORBIDDEN"));
        }
    }
    // Without the browser's headers, a body that is not JSON is still refused.
    for content_type in ["text/plain", "application/x-www-form-urlencoded"] {
        let reply = server.client().post(content_type, form).await;
        assert_eq!(reply.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    // A page of an allowed origin, the server's own page, and a URL typed into the address bar.
    for headers in [
        &[
            ("sec-fetch-site", "cross-site"),
            ("origin", "https://a.example"),
        ][..],
        &[("sec-fetch-site", "same-origin")],
        &[("sec-fetch-site", "none")],
        &[],
    ] {
        let mut get = http.get(&url);
        for (name, value) in headers {
            get = get.header(*name, *value);
        }
        let answer = get.send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::OK, "{headers:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn answers_carry_nosniff_and_a_closed_policy() {
    let server = TestServer::start().await;
    let client = server.client();
    for reply in [
        client.try_send("{ __typename }", json!({})).await,
        client.try_send("{", json!({})).await,
        client.get(&[("query", "{ __typename }")]).await,
    ] {
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            (
                "content-security-policy",
                "default-src 'none'; frame-ancestors 'none'",
            ),
            ("cross-origin-resource-policy", "same-origin"),
            ("referrer-policy", "no-referrer"),
        ] {
            assert_eq!(reply.headers[name], value);
        }
    }
    // The same holds for the operator's paths and for missing pages.
    for path in ["/healthz", "/readyz", "/metrics", "/demo/none.js"] {
        let answer = reqwest::get(server.url(path)).await.expect("an answer");
        assert_eq!(
            answer.headers()["x-content-type-options"],
            "nosniff",
            "{path}"
        );
        let policy = answer.headers()["content-security-policy"].to_str();
        assert!(policy.is_ok_and(|policy| policy.starts_with("default-src 'none'")));
    }
    server.stop().await;
}
