//! A reader that stops reading costs other readers nothing, and itself only the time to catch up.

use causerie::model::Role;
use serde_json::{Value, json};
use tokio::net::TcpSocket;

use crate::support::{Frame, Node, Signal, Socket, start_node, token, upgrade_request};

/// The number of readers. A debug build serves this load in some seconds, and a release build gets all of it.
const READERS: usize = if cfg!(debug_assertions) { 40 } else { 200 };
const COMMENTS: usize = if cfg!(debug_assertions) { 3_500 } else { 5_000 };
const WRITERS: usize = 4;
const BODY: usize = 2_000;
/// Maximum growth of the server's memory under the load, in bytes. It is far less than the bytes for one reader,
/// because the system buffers hold the rest.
const MAX_GROWTH: u64 = 40_000_000;

const FOLLOW: &str = "subscription($after: Cursor) {
    commentAdded(postId: \"hello\", after: $after) { body cursor }
}";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stalled_reader_is_closed_and_complete_after_it_resumes() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = start_node(folder.path(), &[]).await;
    let author = server
        .client()
        .with_token(&token("author", "Author", Role::Author));
    let create =
        "mutation { createPost(input: { id: \"hello\", title: \"Hello\" }) { post { cursor } } }";
    author.send(create, Value::Null).await;

    let mut slow = connect_with_a_small_window(&server).await;
    slow.subscribe("s", FOLLOW, json!({})).await;
    server.wait_for_members(1).await;
    assert!(slow.settle().await.is_empty());
    let mut readers = Vec::new();
    for reader in 0..READERS {
        let mut socket = server.socket().await;
        socket.subscribe("s", FOLLOW, json!({})).await;
        server.wait_for_members(reader + 2).await;
        assert!(socket.settle().await.is_empty());
        readers.push(tokio::spawn(read(socket, COMMENTS)));
    }
    let before = resident(&server);

    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let name = format!("writer{writer}");
            let client = server
                .client()
                .with_token(&token(&name, &name, Role::Reader));
            tokio::spawn(async move {
                for number in 0..COMMENTS / WRITERS {
                    client
                        .comment(&format!("{writer}/{number} {}", "x".repeat(BODY)))
                        .await;
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.expect("a writer");
    }
    let mut all = None;
    for reader in readers {
        // The slow reader has read nothing since the first comment.
        let (_, held) = reader.await.expect("a reader");
        assert_eq!(*all.get_or_insert(held.clone()), held, "all hold the same");
    }
    let all = all.expect("readers");
    let growth = resident(&server).saturating_sub(before);
    assert!(growth < MAX_GROWTH, "the server grew by {growth} bytes");

    server.wait_for_members(0).await;
    // The bytes in the system's buffers are still readable before the connection ends.
    let mut held = Vec::new();
    let mut cursor = Value::Null;
    while let Frame::Message(message) = slow.next().await {
        let added = &message["payload"]["data"]["commentAdded"];
        held.push(number_of(added));
        cursor = added["cursor"].clone();
    }
    assert!(held.len() < COMMENTS, "the slow reader was not slow");
    let mut resumed = server.socket().await;
    resumed
        .subscribe("s", FOLLOW, json!({"after": cursor}))
        .await;
    let (mut resumed, rest) = read(resumed, COMMENTS - held.len()).await;
    held.extend(rest);
    assert_eq!(held, all);
    assert!(resumed.settle().await.is_empty());
    server.signal(Signal::SIGTERM);
    assert!(server.ended().await.status.success());
}

fn resident(server: &Node) -> u64 {
    server.program().resident().expect("a number")
}

/// Opens a socket with a small receive buffer: 4 kB, or the system's minimum.
async fn connect_with_a_small_window(server: &Node) -> Socket {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a small buffer");
    let connection = socket
        .connect(server.address())
        .await
        .expect("a connection");
    let mut socket = Socket::upgrade(
        connection,
        upgrade_request(Some("graphql-transport-ws")).as_bytes(),
    )
    .await;
    socket.init(json!({})).await;
    socket
}

async fn read(mut socket: Socket, count: usize) -> (Socket, Vec<String>) {
    let mut held = Vec::with_capacity(count);
    for _ in 0..count {
        held.push(number_of(&socket.data("s").await["commentAdded"]));
    }
    (socket, held)
}

/// Returns the comment's number: the text before the first space.
fn number_of(added: &Value) -> String {
    let body = added["body"].as_str().expect("a body");
    body.split(' ').next().expect("a number").to_owned()
}
