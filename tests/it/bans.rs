//! Bans: which connections end at once, what is refused afterwards, and how other servers learn of a ban.

use std::{sync::Arc, time::Duration};

use axum::http::StatusCode;
use causerie::{
    auth::Principal,
    cluster::backplane::memory::Network,
    model::{Role, Timestamp, User, UserId},
    moderation::{Bans, Moderation},
    store::{BannedComments, Store},
    telemetry::Registry,
};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{
    Chunk, Client, Frame, Request, Streaming, TestServer, database_url, settings, token, wait_until,
};

const BAN: &str =
    "mutation($id: ID!, $why: String) { banUser(input: { userId: $id, reason: $why }) {
    ban { userId bannedBy bannedAt reason }
} }";
const UNBAN: &str = "mutation($id: ID!) { unbanUser(input: { userId: $id }) { userId wasBanned } }";
const VIEWERS: &str = "subscription { viewerCount(postId: \"hello\") }";
const ME: &str = "{ me { id } }";
const APOLLO: &str = "multipart/mixed;subscriptionSpec=1.0";

fn moderator(server: &TestServer, name: &str) -> Client {
    server
        .client()
        .with_token(&token(name, name, Role::Moderator))
}

fn reader_token(name: &str) -> String {
    token(name, name, Role::Reader)
}

async fn ban(by: &Client, id: &str) -> Value {
    let mut data = by.send(BAN, json!({"id": id})).await;
    data["banUser"]["ban"].take()
}

async fn unban(by: &Client, id: &str) -> Value {
    let data = by.send(UNBAN, json!({"id": id})).await;
    assert_eq!(data["unbanUser"]["userId"], json!(id));
    data["unbanUser"]["wasBanned"].clone()
}

/// Returns the server's first frame on a socket that opens with `token`.
async fn first_frame(server: &TestServer, token: &str) -> Frame {
    let mut socket = server.connect().await;
    let payload = json!({"authorization": token});
    socket
        .send(json!({"type": "connection_init", "payload": payload}))
        .await;
    let first = socket.next().await;
    socket.vanish();
    first
}

/// Sends a request over HTTP and returns true if it was served.
async fn is_served(server: &TestServer, token: &str) -> bool {
    let client = server.client().with_token(token);
    let reply = client.try_send(ME, json!({})).await;
    match reply.status {
        StatusCode::OK => true,
        StatusCode::FORBIDDEN => {
            let error = reply.error();
            assert_eq!(error["extensions"]["code"], json!("FORBIDDEN"));
            assert_eq!(error["message"], json!("You are banned here."));
            false
        }
        _ => panic!("{reply:?}"),
    }
}

/// A reader's streams, one over each transport, and a socket of another reader.
struct ReaderStreams {
    socket: crate::support::Socket,
    sse: Streaming,
    multipart: Streaming,
    other: crate::support::Socket,
}

impl ReaderStreams {
    async fn open(server: &TestServer, token: &str) -> Self {
        let mut other = server.reader_socket("other").await;
        other.subscribe("v", VIEWERS, json!({})).await;
        assert_eq!(other.data("v").await, json!({"viewerCount": 1}));
        let mut socket = server.connect().await;
        socket.init(json!({"authorization": token})).await;
        socket.subscribe("v", VIEWERS, json!({})).await;
        assert_eq!(socket.data("v").await, json!({"viewerCount": 2}));
        assert_eq!(other.data("v").await, json!({"viewerCount": 2}));
        let request = Request::post(VIEWERS, json!({})).with_token(token);
        let sse = request.clone().accepting("text/event-stream");
        let mut sse = Streaming::open(server.address(), &sse).await;
        assert_eq!(sse.event_data().await, json!({"viewerCount": 2}));
        let multipart = request.accepting(APOLLO);
        let mut multipart = Streaming::open(server.address(), &multipart).await;
        assert_eq!(multipart.part_data().await, json!({"viewerCount": 2}));
        Self {
            socket,
            sse,
            multipart,
            other,
        }
    }

