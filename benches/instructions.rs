//! Instruction counts of the hottest paths. `scripts/instructions` runs this under callgrind, which counts
//! the instructions inside [`measured`], and compares them with a bound. So the result is free of the
//! machine's noise.
//!
//! Everything runs on one thread, so only the path itself is counted.

#![allow(
    clippy::panic,
    clippy::print_stderr,
    reason = "what goes wrong here fails the measurement"
)]

use std::{
    future::Future,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use causerie::{
    auth::Authenticator,
    config::Config,
    error::Error,
    feed::Feed,
    graphql::{Caller, Closed, Executor, Payload, Requests, Services, Settings, Sink, SitePages},
    jobs::JobsHandle,
    limits::Limits,
    memory::{self, MemoryBudget},
    model::{PostId, Profile, ReactionSet, Role, Timestamp, User, UserId},
    moderation::{Moderation, Screening},
    rooms::Hub,
    server::Server,
    store::{NewComment, NewPost, Screened, Store},
    telemetry::Registry,
};
use clap::{Args, FromArgMatches};
use futures_util::{FutureExt, SinkExt, StreamExt, future::BoxFuture};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio_tungstenite::tungstenite::{
    Message, client::IntoClientRequest, protocol::WebSocketConfig,
};
use tokio_util::task::TaskTracker;

/// The number of members that a comment is published to.
const MEMBERS: usize = 1_000;
/// The number of comments and subscriptions: enough to make one-time work negligible.
const TIMES: usize = 20;

const ADDED: &str = "subscription Added($postId: ID!) { commentAdded(postId: $postId) {
    id body createdAt author { name avatar } } }";

const VIEWERS: &str = "subscription Viewers($postId: ID!) { viewerCount(postId: $postId) }";

type Document = fn() -> String;

