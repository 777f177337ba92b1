//! `/metrics`: events are counted with labels of few values, and each server has its own registry.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use causerie::model::Role;
use serde_json::json;
use tokio::io::AsyncReadExt;

use crate::support::{
    Request, Signal, Streaming, TestServer, database_url, start_node, token, token_for, within,
};

const FOLLOW: &str = "subscription($after: Cursor) {
    commentAdded(postId: \"hello\", after: $after) { body cursor }
}";

/// All samples, by name and labels as exported.
pub(crate) struct Samples(HashMap<String, f64>);

impl Samples {
    pub(crate) async fn of(url: &str) -> Self {
        let answer = reqwest::get(url).await.expect("an answer");
        assert_eq!(answer.status(), 200);
        assert_eq!(
            answer.headers()["content-type"],
            "text/plain; version=0.0.4; charset=utf-8"
        );
        Self::parse(&answer.text().await.expect("a text"))
    }

    fn parse(text: &str) -> Self {
        let lines = text
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        let samples = lines.map(|line| {
            let (name, value) = line.rsplit_once(' ').expect("a value");
            (name.to_owned(), value.parse().expect("a number"))
        });
        Self(samples.collect())
    }

    pub(crate) fn get(&self, name: &str) -> f64 {
        let sample = self.0.get(name);
        *sample.unwrap_or_else(|| panic!("no {name} among {:?}", self.0.keys()))
    }

    /// Returns the names of all samples. Those of a histogram keep their suffixes.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0
            .keys()
            .map(|name| name.split('{').next().expect("a name"))
    }
}

impl TestServer {
    async fn samples(&self) -> Samples {
        Samples::of(&self.url("/metrics")).await
    }

    /// Waits until a sample has this value.
    pub(crate) async fn wait_for_sample(&self, name: &str, value: f64) {
        within(&format!("{name} is {value}"), async {
            while (self.samples().await.get(name) - value).abs() > f64::EPSILON {}
        })
        .await;
    }
}

#[tokio::test]
async fn each_event_is_counted_by_its_metric() {
    let server = TestServer::start_with(&["--jwt-leeway=0s"]).await;
    let (mut one, mut other) = (server.socket().await, server.socket().await);
    for socket in [&mut one, &mut other] {
        socket.subscribe("s", FOLLOW, json!({})).await;
    }
    server.wait_for_members(1, 2).await;
    let events = Request::post(FOLLOW, json!({})).accepting("text/event-stream");
    let events = Streaming::open(server.address(), &events).await;
    server.wait_for_members(1, 3).await;
    let ada = server.reader("ada");
    ada.comment("one").await;
    ada.comment("two").await;
    for socket in [&mut one, &mut other] {
        socket.data("s").await;
        socket.data("s").await;
    }
    let query = "{ post(id: \"hello\") { commentCount } }";
    for _ in 0..3 {
        server.client().send(query, json!({})).await;
    }
    server.client().try_send("{", json!({})).await;
    server.client().try_send("{ nonsense }", json!({})).await;
    let comment =
        "mutation { createComment(input: { postId: \"hello\", body: \"b\" }) { comment { id } } }";
    server.client().try_send(comment, json!({})).await;
    server
        .client()
        .with_token("nonsense")
        .try_send(query, json!({}))
        .await;
    let nameless = token("eve", "", Role::Reader);
    server
        .client()
        .with_token(&nameless)
        .try_send(query, json!({}))
        .await;
    let expired = token_for("ada", std::time::Duration::ZERO);
    server
        .client()
        .with_token(&expired)
        .try_send(query, json!({}))
        .await;

    server
        .wait_for_sample("causerie_event_deliveries_total", 6.0)
        .await;
    let samples = server.samples().await;
    for (name, value) in [
        ("causerie_rooms", 1.0),
        ("causerie_members", 3.0),
        ("causerie_connections{transport=\"websocket\"}", 2.0),
        ("causerie_connections{transport=\"sse\"}", 1.0),
        (
            "causerie_connections_opened_total{transport=\"websocket\"}",
            2.0,
        ),
        ("causerie_events_published_total", 2.0),
        // Two identical documents are one subscriber group.
        ("causerie_event_executions_total", 2.0),
        ("causerie_catching_up", 0.0),
        // The harness created the post.
        (
            "causerie_operations_total{type=\"mutation\",code=\"OK\"}",
            3.0,
        ),
        (
            "causerie_operations_total{type=\"mutation\",code=\"UNAUTHENTICATED\"}",
            1.0,
        ),
        ("causerie_operations_total{type=\"query\",code=\"OK\"}", 3.0),
        (
            "causerie_operations_total{type=\"unknown\",code=\"GRAPHQL_VALIDATION_FAILED\"}",
            1.0,
        ),
        (
            "causerie_operations_total{type=\"unknown\",code=\"GRAPHQL_PARSE_FAILED\"}",
            1.0,
        ),
        (
            "causerie_operations_total{type=\"unknown\",code=\"UNAUTHENTICATED\"}",
            3.0,
        ),
        (
            "causerie_operations_total{type=\"subscription\",code=\"OK\"}",
            3.0,
        ),
        ("causerie_operation_seconds_count{type=\"mutation\"}", 4.0),
        ("causerie_kept_answers_total{result=\"hit\"}", 2.0),
        ("causerie_auth_failures_total{reason=\"invalid\"}", 1.0),
        ("causerie_auth_failures_total{reason=\"expired\"}", 1.0),
        ("causerie_auth_failures_total{reason=\"claim\"}", 1.0),
        ("causerie_store_commits_total", 3.0),
        ("causerie_store_batch_writes_sum", 3.0),
        ("causerie_store_transaction_seconds_count", 3.0),
        ("causerie_store_waiting_writes", 0.0),
        ("causerie_backplane_connected", 1.0),
    ] {
        assert!(
            (samples.get(name) - value).abs() < f64::EPSILON,
            "{name}: {}",
            samples.get(name)
        );
    }
    assert!(samples.get("causerie_store_statement_seconds_count") > 3.0);
    assert!(samples.get("process_resident_memory_bytes") > 1e6);

    one.close().await;
    other.vanish();
    events.vanish();
    server
        .wait_for_sample("causerie_connections{transport=\"websocket\"}", 0.0)
        .await;
    server
        .wait_for_sample("causerie_connections{transport=\"sse\"}", 0.0)
        .await;
    server.stop().await;
}

