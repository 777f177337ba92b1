//! The same room on every transport.

use std::time::Duration;

use causerie::model::Role;
use serde_json::{Value, json};

use crate::support::{BRIEFLY, Chunk, Request, Socket, Streaming, TestServer, token, token_for};

const SSE: &str = "text/event-stream";
const MULTIPART: &str = "multipart/mixed;subscriptionSpec=1.0";
const VIEWERS: &str = "subscription { viewerCount(postId: \"hello\") }";
const ADDED: &str = "subscription($after: Cursor) {
    commentAdded(postId: \"hello\", after: $after) { body cursor }
}";

/// A subscription over any transport.
pub(crate) enum Reader {
    WebSocket(Box<Socket>),
    Sse(Streaming),
    Multipart(Streaming),
}

/// Opens one subscription of the same client and user over each transport.
pub(crate) async fn readers(
    server: &TestServer,
    token: &str,
    client: &str,
    query: &str,
    variables: &Value,
) -> [Reader; 3] {
    readers_of(server, token, [client; 3], query, variables).await
}

/// Opens one subscription of a user over each transport, each of another client.
pub(crate) async fn readers_of(
    server: &TestServer,
    token: &str,
    clients: [&str; 3],
    query: &str,
    variables: &Value,
) -> [Reader; 3] {
    let mut socket = server.connect().await;
    let payload = json!({"authorization": token, "clientId": clients[0]});
    socket.init(payload).await;
    socket.subscribe("s", query, variables.clone()).await;
    let request = Request::post(query, variables.clone()).with_token(token);
    let open = async |accept, client| {
        let request = request.clone().accepting(accept);
        let request = request.with("x-client-id", client);
        Streaming::open(server.address(), &request).await
    };
    [
        Reader::WebSocket(Box::new(socket)),
        Reader::Sse(open(SSE, clients[1]).await),
        Reader::Multipart(open(MULTIPART, clients[2]).await),
    ]
}

impl Reader {
    pub(crate) async fn data(&mut self) -> Value {
        match self {
            Self::WebSocket(socket) => socket.data("s").await,
            Self::Sse(stream) => stream.event_data().await,
            Self::Multipart(stream) => stream.part_data().await,
        }
    }

    /// Returns the text of the next comment.
    async fn body(&mut self) -> String {
        let data = self.data().await;
        let body = data["commentAdded"]["body"].as_str().expect("a body");
        body.to_owned()
    }

    /// Reads counts until `count` comes. Those before it may be conflated.
    async fn wait_for_viewers(&mut self, count: usize) {
        while self.data().await != json!({"viewerCount": count}) {}
    }

    /// Waits until the server ends the subscription because its token expired.
    async fn expired(&mut self) {
        match self {
            Self::WebSocket(socket) => assert_eq!(socket.closed().await.0, 4403),
            Self::Sse(stream) => assert_eq!(stream.rest().await.1, Chunk::CutOff),
            Self::Multipart(stream) => {
                // Counts may come first.
                let mut last = stream.part().await;
                while last["errors"].is_null() {
                    last = stream.part().await;
                }
                let error = &last["errors"][0]["extensions"]["code"];
                assert_eq!(error, &json!("UNAUTHENTICATED"), "{last}");
                assert_eq!(stream.rest().await.1, Chunk::Last);
            }
        }
    }

    /// Reads events up to the error that ends the subscription, and returns its code.
    pub(crate) async fn refusal(&mut self) -> String {
        let code = loop {
            let errors = match self {
                Self::WebSocket(socket) => {
                    let message = socket.message().await;
                    match message["type"].as_str() {
                        Some("error") => message["payload"].clone(),
                        _ => message["payload"]["errors"].clone(),
                    }
                }
                Self::Sse(stream) => stream.event().await.data["errors"].clone(),
                Self::Multipart(stream) => {
                    let part = stream.part().await;
                    let payload = &part["payload"]["errors"];
                    let errors = if payload.is_null() {
                        &part["errors"]
                    } else {
                        payload
                    };
                    errors.clone()
                }
            };
            if !errors.is_null() {
                break errors[0]["extensions"]["code"].clone();
            }
        };
        code.as_str().expect("a code").to_owned()
    }

    pub(crate) fn vanish(self) {
        match self {
            Self::WebSocket(socket) => socket.vanish(),
            Self::Sse(stream) | Self::Multipart(stream) => stream.vanish(),
        }
    }
}

