//! A TCP proxy whose network can be cut.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinHandle,
};

/// The state of the network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Network {
    /// Everything is delivered.
    Whole,
    /// Everything is lost silently: connections stay open at both ends.
    Silent,
    /// Connections are ended and refused.
    Closed,
}

/// A proxy to one server. Dropping it ends all connections.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    wire: Arc<Wire>,
    accepting: JoinHandle<()>,
}

/// The state that all connections of a proxy share.
#[derive(Debug)]
struct Wire {
    server: SocketAddr,
    /// The network's state, and the number of times it fell silent.
    network: watch::Sender<(Network, u64)>,
    /// Notifies the connections that are to fall silent.
    silence: watch::Sender<()>,
    /// The upper bound of the random number of bytes after which a connection is cut.
    cut_below: Option<usize>,
    /// The request whose answer will be lost.
    unanswered: Mutex<Option<&'static [u8]>>,
    /// The number of connections that have ended.
    ended: AtomicU64,
}

impl Proxy {
    /// Starts a proxy that delivers everything until told otherwise.
    pub async fn to(server: SocketAddr) -> Self {
        Self::start(server, None).await
    }

    /// Starts a proxy that cuts each connection after a random number of the server's bytes, below `bytes`.
    pub async fn cutting(server: SocketAddr, bytes: usize) -> Self {
        Self::start(server, Some(bytes)).await
    }

    async fn start(server: SocketAddr, cut_below: Option<usize>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let wire = Arc::new(Wire {
            server,
            network: watch::Sender::new((Network::Whole, 0)),
            silence: watch::Sender::new(()),
            cut_below,
            unanswered: Mutex::new(None),
            ended: AtomicU64::new(0),
        });
        let shared = Arc::clone(&wire);
        let accepting = tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.expect("a connection");
                let wire = Arc::clone(&shared);
                tokio::spawn(async move {
                    wire.carry(client).await;
                    wire.ended.fetch_add(1, Ordering::Relaxed);
                });
            }
        });
        Self {
            address,
            wire,
            accepting,
        }
    }

    /// Returns the address to connect to instead of the server's.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sets the state of the network, for open connections and new ones.
    pub fn set(&self, network: Network) {
        self.wire.network.send_modify(|(state, silences)| {
            *state = network;
            *silences += u64::from(network == Network::Silent);
        });
    }

    /// Makes the open connections fall silent for good. New ones are whole.
    pub fn silence(&self) {
        self.wire.silence.send_replace(());
    }

    /// Cuts the next connection that sends `request`, after the server has answered and before the client
    /// knows.
    pub fn lose_answer_to(&self, request: &'static [u8]) {
        *self.wire.unanswered.lock().expect("no panic") = Some(request);
    }

    /// Returns the number of connections that have ended.
    pub fn cuts(&self) -> u64 {
        self.wire.ended.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.set(Network::Closed);
    }
}

impl Wire {
    /// Carries one connection until it ends. Both of its ends are dropped together.
    async fn carry(&self, client: TcpStream) {
        let network = self.network.subscribe();
        let mut silence = self.silence.subscribe();
        if network.borrow().0 == Network::Closed {
            return;
        }
        let Ok(server) = TcpStream::connect(self.server).await else {
            return;
        };
        let (mut from_client, mut to_client) = client.into_split();
        let (mut from_server, mut to_server) = server.into_split();
        let cut_after = self
            .cut_below
            .map_or(usize::MAX, |bytes| fastrand::usize(..bytes));
        let is_last = AtomicBool::new(false);
        tokio::select! {
            () = self.pass_requests(&mut from_client, &mut to_server, &is_last) => {}
            () = self.pass_answers(&mut from_server, &mut to_client, cut_after, &is_last) => {}
            () = broken(network.clone()) => {}
            _ = silence.changed() => broken(network).await,
        }
    }

