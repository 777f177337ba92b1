//! Traces: if a collector is configured, each operation is sent to it as a span.

use std::sync::Arc;

use axum::{Router, body::Bytes, extract::State, http::HeaderMap, routing::post};
use causerie::model::Role;
use serde_json::json;
use testkit::port::free_port;
use tokio::{net::TcpListener, sync::mpsc};

use crate::support::{Program, Signal, causerie, start_node, token, within};

/// Starts a collector that accepts OTLP over HTTP and passes on the raw bodies.
async fn collector() -> (String, mpsc::Receiver<Vec<u8>>) {
    let (sender, received) = mpsc::channel(100);
    let take = async |State(sender): State<Arc<mpsc::Sender<Vec<u8>>>>,
                      headers: HeaderMap,
                      body: Bytes| {
        assert_eq!(headers["content-type"], "application/x-protobuf");
        sender.send(body.to_vec()).await.expect("somebody listens");
    };
    let router = Router::new().route("/v1/traces", post(take));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let serving = axum::serve(listener, router.with_state(Arc::new(sender)));
    tokio::spawn(serving.into_future());
    (format!("http://{address}"), received)
}

fn has(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[tokio::test]
async fn mutation_is_a_span_of_its_senders_trace() {
    let (address, mut received) = collector().await;
    let folder = tempfile::tempdir().expect("a folder");
    let settings = [
        &format!("--otel-exporter-otlp-endpoint={address}"),
        // The log level does not affect spans.
        "--log=warn",
    ];
    let mut server = start_node(folder.path(), &settings).await;
    let query = "mutation OpenIt { createPost(input: { id: \"hello\", title: \"a-secret\" }) { post { id } } }";
    let author = token("author-1", "Author", Role::Author);
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let http = reqwest::Client::new();
    let request = http
        .post(format!("http://{}/graphql", server.address()))
        .bearer_auth(&author)
        .header("traceparent", format!("00-{trace}-b7ad6b7169203331-01"))
        .header("x-request-id", "the-request")
        .json(&json!({"query": query}));
    assert_eq!(request.send().await.expect("an answer").status(), 200);
    // The last spans are sent before the process ends.
    server.signal(Signal::SIGTERM);
    let ended = server.ended().await;
    assert!(ended.status.success(), "{}", ended.stderr);
    let mut spans = Vec::new();
    within("spans", async {
        spans = received.recv().await.expect("spans");
    })
    .await;
    let trace = hex::decode(trace).expect("digits");
    for part in [
        &b"causerie"[..],
        b"mutation",
        b"OpenIt",
        b"the-request",
        b"code",
        b"OK",
        &trace,
        &hex::decode("b7ad6b7169203331").expect("digits"),
    ] {
        assert!(has(&spans, part), "no {:?}", String::from_utf8_lossy(part));
    }
    assert!(!has(&spans, b"a-secret") && !has(&spans, author.as_bytes()));
    assert!(!ended.stderr.contains("OpenIt"), "{}", ended.stderr);
}

#[tokio::test]
async fn absent_collector_delays_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let setting = format!(
        "--otel-exporter-otlp-endpoint=http://127.0.0.1:{}",
        free_port()
    );
    let mut server = start_node(folder.path(), &[&setting]).await;
    server
        .client()
        .send("{ posts { nodes { id } } }", json!({}))
        .await;
    server.signal(Signal::SIGTERM);
    assert!(server.ended().await.status.success());
}

#[tokio::test]
async fn collector_url_must_be_http() {
    let mut refused = causerie(&["--otel-exporter-otlp-endpoint=https://collector.example"]);
    let said = Program::run(&mut refused).await.stderr;
    assert!(
        said.contains("--otel-exporter-otlp-endpoint") && said.contains("http://"),
        "{said}"
    );
}