/// Returns the variables that subscribe from the current end of `hello`.
async fn start(server: &TestServer) -> Value {
    let query = "{ post(id: \"hello\") { cursor } }";
    let data = server.client().send(query, json!({})).await;
    json!({"after": data["post"]["cursor"]})
}

fn reader(name: &str) -> String {
    token(name, name, Role::Reader)
}

/// Three users have one post open, each over another transport, until their tokens expire.
#[tokio::test]
async fn readers_on_three_transports_share_one_room() {
    let server = TestServer::start_with(&["--jwt-leeway=0s"]).await;
    let names = ["ada", "bob", "cleo"];
    // Of each user's three subscriptions, only the one over this transport is kept.
    let open = async |query: &str, lifetimes: [u64; 3], variables: [Value; 3]| {
        let mut all = Vec::new();
        for (number, variables) in variables.iter().enumerate() {
            let token = token_for(names[number], Duration::from_secs(lifetimes[number]));
            let three = readers(&server, &token, names[number], query, variables).await;
            for (transport, reader) in three.into_iter().enumerate() {
                if transport == number {
                    all.push(reader);
                } else {
                    reader.vanish();
                }
            }
        }
        all
    };
    let nothing = || [json!({}), json!({}), json!({})];

    // Counts: each sees all three, and one less when another leaves.
    let mut counting = open(VIEWERS, [3600; 3], nothing()).await;
    for reader in &mut counting {
        reader.wait_for_viewers(3).await;
    }
    counting.remove(1).vanish();
    for reader in &mut counting {
        reader.wait_for_viewers(2).await;
    }
    counting.into_iter().for_each(Reader::vanish);
    server.wait_for_members(0, 0).await;

    // Exclusion: a user's comment reaches the two others.
    let mut reading = open(ADDED, [3600; 3], nothing()).await;
    server.wait_for_members(1, 3).await;
    for name in names {
        server.reader(name).named(name).comment(name).await;
    }
    let mut last = Vec::new();
    for (reader, name) in reading.iter_mut().zip(names) {
        let mut added = Value::Null;
        for other in names.iter().filter(|&&other| other != name) {
            added = reader.data().await["commentAdded"].take();
            assert_eq!(added["body"], json!(other));
        }
        last.push(added["cursor"].take());
    }
    reading.into_iter().for_each(Reader::vanish);

    // Resuming: each resumes at another's cursor.
    server.reader("dora").comment("missed").await;
    let [one, two, three] = [2, 0, 1].map(|number: usize| json!({"after": last[number]}));
    for mut reader in open(ADDED, [3600; 3], [one, two, three]).await {
        while reader.body().await != "missed" {}
        reader.vanish();
    }

    // Expiry: each subscription ends with its own token, and the others see it.
    let mut socket = server.socket().await;
    socket.subscribe("s", VIEWERS, json!({})).await;
    let mut watching = Reader::WebSocket(Box::new(socket));
    let expiring = open(VIEWERS, [8, 9, 10], nothing()).await;
    watching.wait_for_viewers(4).await;
    for (number, mut reader) in expiring.into_iter().enumerate() {
        reader.expired().await;
        watching.wait_for_viewers(3 - number).await;
        reader.vanish();
    }
    watching.vanish();
    server.stop().await;
}

#[tokio::test]
async fn named_reader_counts_once_and_unnamed_client_once_per_stream() {
    let server = TestServer::start().await;
    // One user on three transports is one viewer,
    let ada = readers(&server, &reader("ada"), "ada", VIEWERS, &json!({})).await;
    let [mut watching, mut sse, mut multipart] = ada;
    for reader in [&mut watching, &mut sse, &mut multipart] {
        assert_eq!(reader.data().await, json!({"viewerCount": 1}));
    }
    // and each anonymous stream is one more.
    let mut anonymous = Vec::new();
    for (number, accept) in [SSE, MULTIPART, SSE].into_iter().enumerate() {
        let request = Request::post(VIEWERS, json!({})).accepting(accept);
        anonymous.push(Streaming::open(server.address(), &request).await);
        watching.wait_for_viewers(number + 2).await;
    }
    // Streams of one named client are one more viewer, over any transport.
    let named = Request::post(VIEWERS, json!({})).with("x-client-id", "tab");
    let mut tab = Vec::new();
    for accept in [SSE, MULTIPART] {
        let request = named.clone().accepting(accept);
        tab.push(Streaming::open(server.address(), &request).await);
    }
    watching.wait_for_viewers(5).await;
    for stream in anonymous.into_iter().chain(tab) {
        stream.vanish();
    }
    watching.wait_for_viewers(1).await;
    let counts = "{ post(id: \"hello\") { viewerCount } }";
    let data = server.client().send(counts, json!({})).await;
    assert_eq!(data, json!({"post": {"viewerCount": 1}}));
    for reader in [watching, sse, multipart] {
        reader.vanish();
    }
    server.stop().await;
}

