//! The contract of a backplane, checked for each adapter: none, memory (a cluster in one process), and NATS.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use causerie::{
    cluster::backplane::{
        self, Backplane, Connection, Incoming, Subject, Topology, memory::Network,
    },
    model::PostId,
    rooms::NodeId,
};
use tokio::sync::mpsc::Receiver;

use testkit::nats::Nats;

use crate::support::{settings, within};

/// A node, reduced to its connection to the backplane.
struct Node {
    backplane: Arc<dyn Backplane>,
    incoming: Receiver<Incoming>,
}

impl Node {
    /// Creates a node and waits until it is connected.
    async fn new(connection: Connection) -> Self {
        let mut node = Self {
            backplane: connection.backplane,
            incoming: connection.incoming,
        };
        assert_eq!(node.next().await, Incoming::Connected);
        node
    }

    /// Returns the next incoming item and skips surplus probes.
    async fn next(&mut self) -> Incoming {
        loop {
            let incoming = within("something from the backplane", self.incoming.recv()).await;
            match incoming.expect("it is not closed") {
                Incoming::Message(bytes) if bytes == "probe" => {}
                incoming => return incoming,
            }
        }
    }

    fn publish(&self, subject: &Subject, text: &str) {
        self.backplane
            .publish(subject, Bytes::copy_from_slice(text.as_bytes()));
    }

    /// Waits for the message `text` and returns what came before it.
    async fn wait_for(&mut self, text: &str) -> Vec<Incoming> {
        let mut before = Vec::new();
        loop {
            match self.next().await {
                Incoming::Message(bytes) if bytes == text => return before,
                other => before.push(other),
            }
        }
    }

    /// Subscribes, and waits until the subscription has taken effect. The backplane promises no time for
    /// that, so `other` repeats a probe until it arrives.
    async fn listen(&mut self, subject: &Subject, other: &Self) {
        self.backplane.subscribe(subject);
        let mut again = tokio::time::interval(Duration::from_millis(5));
        within("a subscription", async {
            loop {
                tokio::select! {
                    _ = again.tick() => other.publish(subject, "probe"),
                    incoming = self.incoming.recv() => {
                        assert_eq!(incoming, Some(message("probe")));
                        break;
                    }
                }
            }
        })
        .await;
    }
}

fn message(text: &str) -> Incoming {
    Incoming::Message(Bytes::copy_from_slice(text.as_bytes()))
}

fn room(post: &str) -> Subject {
    Subject::Room(PostId::parse(post).expect("an id"))
}

async fn assert_contract(connect: impl AsyncFn() -> Connection) {
    let [mut one, mut two, mut three] = [
        Node::new(connect().await).await,
        Node::new(connect().await).await,
        Node::new(connect().await).await,
    ];
    // Ids that would be several tokens of a NATS subject, or none, are valid.
    let (here, there) = (room("a.b/c..d."), room("a=b/c==d="));
    let wild = [">", "a.*", "/\u{4f60}?p=1", &"\u{1f630}".repeat(128)].map(room);
    two.listen(&here, &one).await;
    three.listen(&here, &one).await;
    three.listen(&there, &one).await;
    for room in &wild {
        three.listen(room, &one).await;
    }
    one.listen(&Subject::All, &two).await;
    two.listen(&Subject::All, &one).await;
    three.listen(&Subject::All, &one).await;

    // A message reaches each other subscribed node once and in order, and no other node.
    for number in 0..100 {
        one.publish(&here, &format!("here {number}"));
    }
    one.publish(&here, "end");
    let expected: Vec<_> = (0..100)
        .map(|number| message(&format!("here {number}")))
        .collect();
    assert_eq!(two.wait_for("end").await, expected);
    assert_eq!(three.wait_for("end").await, expected);
    one.publish(&Subject::Node(NodeId::new()), "to a stranger");
    one.publish(&there, "there");
    assert_eq!(three.wait_for("there").await, []);
    for room in &wild {
        one.publish(room, "wild");
        assert_eq!(three.wait_for("wild").await, []);
    }
    two.publish(&here, "here");
    assert_eq!(three.wait_for("here").await, []);
    one.publish(&Subject::All, "end");
    assert_eq!(two.wait_for("end").await, [], "nor has its own come back");
    assert_eq!(three.wait_for("end").await, []);
    two.publish(&Subject::All, "end");
    assert_eq!(
        one.wait_for("end").await,
        [],
        "it has not subscribed to the rooms"
    );

    // A second subscription changes nothing, and unsubscribing ends both.
    two.backplane.subscribe(&here);
    one.publish(&here, "again");
    one.publish(&here, "end");
    assert_eq!(two.wait_for("end").await, [message("again")]);
    three.backplane.unsubscribe(&there);
    within("an end of the subscription", async {
        loop {
            one.publish(&there, "to nobody");
            one.publish(&here, "end");
            if three.wait_for("end").await.is_empty() {
                break;
            }
        }
    })
    .await;

    // Closing a connection first sends what was published.
    one.publish(&here, "goodbye");
    within("the end of the connection", one.backplane.close()).await;
    two.wait_for("goodbye").await;
    for node in [&two, &three] {
        assert_eq!(node.backplane.dropped(), 0);
        within("the end of the connection", node.backplane.close()).await;
    }
}

/// Waits for `Connected` or `Missed`, one of which follows a loss.
async fn wait_for_loss(node: &mut Node) {
    within("being told of the loss", async {
        while !matches!(node.next().await, Incoming::Connected | Incoming::Missed) {}
    })
    .await;
}

#[tokio::test]
async fn memory_backplane_keeps_the_contract() {
    let network = Network::new(Duration::from_millis(1));
    assert_contract(async || network.connect().1).await;
}

