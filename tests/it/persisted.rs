//! Apollo's automatic persisted queries: a document can be named by its hash after it was sent with it.

use causerie::graphql::QueryHash;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{Client, Reply, Request, Streaming, TestServer};

const JSON: &str = "application/json";
const GRAPHQL: &str = "application/graphql-response+json";
const ME: &str = "query Me { me { id } }";
const VIEWERS: &str = "subscription { viewerCount(postId: \"hello\") }";

fn extensions(query: &str) -> Value {
    json!({"persistedQuery": {"version": 1, "sha256Hash": QueryHash::of(query).to_string()}})
}

async fn send_hash(client: &Client, query: &str) -> Reply {
    let body = json!({"extensions": extensions(query)});
    client.post(JSON, body.to_string()).await
}

async fn send_both(client: &Client, query: &str) -> Reply {
    let body = json!({"query": query, "extensions": extensions(query)});
    client.post(JSON, body.to_string()).await
}

fn code(reply: &Reply) -> Value {
    assert_eq!(reply.body.get("data"), None, "{reply:?}");
    reply.error()["extensions"]["code"].clone()
}

#[tokio::test]
async fn unknown_hash_is_refused_with_the_message_clients_expect() {
    let server = TestServer::start().await;
    for (accept, status) in [(JSON, StatusCode::OK), (GRAPHQL, StatusCode::BAD_REQUEST)] {
        let client = server.client().accepting(accept);
        let by_post = send_hash(&client, ME).await;
        let extensions = extensions(ME).to_string();
        let by_get = client.get(&[("extensions", &extensions)]).await;
        for reply in [by_post, by_get] {
            assert_eq!(reply.status, status);
            assert_eq!(code(&reply), json!("PERSISTED_QUERY_NOT_FOUND"));
            assert_eq!(reply.error()["message"], json!("PersistedQueryNotFound"));
            assert_eq!(reply.headers["cache-control"], "no-store");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn document_sent_with_its_hash_is_known_to_all_clients() {
    let server = TestServer::start().await;
    let expected = json!({"data": {"me": null}});
    assert_eq!(send_both(&server.client(), ME).await.body, expected);
    assert_eq!(send_hash(&server.client(), ME).await.body, expected);
    let reply = send_hash(&server.reader("ada"), ME).await;
    assert_eq!(reply.body, json!({"data": {"me": {"id": "ada"}}}));
    let (extensions, variables) = (extensions(ME).to_string(), json!({}).to_string());
    let parameters = [
        ("operationName", "Me"),
        ("variables", &variables),
        ("extensions", &extensions),
    ];
    assert_eq!(server.client().get(&parameters).await.body, expected);
    // It is known however it was sent.
    let other = "{ __typename }";
    let parameters = [("query", other), ("extensions", &extensions.clone())];
    assert_eq!(
        code(&server.client().get(&parameters).await),
        "BAD_USER_INPUT"
    );
    let extensions = self::extensions(other).to_string();
    let parameters = [("query", other), ("extensions", &extensions)];
    server.client().get(&parameters).await;
    assert_eq!(
        send_hash(&server.client(), other).await.body,
        json!({"data": {"__typename": "Query"}})
    );
    server.stop().await;
}

#[tokio::test]
async fn document_with_a_wrong_hash_is_refused_and_not_stored() {
    let server = TestServer::start().await;
    let client = server.client();
    let forged = json!({"query": "{ posts { nodes { id } } }", "extensions": extensions(ME)});
    let reply = client.post(JSON, forged.to_string()).await;
    assert_eq!(code(&reply), json!("BAD_USER_INPUT"));
    let field = "extensions.persistedQuery.sha256Hash";
    assert_eq!(reply.error()["extensions"]["field"], json!(field));
    assert_eq!(
        code(&send_hash(&client, ME).await),
        json!("PERSISTED_QUERY_NOT_FOUND")
    );
    for (version, hash) in [(json!(2), "0"), (json!(1), "0"), (json!(null), "")] {
        let persisted = json!({"version": version, "sha256Hash": hash});
        let body = json!({"query": ME, "extensions": {"persistedQuery": persisted}});
        let reply = client.post(JSON, body.to_string()).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST);
        assert!(
            reply.error()["message"]
                .to_string()
                .contains("persistedQuery")
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn invalid_document_is_not_stored() {
    let server = TestServer::start().await;
    for query in ["{", "", "nonsense"] {
        let reply = send_both(&server.client(), query).await;
        assert_eq!(code(&reply), json!("GRAPHQL_PARSE_FAILED"), "{query}");
        let reply = send_hash(&server.client(), query).await;
        assert_eq!(code(&reply), json!("PERSISTED_QUERY_NOT_FOUND"), "{query}");
    }
    server.stop().await;
}

#[tokio::test]
async fn mutation_by_hash_is_refused_over_get() {
    let server = TestServer::start().await;
    let write = "mutation { createComment(input: { postId: \"hello\", body: \"b\" }) {
        comment { body }
    } }";
    let ada = server.reader("ada");
    send_both(&ada, write).await;
    let extensions = extensions(write).to_string();
    let reply = ada.get(&[("extensions", &extensions)]).await;
    assert_eq!(reply.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(reply.headers["allow"], "POST");
    assert_eq!(ada.bodies().await, ["b"]);
    send_hash(&ada, write).await;
    assert_eq!(ada.bodies().await, ["b", "b"]);
    server.stop().await;
}

#[tokio::test]
async fn subscription_by_hash_works_on_every_transport() {
    let server = TestServer::start().await;
    let expected = json!({"viewerCount": 1});
    let unknown = json!("PERSISTED_QUERY_NOT_FOUND");
    let payload = json!({"extensions": extensions(VIEWERS)});
    let subscribe = json!({"id": "v", "type": "subscribe", "payload": payload});
    let by_hash = |accept| {
        let extensions = extensions(VIEWERS).to_string();
        Request::get(&[("extensions", &extensions)]).accepting(accept)
    };

    let mut socket = server.socket().await;
    socket.send(subscribe.clone()).await;
    let error = socket.message().await;
    assert_eq!(
        error["payload"][0]["extensions"]["code"], unknown,
        "{error}"
    );
    let request = by_hash("text/event-stream");
    let mut events = Streaming::open(server.address(), &request).await;
    let next = events.event().await;
    assert_eq!(next.data["errors"][0]["extensions"]["code"], unknown);

    let mut whole = payload.clone();
    whole["query"] = json!(VIEWERS);
    let whole = json!({"id": "w", "type": "subscribe", "payload": whole});
    socket.send(whole).await;
    assert_eq!(socket.data("w").await, expected);
    socket.complete("w").await;
    socket.send(subscribe).await;
    assert_eq!(socket.data("v").await, expected);
    socket.complete("v").await;
    server.wait_for_members(0, 0).await;
    let mut events = Streaming::open(server.address(), &request).await;
    assert_eq!(events.event_data().await, expected);
    events.vanish();
    server.wait_for_members(0, 0).await;
    let request = by_hash("multipart/mixed;subscriptionSpec=1.0");
    let mut parts = Streaming::open(server.address(), &request).await;
    assert_eq!(parts.part_data().await, expected);
    parts.vanish();
    socket.close().await;
    server.stop().await;
}

#[tokio::test]
async fn least_recently_used_document_is_evicted_at_either_bound() {
    let server = TestServer::start_with(&["--persisted-queries=2"]).await;
    let client = server.client();
    let queries = [
        "{ a: __typename }",
        "{ b: __typename }",
        "{ c: __typename }",
    ];
    for query in queries {
        send_both(&client, query).await;
    }
    let unknown = json!("PERSISTED_QUERY_NOT_FOUND");
    assert_eq!(code(&send_hash(&client, queries[0]).await), unknown);
    for query in &queries[1..] {
        assert_eq!(send_hash(&client, query).await.body.get("errors"), None);
    }
    server.stop().await;

    let server = TestServer::start_with(&["--persisted-query-bytes=1024"]).await;
    let client = server.client();
    let long = |name: &str| format!("{{ {name}: __typename }} #{}", "x".repeat(600));
    for name in ["a", "b"] {
        send_both(&client, &long(name)).await;
    }
    assert_eq!(code(&send_hash(&client, &long("a")).await), unknown);
    assert_eq!(
        send_hash(&client, &long("b")).await.body.get("errors"),
        None
    );
    server.stop().await;
}

#[tokio::test]
async fn restart_forgets_persisted_documents() {
    let server = TestServer::start().await;
    send_both(&server.client(), ME).await;
    let folder = server.shut_down().await;
    let server = TestServer::start_in(folder, &[]).await;
    let reply = send_hash(&server.client(), ME).await;
    assert_eq!(code(&reply), json!("PERSISTED_QUERY_NOT_FOUND"));
    server.stop().await;
}