    /// Forwards what the client sends. Sets `is_last` before a request whose answer is to be lost.
    async fn pass_requests(
        &self,
        from: &mut OwnedReadHalf,
        to: &mut OwnedWriteHalf,
        is_last: &AtomicBool,
    ) {
        let mut buffer = [0; 8192];
        while let Ok(length @ 1..) = from.read(&mut buffer).await {
            let bytes = &buffer[..length];
            if self.loses_answer_to(bytes) {
                is_last.store(true, Ordering::Relaxed);
            }
            if self.is_whole() && to.write_all(bytes).await.is_err() {
                return;
            }
        }
    }

    /// Forwards at most `bytes` bytes of the server's answers.
    async fn pass_answers(
        &self,
        from: &mut OwnedReadHalf,
        to: &mut OwnedWriteHalf,
        mut bytes: usize,
        is_last: &AtomicBool,
    ) {
        let mut buffer = [0; 8192];
        while bytes > 0 {
            let most = bytes.min(buffer.len());
            let Ok(length @ 1..) = from.read(&mut buffer[..most]).await else {
                return;
            };
            // The server has done what it answers.
            let is_lost = is_last.load(Ordering::Relaxed);
            if is_lost || self.is_whole() && to.write_all(&buffer[..length]).await.is_err() {
                return;
            }
            bytes -= length;
        }
    }

    fn loses_answer_to(&self, bytes: &[u8]) -> bool {
        let mut unanswered = self.unanswered.lock().expect("no panic");
        let request = unanswered.take_if(|request| {
            let mut windows = bytes.windows(request.len());
            windows.any(|window| window == *request)
        });
        request.is_some()
    }

    fn is_whole(&self) -> bool {
        self.network.borrow().0 == Network::Whole
    }
}

/// Waits until a connection cannot go on: the network was closed, or it is whole again and bytes were lost.
async fn broken(mut network: watch::Receiver<(Network, u64)>) {
    let (state, silences) = *network.borrow();
    let before = silences - u64::from(state == Network::Silent);
    let is_broken = |(state, silences): &(Network, u64)| match state {
        Network::Closed => true,
        Network::Whole => *silences > before,
        Network::Silent => false,
    };
    // An error means that the proxy is gone.
    let _ = network.wait_for(is_broken).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait::within;

    /// Returns a proxy to a server that echoes, and a connection through it.
    async fn echo() -> (Proxy, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let proxy = Proxy::to(listener.local_addr().expect("an address")).await;
        tokio::spawn(async move {
            while let Ok((mut connection, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = connection.split();
                    tokio::io::copy(&mut from, &mut to).await
                });
            }
        });
        let client = TcpStream::connect(proxy.address()).await;
        (proxy, client.expect("a connection"))
    }

    /// Returns the answer, or `None` at the end of the connection.
    async fn ask(client: &mut TcpStream, text: &[u8]) -> Option<Vec<u8>> {
        client.write_all(text).await.ok()?;
        let mut answer = vec![0; text.len()];
        let read = within("an answer", client.read_exact(&mut answer)).await;
        read.ok().map(|_| answer)
    }

    #[tokio::test]
    async fn network_that_was_silent_ends_its_connections() {
        let (proxy, mut client) = echo().await;
        assert_eq!(ask(&mut client, b"one").await.as_deref(), Some(&b"one"[..]));
        proxy.set(Network::Silent);
        client.write_all(b"lost").await.expect("sent");
        proxy.set(Network::Whole);
        assert_eq!(ask(&mut client, b"two").await, None);
        proxy.set(Network::Closed);
        let mut refused = TcpStream::connect(proxy.address())
            .await
            .expect("a connection");
        assert_eq!(ask(&mut refused, b"three").await, None);
    }

    #[tokio::test]
    async fn answer_is_lost_once_and_only_to_its_request() {
        let (proxy, mut client) = echo().await;
        proxy.lose_answer_to(b"COMMIT");
        assert!(ask(&mut client, b"BEGIN").await.is_some());
        assert_eq!(ask(&mut client, b"COMMIT").await, None);
        let mut again = TcpStream::connect(proxy.address())
            .await
            .expect("a connection");
        assert!(ask(&mut again, b"COMMIT").await.is_some());
    }
}