    /// Asserts that the reader's streams end, each as its transport does, and that the other's goes on.
    async fn assert_ended_by_ban(mut self) {
        assert_eq!(self.socket.closed().await, (4403, "Banned".to_owned()));
        assert_eq!(self.sse.rest().await, (String::new(), Chunk::CutOff));
        let last = self.multipart.part().await;
        let code = &last["errors"][0]["extensions"]["code"];
        assert_eq!(
            (&last["payload"], code),
            (&json!(null), &json!("FORBIDDEN"))
        );
        assert_eq!(self.multipart.rest().await.1, Chunk::Last);
        assert_eq!(self.other.data("v").await, json!({"viewerCount": 1}));
        self.socket.vanish();
        self.sse.vanish();
        self.multipart.vanish();
        self.other.close().await;
    }
}

#[tokio::test]
async fn ban_ends_the_users_streams_on_every_transport_and_no_other() {
    let server = TestServer::start().await;
    let room = ReaderStreams::open(&server, &reader_token("ada")).await;
    ban(&moderator(&server, "m"), "ada").await;
    room.assert_ended_by_ban().await;
    server.stop().await;
}

#[tokio::test]
async fn banned_user_is_refused_everywhere_but_reads_anonymously() {
    let server = TestServer::start().await;
    let token = reader_token("ada");
    let ada = server.client().with_token(&token);
    ada.comment("before").await;
    let boss = moderator(&server, "m");
    ban(&boss, "ada").await;

    assert!(!is_served(&server, &token).await);
    // Another token of the same user is refused too.
    assert!(!is_served(&server, &crate::support::token("ada", "A.", Role::Author)).await);
    let write =
        "mutation { createComment(input: { postId: \"hello\", body: \"b\" }) { comment { id } } }";
    let reply = ada.try_send(write, json!({})).await;
    assert_eq!(reply.status, StatusCode::FORBIDDEN);
    assert_eq!(
        ada.get(&[("query", ME)]).await.status,
        StatusCode::FORBIDDEN
    );
    for accept in ["text/event-stream", APOLLO] {
        let request = Request::post(VIEWERS, json!({})).with_token(&token);
        let stream = Streaming::open(server.address(), &request.accepting(accept)).await;
        assert_eq!(stream.status(), 403, "{accept}");
        stream.vanish();
    }
    match first_frame(&server, &token).await {
        Frame::Close(4403, reason) => assert_eq!(reason, "Banned"),
        other => panic!("{other:?}"),
    }
    assert_eq!(server.client().bodies().await, ["before"]);

    assert_eq!(unban(&boss, "ada").await, json!(true));
    assert!(is_served(&server, &token).await);
    assert!(matches!(
        first_frame(&server, &token).await,
        Frame::Message(_)
    ));
    ada.comment("after").await;
    // The next ban ends what was opened since.
    let room = ReaderStreams::open(&server, &token).await;
    ban(&boss, "ada").await;
    room.assert_ended_by_ban().await;
    server.stop().await;
}

#[tokio::test]
async fn repeated_ban_or_unban_changes_nothing() {
    let server = TestServer::start().await;
    let (m, n) = (moderator(&server, "m"), moderator(&server, "n"));
    assert_eq!(unban(&m, "ada").await, json!(false));
    let first = m.send(BAN, json!({"id": "ada", "why": " spam "})).await;
    let first = &first["banUser"]["ban"];
    assert_eq!(
        (&first["userId"], &first["bannedBy"], &first["reason"]),
        (&json!("ada"), &json!("m"), &json!("spam"))
    );
    let again = n.send(BAN, json!({"id": "ada", "why": "more"})).await;
    assert_eq!(&again["banUser"]["ban"], first);
    assert_eq!(unban(&n, "ada").await, json!(true));
    assert_eq!(unban(&n, "ada").await, json!(false));
    let new = ban(&n, "ada").await;
    assert_eq!(
        (&new["bannedBy"], &new["reason"]),
        (&json!("n"), &json!(null))
    );
    server.stop().await;
}