#[tokio::test]
async fn two_servers_in_one_process_have_separate_metrics() {
    let (one, other) = (TestServer::start().await, TestServer::start().await);
    let mut socket = one.socket().await;
    socket.subscribe("s", FOLLOW, json!({})).await;
    one.wait_for_members(1, 1).await;
    one.reader("ada").comment("here").await;
    let name = "causerie_events_published_total";
    assert!((one.samples().await.get(name) - 1.0).abs() < f64::EPSILON);
    assert!(other.samples().await.get(name).abs() < f64::EPSILON);
    let sockets = "causerie_connections{transport=\"websocket\"}";
    assert!((one.samples().await.get(sockets) - 1.0).abs() < f64::EPSILON);
    assert!(other.samples().await.get(sockets).abs() < f64::EPSILON);
    socket.close().await;
    one.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn labels_never_contain_client_text() {
    let server = TestServer::start().await;
    let ada = server.client().named("client-of-ada");
    let ada = ada.with_token(&token("user-of-ada", "Ada", Role::Reader));
    let query = "query NameOfOperation { post(id: \"post-of-ada\") { id } }";
    ada.send(query, json!({})).await;
    ada.comment("text of a comment").await;
    let text = server.observer().metrics().await;
    for word in ["ada", "Ada", "hello", "NameOfOperation", "text of"] {
        assert!(!text.contains(word), "{word}: {text}");
    }
    server.stop().await;
}

#[tokio::test]
async fn metrics_with_their_own_address_are_served_only_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = start_node(folder.path(), &["--metrics-listen=127.0.0.1:0"]).await;
    let public = |path: &str| format!("http://{}{path}", server.address());
    assert_eq!(
        reqwest::get(public("/metrics"))
            .await
            .expect("an answer")
            .status(),
        404
    );
    for path in ["/healthz", "/readyz"] {
        assert_eq!(
            reqwest::get(public(path))
                .await
                .expect("an answer")
                .status(),
            200
        );
    }
    server.signal(Signal::SIGTERM);
    assert!(server.ended().await.status.success());

    // The address is in the log, and a program that embeds the server can ask for it.
    let database = format!(
        "--database-url=sqlite://{}?mode=rwc",
        folder.path().join("other.db").display()
    );
    let arguments = [
        "--listen=127.0.0.1:0",
        "--metrics-listen=127.0.0.1:0",
        &database,
    ];
    let server = causerie::server::Server::bind(crate::support::settings(&arguments)).await;
    let server = server.expect("a server");
    let address = server.metrics_address().expect("an address");
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(server.run(async move { drop(stopped.await) }));
    let samples = Samples::of(&format!("http://{address}/metrics")).await;
    assert!(samples.get("causerie_rooms").abs() < f64::EPSILON);
    for path in ["/healthz", "/readyz"] {
        let answer = reqwest::get(format!("http://{address}{path}")).await;
        assert_eq!(answer.expect("an answer").status(), 200);
    }
    stop.send(()).expect("it runs");
    running.await.expect("no panic").expect("no error");
}