#[tokio::test]
async fn nats_backplane_keeps_the_contract() {
    let nats = Nats::start();
    assert_contract(async || to(&nats).await).await;
}

#[tokio::test]
async fn lone_node_receives_nothing_not_even_its_own_messages() {
    let mut connection = backplane::none();
    assert_eq!(connection.topology, Topology::Standalone);
    let everything = Subject::All;
    connection.backplane.subscribe(&everything);
    connection
        .backplane
        .publish(&everything, Bytes::from_static(b"hello"));
    connection.backplane.unsubscribe(&everything);
    connection.backplane.close().await;
    assert!(connection.incoming.try_recv().is_err());
    assert_eq!(connection.backplane.dropped(), 0);
}

#[tokio::test]
async fn cut_off_node_is_told_that_it_missed_messages() {
    let network = Network::new(Duration::ZERO);
    let (link, connection) = network.connect();
    let mut one = Node::new(connection).await;
    let two = Node::new(network.connect().1).await;
    one.listen(&Subject::All, &two).await;
    link.cut();
    two.publish(&Subject::All, "lost");
    assert_eq!(one.next().await, Incoming::Disconnected);
    link.heal();
    assert_eq!(one.next().await, Incoming::Connected);
    two.publish(&Subject::All, "heard");
    assert_eq!(one.next().await, message("heard"));
}

#[tokio::test]
async fn slow_node_is_told_that_it_missed_messages() {
    let network = Network::new(Duration::ZERO);
    let mut slow = Node::new(network.connect().1).await;
    let busy = Node::new(network.connect().1).await;
    slow.backplane.subscribe(&Subject::All);
    for _ in 0..100_000 {
        busy.publish(&Subject::All, "more");
    }
    let mut heard = 0;
    while heard < 60_000 {
        assert_eq!(slow.next().await, message("more"));
        heard += 1;
    }
    busy.publish(&Subject::All, "end");
    assert!(slow.wait_for("end").await.contains(&Incoming::Missed));
}

#[tokio::test]
async fn nats_restart_reconnects_and_restores_subscriptions() {
    let mut nats = Nats::start();
    let mut one = Node::new(to(&nats).await).await;
    let mut two = Node::new(to(&nats).await).await;
    two.listen(&room("a"), &one).await;
    nats.kill();
    for node in [&mut one, &mut two] {
        assert_eq!(node.next().await, Incoming::Disconnected);
    }
    one.publish(&room("a"), "nobody waits for this");
    nats.start_again();
    wait_for_loss(&mut one).await;
    wait_for_loss(&mut two).await;
    // The reconnect restored the subscription.
    one.publish(&room("a"), "hello again");
    two.wait_for("hello again").await;
    for node in [one, two] {
        node.backplane.close().await;
    }
}

#[tokio::test]
async fn busy_node_learns_of_reconnect_however_much_it_missed() {
    let mut nats = Nats::start();
    let mut busy = Node::new(to(&nats).await).await;
    let mut quick = Node::new(to(&nats).await).await;
    let other = Node::new(to(&nats).await).await;
    busy.listen(&room("a"), &other).await;
    quick.listen(&room("b"), &other).await;
    // More than is kept for a node that does not read, and more than its NATS client would report.
    for _ in 0..12_000 {
        other.publish(&room("a"), "more");
    }
    other.publish(&room("b"), "end");
    quick.wait_for("end").await;
    nats.kill();
    assert_eq!(quick.next().await, Incoming::Disconnected);
    nats.start_again();
    wait_for_loss(&mut quick).await;
    within("a connection", async {
        while busy.next().await != Incoming::Connected {}
    })
    .await;
    for node in [busy, quick, other] {
        node.backplane.close().await;
    }
}

#[tokio::test]
async fn publish_never_blocks_and_counts_dropped_messages() {
    let nats = Nats::start();
    let node = Node::new(to(&nats).await).await;
    nats.freeze();
    // `publish` returns although the server reads nothing. If it blocked, the test would never end.
    let text = "x".repeat(100_000);
    for _ in 0..1_000 {
        node.publish(&Subject::All, &text);
    }
    assert!(node.backplane.dropped() > 0);
    nats.thaw();
    within("the end of the connection", node.backplane.close()).await;
}

#[tokio::test]
async fn close_ends_while_the_nats_server_is_down() {
    let mut nats = Nats::start();
    let mut node = Node::new(to(&nats).await).await;
    let other = Node::new(to(&nats).await).await;
    node.listen(&room("a"), &other).await;
    nats.kill();
    assert_eq!(node.next().await, Incoming::Disconnected);
    // More than the client buffers while it is disconnected.
    for _ in 0..10_000 {
        node.publish(&room("b"), "nobody takes this");
    }
    within("the end of the connection", node.backplane.close()).await;
}

#[tokio::test]
async fn absent_nats_server_is_no_error_and_is_found_later() {
    let mut nats = Nats::start();
    nats.kill();
    let connection = within("a connection that may come later", to(&nats)).await;
    nats.start_again();
    let node = Node::new(connection).await;
    node.backplane.close().await;
}

#[tokio::test]
async fn nats_url_may_hold_a_password_or_a_token() {
    for (options, who) in [
        (&["--user", "ada", "--pass", "a:b"][..], "ada:a%3Ab@"),
        (&["--auth", "a-token"], "a-token@"),
    ] {
        let nats = Nats::start_with(options);
        let node = Node::new(connection(&nats.url_as(who)).await).await;
        node.backplane.close().await;
    }
}

async fn to(nats: &Nats) -> Connection {
    connection(&nats.url()).await
}

async fn connection(url: &str) -> Connection {
    let url = format!("--backplane-url={url}");
    backplane::connect(&settings(&[&url]).backplane)
        .await
        .expect("a connection")
}
