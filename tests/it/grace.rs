//! Readers whom the server itself sends away: they keep their places in the count until they are back. A
//! token that is renewed on its socket closes none.

use std::time::Duration;

use causerie::{
    cluster::backplane::memory::Network,
    model::{PostId, Role, UserId},
    rooms::{Hub, Participant, SentAway},
    telemetry::Registry,
};
use serde_json::{Value, json};

use crate::support::{
    BRIEFLY, Request, Socket, Streaming, TestServer, token, token_for, wait_until,
};

const VIEWERS: &str = "subscription { viewerCount(postId: \"hello\") }";
const BAN: &str = "mutation { banUser(input: { userId: \"ada\" }) { ban { userId } } }";

/// Opens a socket with this token that reads `hello`.
async fn reading(server: &TestServer, token: &str) -> Socket {
    let mut socket = server.connect().await;
    socket.init(json!({"authorization": token})).await;
    socket.subscribe("v", VIEWERS, json!({})).await;
    socket
}

/// Opens a socket of another reader, and returns it once it was sent that there are two.
async fn observer(server: &TestServer) -> Socket {
    let mut observer = server.reader_socket("observer").await;
    observer.subscribe("v", VIEWERS, json!({})).await;
    wait_for_count(&mut observer, 2).await;
    observer
}

async fn wait_for_count(observer: &mut Socket, count: u64) {
    while observer.data("v").await != json!({"viewerCount": count}) {}
}

/// Asserts that a socket was sent nothing, and goes on.
async fn assert_quiet(socket: &mut Socket) {
    assert_eq!(socket.settle().await, Vec::<Value>::new());
}

async fn ping(socket: &mut Socket, token: &str) {
    let payload = json!({"Authorization": format!("Bearer {token}"), "more": 1});
    socket
        .send(json!({"type": "ping", "payload": payload}))
        .await;
}

fn ada() -> String {
    token("ada", "Ada", Role::Reader)
}

#[tokio::test]
async fn reader_whose_token_ends_keeps_its_place_until_it_is_back() {
    let server = TestServer::start_with(&["--jwt-leeway=0s"]).await;
    let mut first = reading(&server, &token_for("ada", BRIEFLY)).await;
    let mut observer = observer(&server).await;
    assert_eq!(first.closed().await, (4403, "Token expired".to_owned()));
    let second = reading(&server, &ada()).await;
    server.wait_for_members(1, 2).await;
    assert_quiet(&mut observer).await;
    // One that leaves by itself is gone at once.
    second.close().await;
    wait_for_count(&mut observer, 1).await;
    first.vanish();
    observer.close().await;
    server.stop().await;
}

#[tokio::test]
async fn stream_whose_token_ends_keeps_its_place_and_loses_it_later() {
    let server = TestServer::start_with(&["--jwt-leeway=0s"]).await;
    let request = Request::post(VIEWERS, json!({}))
        .accepting("text/event-stream")
        .with_token(&token_for("ada", BRIEFLY));
    let mut stream = Streaming::open(server.address(), &request).await;
    let mut observer = observer(&server).await;
    stream.rest().await;
    server.wait_for_members(1, 1).await;
    assert_quiet(&mut observer).await;
    wait_for_count(&mut observer, 1).await;
    observer.close().await;
    server.stop().await;
}

#[tokio::test]
async fn readers_of_a_draining_node_keep_their_places_on_the_others() {
    let network = Network::new(Duration::from_millis(2));
    let draining = TestServer::start_node(&network, &[]).await;
    let staying = draining.node_beside(&network, &[]).await;
    let mut first = reading(&draining, &ada()).await;
    let mut observer = observer(&staying).await;
    // Its database is the other's, so its folder must stay.
    let folder = draining.shut_down().await;
    assert_eq!(first.closed().await.0, 1012);
    let second = reading(&staying, &ada()).await;
    staying.wait_for_members(1, 2).await;
    assert_quiet(&mut observer).await;
    second.close().await;
    wait_for_count(&mut observer, 1).await;
    observer.close().await;
    first.vanish();
    staying.stop().await;
    drop(folder);
}