#[tokio::test]
async fn moderator_cannot_ban_self_or_another_moderator() {
    let server = TestServer::start().await;
    let (m, n) = (moderator(&server, "m"), moderator(&server, "n"));
    n.send(ME, json!({})).await;
    for id in ["m", "n"] {
        let error = m.refused(BAN, json!({"id": id})).await;
        assert_eq!(error["extensions"]["code"], json!("FORBIDDEN"), "{id}");
    }
    // A user whom the server has not seen can be banned, but the role in a moderator's token overrides the
    // ban.
    ban(&m, "late").await;
    let late = |role| token("late", "late", role);
    assert!(is_served(&server, &late(Role::Moderator)).await);
    let opened = first_frame(&server, &late(Role::Moderator)).await;
    assert!(matches!(opened, Frame::Message(_)));
    // The ban takes effect once the host site issues them a lower role.
    assert!(!is_served(&server, &late(Role::Author)).await);
    server.stop().await;
}

#[tokio::test]
async fn invalid_user_id_or_ban_reason_is_refused() {
    let server = TestServer::start().await;
    let m = moderator(&server, "m");
    let (long, longer) = ("x".repeat(255), "x".repeat(256));
    for (variables, field) in [
        (json!({"id": ""}), "userId"),
        (json!({"id": longer}), "userId"),
        (json!({"id": "a\u{0}"}), "userId"),
        (json!({"id": "ada", "why": "é".repeat(501)}), "reason"),
        (json!({"id": "ada", "why": "a\u{0}"}), "reason"),
    ] {
        let error = m.refused(BAN, variables.clone()).await;
        let told = (&error["extensions"]["code"], &error["extensions"]["field"]);
        assert_eq!(
            told,
            (&json!("BAD_USER_INPUT"), &json!(field)),
            "{variables}"
        );
    }
    for why in [json!(null), json!("  "), json!("é".repeat(500))] {
        m.send(BAN, json!({"id": long, "why": why})).await;
        unban(&m, &long).await;
    }
    server.stop().await;
}

#[tokio::test]
async fn guest_is_banned_like_any_user() {
    let server = TestServer::start().await;
    let sign_in = "mutation { signInAsGuest(input: { name: \"G\" }) { token user { id } } }";
    let guest = server.client().send(sign_in, json!({})).await;
    let text = |path: &str| guest.pointer(path).and_then(Value::as_str).expect("a text");
    let (token, id) = (text("/signInAsGuest/token"), text("/signInAsGuest/user/id"));
    let room = ReaderStreams::open(&server, token).await;
    ban(&moderator(&server, "m"), id).await;
    room.assert_ended_by_ban().await;
    assert!(!is_served(&server, token).await);
    server.stop().await;
}

#[tokio::test]
async fn ban_survives_a_restart() {
    let server = TestServer::start().await;
    let m = moderator(&server, "m");
    for id in ["ada", "bob"] {
        ban(&m, id).await;
    }
    unban(&m, "bob").await;
    let folder = server.shut_down().await;
    let server = TestServer::start_in(folder, &["--ban-refresh=1h"]).await;
    assert!(!is_served(&server, &reader_token("ada")).await);
    assert!(is_served(&server, &reader_token("bob")).await);
    server.stop().await;
}

#[tokio::test]
async fn server_on_the_same_database_polls_bans_and_ends_streams() {
    let here = TestServer::start().await;
    let there = here.beside(&["--ban-refresh=20ms"]).await;
    let token = reader_token("ada");
    let room = ReaderStreams::open(&there, &token).await;
    let boss = moderator(&here, "m");
    ban(&boss, "ada").await;
    room.assert_ended_by_ban().await;
    assert!(!is_served(&there, &token).await);
    unban(&boss, "ada").await;
    wait_until("the other hears that the ban is lifted", async || {
        is_served(&there, &token).await
    })
    .await;
    there.stop().await;
    here.stop().await;
}