/// Hostile documents. None may take more than a few milliseconds to be answered.
const HOSTILE: [(&str, Document); 9] = [
    ("bomb", || {
        let double = |number: usize| {
            let next = number + 1;
            format!("fragment F{number} on Query {{ ...F{next} ...F{next} }} ")
        };
        let doubling: String = (0..30).map(double).collect();
        format!("{{ ...F0 }} {doubling} fragment F30 on Query {{ me {{ id }} }}")
    }),
    ("aliases", || {
        let alias = |number| format!("a{number}: me {{ id }} ");
        format!("{{ {} }}", (0..10_000).map(alias).collect::<String>())
    }),
    ("repeated", || {
        format!("{{ {} }}", "me { id } ".repeat(10_000))
    }),
    ("deep", || "{ a ".repeat(500) + &"}".repeat(500)),
    ("megabyte", || {
        let field = "comment(id: \"x\") { body } ";
        format!("{{ {} }}", field.repeat(1024 * 1024 / field.len()))
    }),
    // A megabyte that is one token, and one that is no token at all.
    ("string", || {
        format!(
            "{{ comment(id: \"{}\") {{ id }} }}",
            "x".repeat(1024 * 1024)
        )
    }),
    ("comment", || {
        format!("#{}\n{{ me {{ id }} }}", "{".repeat(1024 * 1024))
    }),
    // As many fields as are permitted: all are unknown to the schema, and all are executed.
    ("unknown", || {
        let field = |number| format!("comment{number} ");
        format!("{{ {} }}", (0..990).map(field).collect::<String>())
    }),
    ("largest", || format!("{{ {} }}", "me { id } ".repeat(490))),
];

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    // `cargo bench` adds its own flag.
    let mut names = std::env::args()
        .skip(1)
        .filter(|name| !name.starts_with('-'));
    match names.next().as_deref() {
        Some("publish") => publish(&runtime),
        Some("subscribe") => subscribe(&runtime),
        Some(name) if HOSTILE.iter().any(|(known, _)| *known == name) => hostile(&runtime, name),
        _ => {
            eprintln!("instructions: publish, subscribe or a document; see scripts/instructions");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// Runs `work`, whose instructions are counted.
#[inline(never)]
fn measured(runtime: &Runtime, work: impl Future<Output = ()>) {
    runtime.block_on(work);
}

/// Publishes comments to the members of one room.
fn publish(runtime: &Runtime) {
    let folder = tempfile::tempdir().expect("a folder");
    let config = config(&folder);
    let post = PostId::parse("hello").expect("an id");
    let members: Vec<_> = (0..MEMBERS).map(|_| Arc::new(Member::default())).collect();
    let (hub, mut changes, _subscriptions) = runtime.block_on(async {
        let store = store_with(&config, &post).await;
        let hub = Hub::new(128, &Registry::new());
        let executor = executor(&config, &store, &hub);
        let mut subscriptions = Vec::new();
        for member in &members {
            let request = serde_json::from_value(request(ADDED, &post)).expect("a request");
            let queries = Requests::new(1.try_into().expect("not zero"), 1, 32, &Registry::new());
            let operation = queries.prepare(request).expect("an operation");
            let sink = Arc::clone(member) as Arc<dyn Sink>;
            let opened = executor.subscribe(operation, Caller::default(), sink);
            subscriptions.push(opened.await.expect("a subscription"));
        }
        let mut changes = Vec::new();
        for number in 0..=TIMES {
            let created = store.create_comment(comment(&post, number)).await;
            let change = created.expect("a comment").effects.change;
            changes.push(Arc::new(change.expect("it is published")));
        }
        (hub, changes.into_iter(), subscriptions)
    });
    let mut publish_and_wait = async |comments: usize| {
        for change in changes.by_ref().take(comments) {
            let has = members[0].0.load(Ordering::Relaxed);
            hub.publish(change);
            while members
                .iter()
                .any(|member| member.0.load(Ordering::Relaxed) == has)
            {
                tokio::task::yield_now().await;
            }
        }
    };
    // One-time work is not counted.
    runtime.block_on(publish_and_wait(1));
    measured(runtime, publish_and_wait(TIMES));
}

/// Subscribes over a WebSocket to an operation that the room already has.
fn subscribe(runtime: &Runtime) {
    let folder = tempfile::tempdir().expect("a folder");
    let config = config(&folder);
    let post = PostId::parse("hello").expect("an id");
    let mut socket = runtime.block_on(async {
        store_with(&config, &post).await.close().await;
        let server = Server::bind(config).await.expect("a server");
        let url = format!("ws://{}/graphql", server.address());
        #[allow(clippy::disallowed_methods, reason = "it ends with the process")]
        tokio::spawn(server.run(std::future::pending()));
        let mut request = url.into_client_request().expect("a request");
        let subprotocol = "graphql-transport-ws".parse().expect("a header");
        request
            .headers_mut()
            .insert("sec-websocket-protocol", subprotocol);
        // The client's part is counted too, so it is smaller than the client of `testkit`.
        let client = WebSocketConfig::default().read_buffer_size(256);
        let connecting = tokio_tungstenite::connect_async_with_config(request, Some(client), true);
        let (mut socket, _) = connecting.await.expect("a socket");
        let init = json!({"type": "connection_init"}).to_string();
        socket.send(Message::text(init)).await.expect("sent");
        socket.next().await.expect("an answer").expect("an answer");
        socket
    });
    let request = request(VIEWERS, &post);
    let mut number = 0;
    let mut subscribe_and_wait = async |times: usize| {
        for _ in 0..times {
            number += 1;
            let id = format!("00000000-0000-4000-8000-{number:012}");
            let message = json!({"type": "subscribe", "id": id, "payload": request});
            let message = Message::text(message.to_string());
            socket.send(message).await.expect("sent");
            // The first count means that the subscription exists.
            let next = socket.next().await.expect("an answer").expect("an answer");
            let next = next.to_text().expect("text");
            assert!(next.starts_with(r#"{"type":"next""#), "{next}");
        }
    };
    runtime.block_on(subscribe_and_wait(1));
    measured(runtime, subscribe_and_wait(TIMES));
}

/// Sends a document, which is read, weighed and answered.
fn hostile(runtime: &Runtime, name: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let config = config(&folder);
    let post = PostId::parse("hello").expect("an id");
    let queries = Requests::new(1.try_into().expect("not zero"), 1, 32, &Registry::new());
    let executor = runtime.block_on(async {
        let store = store_with(&config, &post).await;
        executor(&config, &store, &Hub::new(128, &Registry::new()))
    });
    let document = HOSTILE.iter().find(|(known, _)| *known == name);
    let (_, document) = document.expect("a document");
    let document = document();
    // Each document is new to the server.
    let body = |number| json!({"query": format!("#{number}\n{document}")}).to_string();
    let mut bodies = (0..=TIMES).map(body).collect::<Vec<_>>().into_iter();
    let mut answer = async |times: usize| {
        for body in bodies.by_ref().take(times) {
            let request = serde_json::from_str(&body).expect("a request");
            match queries.prepare(request) {
                Ok(operation) => {
                    executor.execute(operation, Caller::default()).await;
                }
                Err(errors) => {
                    serde_json::to_string(&errors).expect("JSON");
                }
            }
        }
    };
    runtime.block_on(answer(1));
    measured(runtime, answer(TIMES));
}

/// A member in memory that accepts every payload.
#[derive(Default)]
struct Member(AtomicUsize);

impl Sink for Member {
    fn offer(&self, payloads: &[Payload]) -> Result<usize, Closed> {
        self.0.fetch_add(payloads.len(), Ordering::Relaxed);
        Ok(payloads.len())
    }

    fn ready(&self) -> BoxFuture<'_, ()> {
        std::future::ready(()).boxed()
    }

    fn fail(&self, error: Error) {
        panic!("{error:?}");
    }
}

fn config(folder: &TempDir) -> Config {
    let database = folder.path().join("instructions.db");
    let database = format!("sqlite://{}?mode=rwc", database.display());
    let command = Config::augment_args(clap::Command::new("causerie"));
    let arguments = [
        "causerie",
        "--listen=127.0.0.1:0",
        // Periodic work is not part of the count.
        "--reconcile-interval=1h",
        "--ban-refresh=1h",
        "--ws-ping-interval=1h",
        "--database-url",
        &database,
    ];
    let matches = command.try_get_matches_from(arguments).expect("settings");
    Config::from_arg_matches(&matches).expect("settings")
}

async fn store_with(config: &Config, post: &PostId) -> Store {
    let store = Store::open(&config.store, &Registry::new())
        .await
        .expect("a store");
    let new = NewPost {
        id: post.clone(),
        title: "Hello".to_owned(),
        url: None,
        at: Timestamp::now(),
        by: None,
    };
    store.create_post(new).await.expect("a post");
    store
}

fn executor(config: &Config, store: &Store, hub: &Hub) -> Executor {
    let registry = Registry::new();
    let memory = MemoryBudget::new(memory::default_limit());
    let services = Services {
        store: store.clone(),
        hub: hub.clone(),
        feed: Feed::new(
            hub.clone(),
            store.clone(),
            config.rooms.catch_up_page.into(),
            &memory,
            &registry,
        ),
        jobs: JobsHandle::default(),
        authenticator: Arc::new(Authenticator::new(&config.auth).expect("an authenticator")),
        moderation: Arc::new(Moderation::new(store.clone(), Arc::default())),
        screening: Arc::new(Screening::new(&config.moderation, &registry).expect("a screening")),
        limits: Arc::new(Limits::new(&config.writing, &registry)),
        memory,
        site_pages: SitePages::default(),
        settings: Settings {
            reactions: ReactionSet::default(),
            allow_guests: config.auth.allow_guests,
            guest_token_lifetime: config.auth.guest_token_lifetime,
            edit_window: config.writing.edit_window,
            moderation: causerie::model::ModerationMode::None,
            reports_to_hold: None,
            reply_depth: config.writing.reply_depth,
            operation_timeout: config.clients.operation_timeout,
        },
    };
    Executor::new(services, TaskTracker::new(), &registry)
}

fn request(document: &str, post: &PostId) -> Value {
    json!({"query": document, "variables": {"postId": post.as_str()}})
}

fn comment(post: &PostId, number: usize) -> NewComment {
    NewComment {
        screened: Screened::PASSED,
        post_id: post.clone(),
        parent_id: None,
        max_depth: 32,
        author: Profile::new(
            User {
                id: UserId::parse("ada").expect("an id"),
                name: "Ada".into(),
                avatar: None,
                role: Role::Reader,
            },
            Timestamp::now(),
        ),
        body: format!("{number} {}", "x".repeat(150)),
        at: Timestamp::now(),
        origin: None,
        key: None,
    }
}
