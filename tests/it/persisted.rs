//! Apollo's automatic persisted queries: a document is named by its hash, once it was sent with it.

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

async fn ask(client: &Client, query: &str) -> Reply {
    let body = json!({"extensions": extensions(query)});
    client.post(JSON, body.to_string()).await
}

async fn tell(client: &Client, query: &str) -> Reply {
    let body = json!({"query": query, "extensions": extensions(query)});
    client.post(JSON, body.to_string()).await
}

fn code(reply: &Reply) -> Value {
    assert_eq!(reply.body.get("data"), None, "{reply:?}");
    reply.error()["extensions"]["code"].clone()
}

#[tokio::test]
async fn a_hash_that_is_not_known_is_refused_in_the_words_that_clients_look_for() {
    let server = TestServer::start().await;
    for (accept, status) in [(JSON, StatusCode::OK), (GRAPHQL, StatusCode::BAD_REQUEST)] {
        let client = server.client().accepting(accept);
        let by_post = ask(&client, ME).await;
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
async fn a_document_that_was_sent_with_its_hash_is_known_by_it_to_everybody() {
    let server = TestServer::start().await;
    let expected = json!({"data": {"me": null}});
    assert_eq!(tell(&server.client(), ME).await.body, expected);
    assert_eq!(ask(&server.client(), ME).await.body, expected);
    let reply = ask(&server.reader("ada"), ME).await;
    assert_eq!(reply.body, json!({"data": {"me": {"id": "ada"}}}));
    let (extensions, variables) = (extensions(ME).to_string(), json!({}).to_string());
    let parameters = [
        ("operationName", "Me"),
        ("variables", &variables),
        ("extensions", &extensions),
    ];
    assert_eq!(server.client().get(&parameters).await.body, expected);
    // It is known whichever way it was sent.
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
        ask(&server.client(), other).await.body,
        json!({"data": {"__typename": "Query"}})
    );
    server.stop().await;
}

#[tokio::test]
async fn a_document_with_another_hash_is_refused_and_not_kept() {
    let server = TestServer::start().await;
    let client = server.client();
    let forged = json!({"query": "{ posts { nodes { id } } }", "extensions": extensions(ME)});
    let reply = client.post(JSON, forged.to_string()).await;
    assert_eq!(code(&reply), json!("BAD_USER_INPUT"));
    let field = "extensions.persistedQuery.sha256Hash";
    assert_eq!(reply.error()["extensions"]["field"], json!(field));
    assert_eq!(
        code(&ask(&client, ME).await),
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
async fn what_is_not_a_document_is_not_kept() {
    let server = TestServer::start().await;
    for query in ["{", "", "nonsense"] {
        let reply = tell(&server.client(), query).await;
        assert_eq!(code(&reply), json!("GRAPHQL_PARSE_FAILED"), "{query}");
        let reply = ask(&server.client(), query).await;
        assert_eq!(code(&reply), json!("PERSISTED_QUERY_NOT_FOUND"), "{query}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_mutation_by_its_hash_is_for_post_alone() {
    let server = TestServer::start().await;
    let write = "mutation { createComment(input: { postId: \"hello\", body: \"b\" }) {
        comment { body }
    } }";
    let ada = server.reader("ada");
    tell(&ada, write).await;
    let extensions = extensions(write).to_string();
    let reply = ada.get(&[("extensions", &extensions)]).await;
    assert_eq!(reply.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(reply.headers["allow"], "POST");
    assert_eq!(ada.bodies().await, ["b"]);
    ask(&ada, write).await;
    assert_eq!(ada.bodies().await, ["b", "b"]);
    server.stop().await;
}

#[tokio::test]
async fn a_subscription_may_be_named_by_its_hash_on_every_transport() {
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
    server.until_census(0, 0).await;
    let mut events = Streaming::open(server.address(), &request).await;
    assert_eq!(events.event_data().await, expected);
    events.vanish();
    server.until_census(0, 0).await;
    let request = by_hash("multipart/mixed;subscriptionSpec=1.0");
    let mut parts = Streaming::open(server.address(), &request).await;
    assert_eq!(parts.part_data().await, expected);
    parts.vanish();
    socket.close().await;
    server.stop().await;
}

#[tokio::test]
async fn at_the_bound_the_document_that_was_named_least_lately_is_sent_again() {
    let server = TestServer::start_with(&["--persisted-queries=2"]).await;
    let client = server.client();
    let queries = [
        "{ a: __typename }",
        "{ b: __typename }",
        "{ c: __typename }",
    ];
    for query in queries {
        tell(&client, query).await;
    }
    let unknown = json!("PERSISTED_QUERY_NOT_FOUND");
    assert_eq!(code(&ask(&client, queries[0]).await), unknown);
    for query in &queries[1..] {
        assert_eq!(ask(&client, query).await.body.get("errors"), None);
    }
    server.stop().await;

    let server = TestServer::start_with(&["--persisted-query-bytes=1024"]).await;
    let client = server.client();
    let long = |name: &str| format!("{{ {name}: __typename }} #{}", "x".repeat(600));
    for name in ["a", "b"] {
        tell(&client, &long(name)).await;
    }
    assert_eq!(code(&ask(&client, &long("a")).await), unknown);
    assert_eq!(ask(&client, &long("b")).await.body.get("errors"), None);
    server.stop().await;
}

#[tokio::test]
async fn nothing_is_known_any_more_after_a_restart() {
    let server = TestServer::start().await;
    tell(&server.client(), ME).await;
    let folder = server.shut_down().await;
    let server = TestServer::start_in(folder, &[]).await;
    let reply = ask(&server.client(), ME).await;
    assert_eq!(code(&reply), json!("PERSISTED_QUERY_NOT_FOUND"));
    server.stop().await;
}
