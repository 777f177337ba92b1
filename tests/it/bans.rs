//! Banning: what ends at once, what is refused from then on, and how other servers hear of it.

use std::{sync::Arc, time::Duration};

use axum::http::StatusCode;
use causerie::{
    auth::{Bans, Identity},
    cluster::backplane::memory::Network,
    model::{Role, Timestamp, User, UserId},
    moderation::Moderation,
    store::Store,
};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{
    Chunk, Client, Frame, Request, Streaming, TestServer, database_url, settings, token,
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

/// How the server answers a socket that opens with this token.
async fn opening(server: &TestServer, token: &str) -> Frame {
    let mut socket = server.connect().await;
    let payload = json!({"authorization": token});
    socket
        .send(json!({"type": "connection_init", "payload": payload}))
        .await;
    let first = socket.next().await;
    socket.vanish();
    first
}

/// Whether a request over HTTP is let in.
async fn is_let_in(server: &TestServer, token: &str) -> bool {
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

/// Three streams of one reader, one over each transport, and one of another reader.
struct Room {
    socket: crate::support::Socket,
    sse: Streaming,
    multipart: Streaming,
    other: crate::support::Socket,
}

impl Room {
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

    /// The reader's streams end, each in the way of its transport; the other's goes on.
    async fn ends_for_the_banned(mut self) {
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
async fn a_ban_ends_the_users_streams_on_every_transport_and_nobody_elses() {
    let server = TestServer::start().await;
    let room = Room::open(&server, &reader_token("ada")).await;
    ban(&moderator(&server, "m"), "ada").await;
    room.ends_for_the_banned().await;
    server.stop().await;
}

#[tokio::test]
async fn who_is_banned_is_let_in_nowhere_and_may_read_on_as_anybody() {
    let server = TestServer::start().await;
    let token = reader_token("ada");
    let ada = server.client().with_token(&token);
    ada.comment("before").await;
    let boss = moderator(&server, "m");
    ban(&boss, "ada").await;

    assert!(!is_let_in(&server, &token).await);
    // Another token of the same user is no better.
    assert!(!is_let_in(&server, &crate::support::token("ada", "A.", Role::Author)).await);
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
    match opening(&server, &token).await {
        Frame::Close(4403, reason) => assert_eq!(reason, "You are banned here."),
        other => panic!("{other:?}"),
    }
    assert_eq!(server.client().bodies().await, ["before"]);

    assert_eq!(unban(&boss, "ada").await, json!(true));
    assert!(is_let_in(&server, &token).await);
    assert!(matches!(opening(&server, &token).await, Frame::Message(_)));
    ada.comment("after").await;
    // And the next ban ends what was opened since.
    let room = Room::open(&server, &token).await;
    ban(&boss, "ada").await;
    room.ends_for_the_banned().await;
    server.stop().await;
}

#[tokio::test]
async fn banning_and_unbanning_twice_change_nothing_the_second_time() {
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
async fn a_moderator_bans_neither_themselves_nor_another_moderator() {
    let server = TestServer::start().await;
    let (m, n) = (moderator(&server, "m"), moderator(&server, "n"));
    n.send(ME, json!({})).await;
    for id in ["m", "n"] {
        let error = m.refused(BAN, json!({"id": id})).await;
        assert_eq!(error["extensions"]["code"], json!("FORBIDDEN"), "{id}");
    }
    // One who was not seen yet: what their token says is done all the same.
    ban(&m, "late").await;
    let late = |role| token("late", "late", role);
    assert!(is_let_in(&server, &late(Role::Moderator)).await);
    let opened = opening(&server, &late(Role::Moderator)).await;
    assert!(matches!(opened, Frame::Message(_)));
    // Until the host site says otherwise.
    assert!(!is_let_in(&server, &late(Role::Author)).await);
    server.stop().await;
}

#[tokio::test]
async fn what_is_no_users_id_and_what_is_no_reason_is_refused() {
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
async fn a_guest_is_banned_as_others_are() {
    let server = TestServer::start().await;
    let sign_in = "mutation { signInAsGuest(input: { name: \"G\" }) { token user { id } } }";
    let guest = server.client().send(sign_in, json!({})).await;
    let text = |path: &str| guest.pointer(path).and_then(Value::as_str).expect("a text");
    let (token, id) = (text("/signInAsGuest/token"), text("/signInAsGuest/user/id"));
    let room = Room::open(&server, token).await;
    ban(&moderator(&server, "m"), id).await;
    room.ends_for_the_banned().await;
    assert!(!is_let_in(&server, token).await);
    server.stop().await;
}

#[tokio::test]
async fn a_ban_outlasts_the_server() {
    let server = TestServer::start().await;
    let m = moderator(&server, "m");
    for id in ["ada", "bob"] {
        ban(&m, id).await;
    }
    unban(&m, "bob").await;
    let folder = server.shut_down().await;
    let server = TestServer::start_in(folder, &["--ban-refresh=1h"]).await;
    assert!(!is_let_in(&server, &reader_token("ada")).await);
    assert!(is_let_in(&server, &reader_token("bob")).await);
    server.stop().await;
}

#[tokio::test]
async fn another_server_on_the_same_database_finds_bans_by_itself_and_ends_the_streams() {
    let here = TestServer::start().await;
    let there = here.beside(&["--ban-refresh=20ms"]).await;
    let token = reader_token("ada");
    let room = Room::open(&there, &token).await;
    let boss = moderator(&here, "m");
    ban(&boss, "ada").await;
    room.ends_for_the_banned().await;
    assert!(!is_let_in(&there, &token).await);
    unban(&boss, "ada").await;
    crate::support::in_time("the other hears that the ban is lifted", async {
        while !is_let_in(&there, &token).await {}
    })
    .await;
    there.stop().await;
    here.stop().await;
}

#[tokio::test]
async fn another_node_is_told_of_a_ban_at_once() {
    let network = Network::new(Duration::from_millis(1));
    let rarely = ["--ban-refresh=1h"];
    let here = TestServer::start_node(&network, &rarely).await;
    let there = here.node_beside(&network, &rarely).await;
    crate::support::until("the nodes know each other", || {
        here.observer().cluster().nodes() == 1
    })
    .await;
    let token = reader_token("ada");
    let room = Room::open(&there, &token).await;
    ban(&moderator(&here, "m"), "ada").await;
    room.ends_for_the_banned().await;
    assert!(!is_let_in(&there, &token).await);
    there.stop().await;
    here.stop().await;
}

fn identity(id: &str, role: Role) -> Identity {
    Identity {
        user: User {
            id: user(id),
            name: id.into(),
            avatar: None,
        },
        role,
        expires_at: Timestamp(i64::MAX),
    }
}

fn user(id: &str) -> UserId {
    UserId::parse(id).expect("an id")
}

/// A node's part of moderation, on a database that it shares.
async fn node(folder: &std::path::Path) -> (Moderation, Arc<Bans>, Store) {
    let url = format!("--database-url={}", database_url(folder));
    let store = Store::open(&settings(&[&url]).store)
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
async fn a_node_tells_of_its_own_changes_and_one_who_is_told_looks_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let (here, _, one) = node(folder.path()).await;
    let (there, known, two) = node(folder.path()).await;
    let mut told = here.changes();
    let boss = identity("m", Role::Moderator);
    let watch = known.watch(&identity("ada", Role::Reader));

    here.ban(&boss, user("ada"), None).await.expect("banned");
    assert_eq!(told.try_recv(), Ok(user("ada")));
    // What the other does not know changes nothing there.
    assert!(!known.is_banned(&user("ada")));
    there.look_now().await.expect("read");
    watch.banned().await;
    assert!(known.is_banned(&user("ada")));

    // A ban that is there already is told of again, for the first word may have been lost; what
    // others changed is not.
    here.ban(&boss, user("ada"), None).await.expect("banned");
    assert_eq!(told.try_recv(), Ok(user("ada")));
    there.unban(&boss, user("ada")).await.expect("unbanned");
    here.look_now().await.expect("read");
    assert!(told.try_recv().is_err());
    one.close().await;
    two.close().await;
}

#[tokio::test]
async fn however_bans_and_their_lifting_meet_all_nodes_agree_in_the_end() {
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
                node.ban(boss, id, None).await.expect("banned");
            }
        }
    });
    join_all(changes).await;
    for node in nodes {
        node.look_now().await.expect("read");
    }
    let (fresh, known_fresh, three) = node(folder.path()).await;
    fresh.look_now().await.expect("read");
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
