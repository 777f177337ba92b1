//! The parts of HTTP that web pages, their tools and the proxies between rely on.

use reqwest::{StatusCode, header::CACHE_CONTROL};
use serde_json::json;

use crate::support::{
    Request, Signal, Socket, Streaming, TestServer, start_node, upgrade_request, within,
};

const VIEWERS: &str = "subscription { viewerCount(postId: \"hello\") }";
const QUERY: &str = "{ me { id } }";

#[tokio::test]
async fn batch_is_refused_with_a_code_of_its_own() {
    let server = TestServer::start().await;
    let operation = json!({"query": QUERY});
    for batch in [json!([]), json!([operation]), json!([operation, operation])] {
        for accept in ["application/json", "application/graphql-response+json"] {
            let client = server.client().accepting(accept);
            let reply = client.post("application/json", batch.to_string()).await;
            assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{batch}");
            let error = reply.error();
            assert_eq!(error["extensions"]["code"], json!("BATCH_NOT_SUPPORTED"));
            let message = error["message"].as_str().expect("a text");
            assert!(
                message.starts_with("Batches are not supported"),
                "{message}"
            );
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn answer_to_get_says_how_caches_may_keep_it() {
    let server = TestServer::start().await;
    let signed_in = server.reader("ada");
    for (client, caching) in [(server.client(), "no-cache"), (signed_in, "no-store")] {
        for query in [
            QUERY,
            "{ post(id: \"hello\") { comments(first: 1000) { nodes { id } } } }",
        ] {
            let reply = client.get(&[("query", query)]).await;
            assert_eq!(reply.headers[CACHE_CONTROL], caching, "{query}");
        }
    }
    // A refusal is never kept.
    let reply = server.client().get(&[("query", "{")]).await;
    assert_eq!(reply.headers[CACHE_CONTROL], "no-store");
    server.stop().await;
}

#[tokio::test]
async fn endpoint_is_found_with_a_trailing_slash_too() {
    let server = TestServer::start().await;
    let post = |accept| Request::post(VIEWERS, json!({})).accepting(accept);
    let mut events = Streaming::open(server.address(), &post("text/event-stream").slashed()).await;
    assert_eq!(events.event_data().await, json!({"viewerCount": 1}));
    let multipart = post("multipart/mixed;subscriptionSpec=1.0").slashed();
    let mut parts = Streaming::open(server.address(), &multipart).await;
    assert_eq!(parts.part_data().await, json!({"viewerCount": 2}));

    let connection = tokio::net::TcpStream::connect(server.address()).await;
    let request = upgrade_request(Some("graphql-transport-ws")).replace("/graphql ", "/graphql/ ");
    let mut socket = Socket::upgrade(connection.expect("one"), request.as_bytes()).await;
    socket.init(json!({})).await;

    for request in [
        Request::post(QUERY, json!({})),
        Request::get(&[("query", QUERY)]),
    ] {
        let answer = Streaming::open(server.address(), &request.slashed()).await;
        assert_eq!(answer.status(), 200);
    }
    events.vanish();
    parts.vanish();
    socket.vanish();
    server.stop().await;
}

/// A page below a path of a proxy would otherwise load the files of the site's root.
#[tokio::test]
async fn pages_name_their_files_and_the_endpoint_relatively() {
    let server = TestServer::start().await;
    for path in [
        "/",
        "/graphiql",
        "/graphiql/main.js",
        "/demo/app.js",
        "/demo/api.js",
        "/demo/posts-page.js",
        "/demo/post-page.js",
    ] {
        let page = server.client().page(path).await;
        assert_eq!(page.status, StatusCode::OK, "{path}");
        let text = page.body.as_str().expect("a text");
        for absolute in ["=\"/", "'/graphql", "'/demo", "'/graphiql", "`/graphql"] {
            assert!(!text.contains(absolute), "{path} has {absolute}");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn refused_origin_is_logged_once_with_its_setting() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = ["--log=warn", "--allowed-origins=https://a.example"];
    let mut server = start_node(folder.path(), &settings).await;
    let address = server.address();
    let page = |origin| Request::post(QUERY, json!({})).with("origin", origin);
    let preflight = |origin| {
        page(origin)
            .by("OPTIONS")
            .with("access-control-request-method", "POST")
    };
    for _ in 0..3 {
        let answer = Streaming::open(address, &page("https://posted.example")).await;
        assert_eq!(answer.status(), 403);
        let answer = Streaming::open(address, &preflight("https://preflight.example")).await;
        assert_eq!(answer.header("access-control-allow-origin"), None);
        let mut connection = tokio::net::TcpStream::connect(address).await.expect("one");
        let handshake = upgrade_request(Some("graphql-transport-ws"));
        let handshake = handshake.replace("\r\n\r\n", "\r\nOrigin: https://socket.example\r\n\r\n");
        tokio::io::AsyncWriteExt::write_all(&mut connection, handshake.as_bytes())
            .await
            .expect("sent");
        let head = testkit::ws_client::head(&mut connection);
        let head = within("a head", head).await.expect("a head");
        assert!(head.starts_with("HTTP/1.1 403"), "{head}");
    }
    let answer = Streaming::open(address, &page("https://a.example")).await;
    assert_eq!(answer.status(), 200);
    server.signal(Signal::SIGTERM);
    let log = server.ended().await.stderr;
    for origin in ["posted", "preflight", "socket"] {
        let origin = format!("https://{origin}.example");
        let lines = log.lines().filter(|line| line.contains(&origin));
        let lines: Vec<&str> = lines.collect();
        assert_eq!(lines.len(), 1, "{origin}: {log}");
        assert!(lines[0].contains("ALLOWED_ORIGINS"), "{}", lines[0]);
    }
    assert!(!log.contains("https://a.example"), "{log}");
}

#[tokio::test]
async fn refused_cost_names_the_limit_and_the_costliest_field() {
    let server = TestServer::start().await;
    let query = "{ post(id: \"hello\") { all: comments(first: 100) { nodes { id
        replies(first: 100) { nodes { id body author { id name } } } } } } }";
    let error = server.client().refused(query, json!({})).await;
    let extensions = &error["extensions"];
    assert_eq!(extensions["code"], json!("QUERY_TOO_EXPENSIVE"));
    assert_eq!(extensions["limit"], json!(50_000));
    let cost = extensions["cost"].as_u64().expect("a number");
    assert!(cost > 50_000);
    let path = json!(["post", "all", "nodes", "replies"]);
    assert_eq!(extensions["path"], path);
    let message = error["message"].as_str().expect("a text");
    for part in [&cost.to_string(), "50000", "post.all.nodes.replies"] {
        assert!(message.contains(part), "{message}");
    }
    server.stop().await;
}

#[tokio::test]
async fn introspection_describes_the_schema_itself() {
    let server = TestServer::start().await;
    let query = "{ __schema { description } }";
    let data = server.client().send(query, json!({})).await;
    let description = data["__schema"]["description"].as_str().expect("a text");
    assert!(description.starts_with("Comments on the posts of a website."));
    server.stop().await;
}