#[tokio::test]
async fn idle_connection_to_the_metrics_address_times_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let database = database_url(folder.path());
    let arguments = [
        "--listen=127.0.0.1:0",
        "--metrics-listen=127.0.0.1:0",
        "--http-idle-timeout=100ms",
        "--database-url",
        &database,
    ];
    let server = causerie::server::Server::bind(crate::support::settings(&arguments)).await;
    let server = server.expect("a server");
    let address = server.metrics_address().expect("an address");
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(server.run(async move { drop(stopped.await) }));
    let mut silent = tokio::net::TcpStream::connect(address)
        .await
        .expect("a connection");
    let end = within("the end", silent.read_to_end(&mut Vec::new())).await;
    assert_eq!(end.expect("an end"), 0);
    stop.send(()).expect("it runs");
    running.await.expect("no panic").expect("no error");
}

const DOCUMENTED: &str = include_str!("../../docs/metrics.md");

/// Returns the names of metrics in a Prometheus expression, without functions, labels and keywords.
fn named(expression: &str) -> BTreeSet<String> {
    let words = expression.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words
        .filter(|word| word.starts_with("causerie_") || word.starts_with("process_"))
        .map(str::to_owned)
        .collect()
}

/// Returns the names and types of the metrics that a running server exports.
async fn exported(server: &TestServer) -> BTreeMap<String, String> {
    let text = server.observer().metrics().await;
    let types = text.lines().filter_map(|line| {
        let (name, kind) = line.strip_prefix("# TYPE ")?.split_once(' ')?;
        Some((name.to_owned(), kind.to_owned()))
    });
    types.collect()
}

#[tokio::test]
async fn documented_metrics_and_types_match_the_exported() {
    let server = TestServer::start().await;
    let rows = DOCUMENTED.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.split('|').map(str::trim);
        let name = cells.next()?.strip_suffix('`')?.to_owned();
        Some((name, cells.next()?.to_owned()))
    });
    assert_eq!(rows.collect::<BTreeMap<_, _>>(), exported(&server).await);
    server.stop().await;
}

#[tokio::test]
async fn dashboard_and_alarms_use_exactly_the_exported_metrics() {
    let server = TestServer::start().await;
    let samples = server.samples().await;
    let known: BTreeSet<&str> = samples.names().collect();
    let dashboard: serde_json::Value =
        serde_json::from_str(include_str!("../../docs/grafana/causerie.json")).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let targets = panels
        .iter()
        .flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    let shown: Vec<&str> = targets
        .filter_map(|target| target["expr"].as_str())
        .collect();
    let alarms = include_str!("../../docs/grafana/alerts.yaml");
    let rules = alarms
        .lines()
        .filter_map(|line| line.trim().strip_prefix("expr: "));
    let rules: Vec<&str> = rules.collect();
    assert!(shown.len() > 30 && rules.len() > 10);
    let mut used = BTreeSet::new();
    for expression in shown.iter().chain(&rules) {
        let names = named(expression);
        assert!(
            !names.is_empty() || expression.starts_with("up{"),
            "{expression}"
        );
        for name in names {
            assert!(known.contains(name.as_str()), "{name} in {expression}");
            used.insert(name);
        }
    }
    // Every metric of the server is shown somewhere.
    for (name, kind) in exported(&server).await {
        let endings: &[&str] = if kind == "histogram" {
            &["_bucket", "_sum"]
        } else {
            &[""]
        };
        let is_shown = endings
            .iter()
            .any(|ending| used.contains(&format!("{name}{ending}")));
        assert!(
            is_shown || name.starts_with("process_"),
            "{name} is nowhere"
        );
    }
    server.stop().await;
}

#[test]
fn each_alarm_has_instructions() {
    let alarms = include_str!("../../docs/grafana/alerts.yaml");
    let (_, answers) = DOCUMENTED
        .split_once("## When an alarm rings")
        .expect("a chapter");
    let (answers, _) = answers.split_once("\n## ").expect("an end");
    let (mut rung, mut answered): (Vec<_>, Vec<_>) = (
        alarms
            .lines()
            .filter_map(|line| line.trim().strip_prefix("- alert: "))
            .collect(),
        answers
            .lines()
            .filter_map(|line| line.strip_prefix("### "))
            .collect(),
    );
    rung.sort_unstable();
    answered.sort_unstable();
    assert_eq!(rung, answered);
}