#[tokio::test(start_paused = true)]
async fn grace_ends_after_five_seconds_or_with_a_ban() {
    let hub = Hub::new(4, &Registry::new());
    let timers = hub.clone();
    tokio::spawn(async move { timers.run().await });
    let post = PostId::parse("hello").expect("an id");
    let user = |name: &str| causerie::model::User {
        id: UserId::parse(name).expect("an id"),
        name: name.into(),
        avatar: None,
        role: Role::Reader,
    };
    let send_away = |name: &str| {
        let sent_away = SentAway::default();
        let reader = Participant {
            client: causerie::model::ClientId::new_unnamed(),
            user: Some(user(name)),
            sent_away: sent_away.clone(),
        };
        let membership = hub.join(&post, &reader);
        sent_away.set();
        drop(membership);
    };
    send_away("ada");
    send_away("bob");
    assert_eq!(hub.viewers(&post).await, 2);
    assert_eq!((hub.stats().rooms, hub.stats().members), (1, 0));
    hub.end_grace(&user("ada").id);
    assert_eq!(hub.viewers(&post).await, 1);
    tokio::time::sleep(Duration::from_millis(4_900)).await;
    assert_eq!(hub.viewers(&post).await, 1);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(hub.viewers(&post).await, 0);
    assert_eq!(hub.stats().rooms, 0);
}

#[tokio::test]
async fn banned_reader_loses_the_place_that_it_was_left() {
    let server = TestServer::start_with(&["--jwt-leeway=0s"]).await;
    let mut first = reading(&server, &token_for("ada", BRIEFLY)).await;
    let mut observer = observer(&server).await;
    assert_eq!(first.closed().await.0, 4403);
    let boss = token("boss", "Boss", Role::Moderator);
    server.client().with_token(&boss).send(BAN, json!({})).await;
    wait_for_count(&mut observer, 1).await;
    first.vanish();
    observer.close().await;
    server.stop().await;
}

#[tokio::test]
async fn ping_with_a_new_token_keeps_the_socket_open() {
    let server = TestServer::start_with(&["--jwt-leeway=0s"]).await;
    let brief = token_for("ada", BRIEFLY);
    let (mut renewed, mut other) = (
        reading(&server, &brief).await,
        reading(&server, &brief).await,
    );
    wait_for_count(&mut renewed, 1).await;
    ping(&mut renewed, &ada()).await;
    let pong = json!({"type": "pong", "payload": {"renewed": true}});
    assert_eq!(renewed.message().await, pong);
    assert_eq!(other.closed().await, (4403, "Token expired".to_owned()));
    assert_quiet(&mut renewed).await;
    let write = "mutation { createComment(input: { postId: \"hello\", body: \"b\" }) {
        comment { author { name } } } }";
    renewed.subscribe("w", write, json!({})).await;
    let author = &renewed.data("w").await["createComment"]["comment"]["author"];
    assert_eq!(author["name"], json!("Ada"));
    other.vanish();
    renewed.close().await;
    server.stop().await;
}

#[tokio::test]
async fn ping_with_a_token_that_renews_nothing_closes_4403() {
    let server = TestServer::start().await;
    let signed_in = async || reading(&server, &ada()).await;
    let refused = async |mut socket: Socket, token: &str| {
        ping(&mut socket, token).await;
        let closed = socket.closed().await;
        socket.vanish();
        closed
    };
    let reason = |text: &str| (4403, text.to_owned());
    let (another, hour) = ("The token is another user's.", Duration::from_secs(3600));
    let bob = token("bob", "Bob", Role::Reader);
    assert_eq!(refused(signed_in().await, &bob).await, reason(another));
    let anonymous = server.socket().await;
    assert_eq!(refused(anonymous, &ada()).await, reason(another));
    let nonsense = refused(signed_in().await, "nonsense").await;
    assert_eq!(nonsense, reason("The token is not valid."));
    let expired = token_for("ada", Duration::ZERO);
    let late = TestServer::start_with(&["--jwt-leeway=0s"]).await;
    let socket = reading(&late, &token_for("ada", hour)).await;
    assert_eq!(refused(socket, &expired).await, reason("Token expired"));
    late.stop().await;

    let mut early = server.connect().await;
    ping(&mut early, &ada()).await;
    assert_eq!(early.closed().await.0, 4401);
    early.vanish();
    wait_until("no reader is left", async || {
        server.observer().rooms().members == 0
    })
    .await;
    server.stop().await;
}
