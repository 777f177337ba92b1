//! Readers whose connections are cut repeatedly, and a server that is killed meanwhile. Every reader ends
//! with every comment, once and in order.

use std::{
    collections::HashSet,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use causerie::model::Role;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tokio_tungstenite::{
    client_async,
    tungstenite::{Message, client::IntoClientRequest},
};

use crate::support::{Process, SECRET, causerie, database_url, token};

const READERS: usize = 50;
const WRITERS: usize = 4;
const COMMENTS: usize = 2_000;
/// The pause of a client before it reconnects.
const PAUSE: Duration = Duration::from_millis(10);
/// Timeout for all readers to reach the end. A passing test needs a tenth of it.
const TIMEOUT: Duration = Duration::from_secs(180);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_cut_at_random_get_every_comment_once_and_in_order() {
    run(&[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_cut_at_random_lose_nothing_though_server_is_killed() {
    run(&[COMMENTS / 3, 2 * COMMENTS / 3]).await;
}

/// Writes and reads, and kills the server at each number of acknowledged comments in `kills`.
async fn run(kills: &[usize]) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = start(folder.path(), "127.0.0.1:0").await;
    let address = server.address();
    let author = server
        .client()
        .with_token(&token("author", "Author", Role::Author));
    let create =
        "mutation { createPost(input: { id: \"hello\", title: \"Hello\" }) { post { cursor } } }";
    let start_of_feed =
        author.send(create, Value::Null).await["createPost"]["post"]["cursor"].take();

    let proxy = Proxy::start(address).await;
    let (total, is_total) = watch::channel(None);
    let readers: Vec<_> = (0..READERS)
        .map(|_| {
            let reader = Reader {
                address: proxy.address,
                cursor: start_of_feed.clone(),
                held: Vec::new(),
            };
            tokio::spawn(reader.read(is_total.clone()))
        })
        .collect();

    let acknowledged = Arc::new(AtomicUsize::new(0));
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| tokio::spawn(write(address, writer, Arc::clone(&acknowledged))))
        .collect();
    for &kill in kills {
        crate::support::wait_until("comments to kill the server between", || {
            acknowledged.load(Ordering::Relaxed) >= kill
        })
        .await;
        server.signal("KILL").await;
        assert!(!server.ended().await.status.success());
        server = start(folder.path(), &address.to_string()).await;
    }
    let mut acknowledged = HashSet::new();
    for writer in writers {
        acknowledged.extend(writer.await.expect("a writer"));
    }

    let stored = server.client().bodies().await;
    let all: HashSet<&String> = stored.iter().collect();
    assert_eq!(all.len(), stored.len(), "no comment is stored twice");
    assert!(
        acknowledged.iter().all(|body| all.contains(body)),
        "acknowledged means stored"
    );
    assert!(acknowledged.len() == COMMENTS);

    total.send_replace(Some(stored.len()));
    for reader in readers {
        let held = tokio::time::timeout(TIMEOUT, reader)
            .await
            .expect("the end in time");
        assert_eq!(held.expect("a reader"), stored);
    }
    assert!(
        proxy.cuts.load(Ordering::Relaxed) >= READERS as u64,
        "nobody was cut"
    );
    server.signal("TERM").await;
    assert!(server.ended().await.status.success());
}

async fn start(folder: &std::path::Path, listen: &str) -> Process {
    let database = format!("--database-url={}", database_url(folder));
    let secret = format!("--jwt-secret={SECRET}");
    let listen = format!("--listen={listen}");
    let arguments = ["serve", "--rate-limits=off", &listen, &secret, &database];
    Process::spawn(&mut causerie(&arguments)).await
}

/// Writes its share of the comments, each until it is acknowledged, and returns the acknowledged ones. An
/// attempt without an answer may be stored, so each attempt has its own text.
async fn write(address: SocketAddr, writer: usize, count: Arc<AtomicUsize>) -> Vec<String> {
    let http = reqwest::Client::new();
    let token = token(&format!("writer{writer}"), "Writer", Role::Reader);
    let query = "mutation($body: String!) { createComment(input: { postId: \"hello\", body: $body }) { comment { id } } }";
    let mut acknowledged = Vec::new();
    for number in 0..COMMENTS / WRITERS {
        for attempt in 0.. {
            let body = format!("{writer}/{number}/{attempt}");
            let request = http
                .post(format!("http://{address}/graphql"))
                .bearer_auth(&token)
                .header("content-type", "application/json")
                .body(json!({"query": query, "variables": {"body": body}}).to_string());
            if let Ok(response) = request.send().await
                && let Ok(text) = response.text().await
            {
                assert!(!text.contains("errors"), "{text}");
                acknowledged.push(body);
                count.fetch_add(1, Ordering::Relaxed);
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
    acknowledged
}

/// A reader that keeps the cursor of the last event and resumes there after each lost connection.
struct Reader {
    address: SocketAddr,
    cursor: Value,
    held: Vec<String>,
}

impl Reader {
    /// Reads until it holds `total` comments.
    async fn read(mut self, mut total: watch::Receiver<Option<usize>>) -> Vec<String> {
        while *total.borrow() != Some(self.held.len()) {
            // Any error is a connection's, and the next connection resumes.
            let _ = self.read_a_connection(&mut total).await;
            tokio::time::sleep(PAUSE).await;
        }
        self.held
    }

    async fn read_a_connection(
        &mut self,
        total: &mut watch::Receiver<Option<usize>>,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let mut request = format!("ws://{}/graphql", self.address).into_client_request()?;
        let headers = request.headers_mut();
        headers.insert("sec-websocket-protocol", "graphql-transport-ws".parse()?);
        let connection = TcpStream::connect(self.address).await?;
        let (mut socket, _) = client_async(request, connection).await?;
        let subscribe = json!({"id": "s", "type": "subscribe", "payload": {
            "query": "subscription($after: Cursor) { commentAdded(postId: \"hello\", after: $after) { body cursor } }",
            "variables": {"after": self.cursor},
        }});
        socket
            .send(Message::text(r#"{"type":"connection_init"}"#))
            .await?;
        socket.next().await.ok_or("over")??;
        socket.send(Message::text(subscribe.to_string())).await?;
        while *total.borrow() != Some(self.held.len()) {
            tokio::select! {
                frame = socket.next() => {
                    let Message::Text(text) = frame.ok_or("over")?? else { continue };
                    let message: Value = serde_json::from_str(&text)?;
                    let added = &message["payload"]["data"]["commentAdded"];
                    self.held.push(added["body"].as_str().ok_or_else(|| text.to_string())?.to_owned());
                    self.cursor = added["cursor"].clone();
                }
                changed = total.changed() => changed?,
            }
        }
        Ok(())
    }
}

/// A proxy that cuts each connection after a random number of bytes.
struct Proxy {
    address: SocketAddr,
    cuts: Arc<AtomicU64>,
}

impl Proxy {
    async fn start(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let cuts = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&cuts);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let cuts = Arc::clone(&counted);
                tokio::spawn(async move {
                    let Ok(server) = TcpStream::connect(upstream).await else {
                        return;
                    };
                    let (from_client, to_client) = client.into_split();
                    let (from_server, to_server) = server.into_split();
                    let bytes = random_bytes(cuts.load(Ordering::Relaxed));
                    // Both directions end when either does, and both connections are dropped.
                    tokio::select! {
                        () = pass(from_client, to_server, usize::MAX) => {}
                        () = pass(from_server, to_client, bytes) => {}
                    }
                    cuts.fetch_add(1, Ordering::Relaxed);
                });
            }
        });
        Self { address, cuts }
    }
}

/// Returns between nothing and the bytes of some hundred comments.
fn random_bytes(salt: u64) -> usize {
    use std::hash::{BuildHasher, RandomState};
    usize::try_from(RandomState::new().hash_one(salt) % 40_000).expect("small")
}

/// Forwards at most `bytes` bytes.
async fn pass(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, mut bytes: usize) {
    let mut buffer = [0; 1024];
    while bytes > 0 {
        let most = bytes.min(buffer.len());
        let Ok(read @ 1..) = from.read(&mut buffer[..most]).await else {
            return;
        };
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
        bytes -= read;
    }
}