#[tokio::test]
async fn change_reaches_every_transport_except_its_own_client() {
    let server = TestServer::start().await;
    let after = start(&server).await;
    server.reader("bob").comment("before").await;
    let mut own = readers(&server, &reader("ada"), "tab1", ADDED, &after).await;
    let mut other = readers(&server, &reader("ada"), "tab2", ADDED, &after).await;
    for reader in own.iter_mut().chain(&mut other) {
        assert_eq!(reader.body().await, "before");
    }
    server.reader("ada").named("tab1").comment("mine").await;
    server.reader("bob").named("bob").comment("yours").await;
    for mut reader in own {
        // Its own comment, if sent, would have come first.
        assert_eq!(reader.body().await, "yours");
        reader.vanish();
    }
    for mut reader in other {
        for body in ["mine", "yours"] {
            assert_eq!(reader.body().await, body);
        }
        reader.vanish();
    }
    server.stop().await;
}

#[tokio::test]
async fn event_is_executed_once_for_all_transports() {
    let server = TestServer::start().await;
    let (mut socket, request) = (server.socket().await, Request::post(ADDED, json!({})));
    socket.subscribe("s", ADDED, json!({})).await;
    let open = async |accept| {
        let request = request.clone().accepting(accept);
        Streaming::open(server.address(), &request).await
    };
    let mut readers = [
        Reader::WebSocket(Box::new(socket)),
        Reader::Sse(open(SSE).await),
        Reader::Multipart(open(MULTIPART).await),
    ];
    server.wait_for_members(1, 3).await;
    server.reader("bob").comment("one").await;
    for reader in &mut readers {
        assert_eq!(reader.body().await, "one");
    }
    let events = server.observer().events();
    assert_eq!((events.executions, events.deliveries), (1, 3));
    readers.into_iter().for_each(Reader::vanish);
    server.stop().await;
}

#[tokio::test]
async fn every_transport_resumes_at_any_others_cursor() {
    let server = TestServer::start().await;
    let after = start(&server).await;
    server.reader("bob").comment("0").await;
    let mut first = readers(&server, &reader("ada"), "ada", ADDED, &after).await;
    let mut cursors = Vec::new();
    for reader in &mut first {
        cursors.push(reader.data().await["commentAdded"]["cursor"].clone());
    }
    first.into_iter().for_each(Reader::vanish);
    server.wait_for_members(0, 0).await;
    for body in ["1", "2"] {
        server.reader("bob").comment(body).await;
    }
    let mut resumed = Vec::new();
    for cursor in cursors {
        let variables = json!({"after": cursor});
        resumed.extend(readers(&server, &reader("ada"), "ada", ADDED, &variables).await);
    }
    for reader in &mut resumed {
        for body in ["1", "2"] {
            assert_eq!(reader.body().await, body);
        }
    }
    server.reader("bob").comment("3").await;
    for mut reader in resumed {
        assert_eq!(reader.body().await, "3");
        reader.vanish();
    }
    server.stop().await;
}

#[tokio::test]
async fn token_expiry_ends_every_transport_and_its_membership() {
    let server = TestServer::start_with(&["--jwt-leeway=0s"]).await;
    let mut bob = server.socket().await;
    bob.subscribe("v", VIEWERS, json!({})).await;
    assert_eq!(bob.data("v").await, json!({"viewerCount": 1}));
    let token = token_for("ada", BRIEFLY);
    let ada = readers(&server, &token, "ada", VIEWERS, &json!({})).await;
    assert_eq!(bob.data("v").await, json!({"viewerCount": 2}));
    for mut reader in ada {
        reader.wait_for_viewers(2).await;
        reader.expired().await;
        reader.vanish();
    }
    assert_eq!(bob.data("v").await, json!({"viewerCount": 1}));
    server.wait_for_members(1, 1).await;
    bob.close().await;
    server.stop().await;
}