#[tokio::test]
async fn other_node_is_told_of_a_ban_at_once() {
    let network = Network::new(Duration::from_millis(1));
    let rarely = ["--ban-refresh=1h"];
    let here = TestServer::start_node(&network, &rarely).await;
    let there = here.node_beside(&network, &rarely).await;
    wait_until("the nodes know each other", async || {
        here.observer().cluster().nodes() == 1
    })
    .await;
    let token = reader_token("ada");
    let room = ReaderStreams::open(&there, &token).await;
    ban(&moderator(&here, "m"), "ada").await;
    room.assert_ended_by_ban().await;
    assert!(!is_served(&there, &token).await);
    there.stop().await;
    here.stop().await;
}

fn identity(id: &str, role: Role) -> Principal {
    Principal {
        user: User {
            id: user(id),
            name: id.into(),
            avatar: None,
            role,
        },
        issued_at: None,
        expires_at: Timestamp(i64::MAX),
    }
}

fn user(id: &str) -> UserId {
    UserId::parse(id).expect("an id")
}

/// Creates a node's part of moderation on the database that all nodes share.
async fn node(folder: &std::path::Path) -> (Moderation, Arc<Bans>, Store) {
    let url = format!("--database-url={}", database_url(folder));
    let store = Store::open(&settings(&[&url]).store, &Registry::new())
        .await
        .expect("a store");
    let bans = Arc::new(Bans::default());
    (
        Moderation::new(store.clone(), Arc::clone(&bans)),
        bans,
        store,
    )
}

#[tokio::test]
async fn node_announces_only_its_own_bans_and_reads_others_when_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let (here, _, one) = node(folder.path()).await;
    let (there, known, two) = node(folder.path()).await;
    let mut told = here.changes();
    let boss = identity("m", Role::Moderator);
    let watch = known.watch(&identity("ada", Role::Reader));

    here.ban(&boss, user("ada"), None, None, BannedComments::Keep)
        .await
        .expect("banned");
    assert_eq!(told.try_recv(), Ok(user("ada")));
    // Nothing changes on the other node before it has read the ban.
    assert!(!known.is_banned(&user("ada")));
    there.refresh().await.expect("read");
    watch.banned().await;
    assert!(known.is_banned(&user("ada")));

    // Repeating a ban announces it again because the first message may have been lost. Changes read from
    // other nodes are not announced.
    here.ban(&boss, user("ada"), None, None, BannedComments::Keep)
        .await
        .expect("banned");
    assert_eq!(told.try_recv(), Ok(user("ada")));
    there.unban(&boss, user("ada")).await.expect("unbanned");
    here.refresh().await.expect("read");
    assert!(told.try_recv().is_err());
    one.close().await;
    two.close().await;
}

#[tokio::test]
async fn concurrent_bans_and_unbans_converge_on_all_nodes() {
    let folder = tempfile::tempdir().expect("a folder");
    let (here, known_here, one) = node(folder.path()).await;
    let (there, known_there, two) = node(folder.path()).await;
    let boss = identity("m", Role::Moderator);
    let nodes = [&here, &there];
    let changes = (0..80).map(|number| {
        let (node, boss) = (nodes[number % 2], &boss);
        let id = user(&format!("u{}", number % 5));
        async move {
            if number % 3 == 0 {
                node.unban(boss, id).await.expect("unbanned");
            } else {
                node.ban(boss, id, None, None, BannedComments::Keep)
                    .await
                    .expect("banned");
            }
        }
    });
    join_all(changes).await;
    for node in nodes {
        node.refresh().await.expect("read");
    }
    let (fresh, known_fresh, three) = node(folder.path()).await;
    fresh.refresh().await.expect("read");
    for number in 0..5 {
        let id = user(&format!("u{number}"));
        let truth = known_fresh.is_banned(&id);
        assert_eq!(known_here.is_banned(&id), truth, "{id}");
        assert_eq!(known_there.is_banned(&id), truth, "{id}");
    }
    for store in [one, two, three] {
        store.close().await;
    }
}
