//! A proxy between a node and a NATS server, whose network can be cut.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
};

/// The state of the network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Network {
    /// Everything is delivered.
    Whole,
    /// Everything is lost silently: connections stay open at both ends.
    Silent,
    /// Connections are ended and refused.
    Closed,
}

/// A proxy to one server. It ends with its guard.
pub(crate) struct Link {
    address: SocketAddr,
    network: watch::Sender<Network>,
}

impl Link {
    pub(crate) async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (network, mut state) = watch::channel(Network::Whole);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    accepted = listener.accept() => {
                        let (client, _) = accepted.expect("a connection");
                        tokio::spawn(connection(client, server, state.clone()));
                    }
                    changed = state.changed() => if changed.is_err() { return },
                }
            }
        });
        Self { address, network }
    }

    /// Returns the address that the node connects to.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn set(&self, network: Network) {
        self.network.send_replace(network);
    }
}

async fn connection(client: TcpStream, server: SocketAddr, mut state: watch::Receiver<Network>) {
    let first = *state.borrow_and_update();
    if first == Network::Closed {
        return;
    }
    let Ok(server) = TcpStream::connect(server).await else {
        return;
    };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let is_lost = move |mut state: watch::Receiver<Network>| async move {
        // Lost bytes break the stream, so the connection ends when the network is whole again.
        let mut lost = *state.borrow() == Network::Silent;
        while state.changed().await.is_ok() {
            match *state.borrow_and_update() {
                Network::Closed => return,
                Network::Whole if lost => return,
                Network::Whole => {}
                Network::Silent => lost = true,
            }
        }
    };
    tokio::select! {
        () = pass(from_client, to_server, state.clone()) => {}
        () = pass(from_server, to_client, state.clone()) => {}
        () = is_lost(state) => {}
    }
}

/// Forwards bytes, or drops them while the network is silent.
async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, state: watch::Receiver<Network>) {
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        if *state.borrow() == Network::Whole && to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
