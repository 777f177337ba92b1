//! What every adapter of the backplane keeps to, said by one suite: no node but this one, a cluster
//! inside one process, and NATS.

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

use crate::support::{Nats, in_time, settings};

/// A node, as far as the backplane sees one.
struct Node {
    backplane: Arc<dyn Backplane>,
    incoming: Receiver<Incoming>,
}

impl Node {
    /// Waits until the connection is there.
    async fn new(connection: Connection) -> Self {
        let mut node = Self {
            backplane: connection.backplane,
            incoming: connection.incoming,
        };
        assert_eq!(node.next().await, Incoming::Connected);
        node
    }

    /// What comes next, but for probes that came more often than was needed.
    async fn next(&mut self) -> Incoming {
        loop {
            let incoming = in_time("something from the backplane", self.incoming.recv()).await;
            match incoming.expect("it is not closed") {
                Incoming::Message(bytes) if bytes == "probe" => {}
                incoming => return incoming,
            }
        }
    }

    fn say(&self, subject: &Subject, text: &str) {
        self.backplane
            .publish(subject, Bytes::copy_from_slice(text.as_bytes()));
    }

    /// Waits for this message; what comes before it is returned.
    async fn until(&mut self, text: &str) -> Vec<Incoming> {
        let mut before = Vec::new();
        loop {
            match self.next().await {
                Incoming::Message(bytes) if bytes == text => return before,
                other => before.push(other),
            }
        }
    }

    /// Subscribes, and waits until that holds: another has been heard on the subject. When that is,
    /// nobody promises; so the other says it again and again.
    async fn listen(&mut self, subject: &Subject, other: &Self) {
        self.backplane.subscribe(subject);
        let mut again = tokio::time::interval(Duration::from_millis(5));
        in_time("a subscription", async {
            loop {
                tokio::select! {
                    _ = again.tick() => other.say(subject, "probe"),
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

async fn keeps_to_what_is_promised(connect: impl AsyncFn() -> Connection) {
    let [mut one, mut two, mut three] = [
        Node::new(connect().await).await,
        Node::new(connect().await).await,
        Node::new(connect().await).await,
    ];
    // Ids that would be several words of a subject, or none, are as good as others.
    let (here, there) = (room("a.b/c..d."), room(".:~-_"));
    two.listen(&here, &one).await;
    three.listen(&here, &one).await;
    three.listen(&there, &one).await;
    one.listen(&Subject::All, &two).await;
    two.listen(&Subject::All, &one).await;
    three.listen(&Subject::All, &one).await;

    // To each other node that subscribed, once and in order, and to no other.
    for number in 0..100 {
        one.say(&here, &format!("here {number}"));
    }
    one.say(&here, "end");
    let expected: Vec<_> = (0..100)
        .map(|number| message(&format!("here {number}")))
        .collect();
    assert_eq!(two.until("end").await, expected);
    assert_eq!(three.until("end").await, expected);
    one.say(&Subject::Node(NodeId::new()), "to a stranger");
    one.say(&there, "there");
    assert_eq!(three.until("there").await, []);
    two.say(&here, "here");
    assert_eq!(three.until("here").await, []);
    one.say(&Subject::All, "end");
    assert_eq!(two.until("end").await, [], "nor has its own come back");
    assert_eq!(three.until("end").await, []);
    two.say(&Subject::All, "end");
    assert_eq!(
        one.until("end").await,
        [],
        "it has not subscribed to the rooms"
    );

    // Subscribing twice is subscribing once, and it ends.
    two.backplane.subscribe(&here);
    one.say(&here, "again");
    one.say(&here, "end");
    assert_eq!(two.until("end").await, [message("again")]);
    three.backplane.unsubscribe(&there);
    in_time("an end of the subscription", async {
        loop {
            one.say(&there, "to nobody");
            one.say(&here, "end");
            if three.until("end").await.is_empty() {
                break;
            }
        }
    })
    .await;

    // A node that ends its connection has said what it wanted to say.
    one.say(&here, "goodbye");
    in_time("the end of the connection", one.backplane.close()).await;
    two.until("goodbye").await;
    for node in [&two, &three] {
        assert_eq!(node.backplane.dropped(), 0);
        in_time("the end of the connection", node.backplane.close()).await;
    }
}

/// Waits for something that comes after a loss, and says so.
async fn until_told_of_a_loss(node: &mut Node) {
    in_time("being told of the loss", async {
        while !matches!(node.next().await, Incoming::Connected | Incoming::Missed) {}
    })
    .await;
}

#[tokio::test]
async fn a_cluster_in_one_process_keeps_to_what_is_promised() {
    let network = Network::new(Duration::from_millis(1));
    keeps_to_what_is_promised(async || network.connect().1).await;
}

#[tokio::test]
async fn nats_keeps_to_what_is_promised() {
    let nats = Nats::start();
    keeps_to_what_is_promised(async || to(&nats).await).await;
}

#[tokio::test]
async fn a_node_that_is_alone_hears_nobody_and_least_of_all_itself() {
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
async fn a_node_that_was_cut_off_is_told_that_it_has_missed_something() {
    let network = Network::new(Duration::ZERO);
    let (link, connection) = network.connect();
    let mut one = Node::new(connection).await;
    let two = Node::new(network.connect().1).await;
    one.listen(&Subject::All, &two).await;
    link.cut();
    two.say(&Subject::All, "lost");
    assert_eq!(one.next().await, Incoming::Disconnected);
    link.heal();
    assert_eq!(one.next().await, Incoming::Connected);
    two.say(&Subject::All, "heard");
    assert_eq!(one.next().await, message("heard"));
}

#[tokio::test]
async fn a_node_that_reads_too_slowly_is_told_that_it_has_missed_something() {
    let network = Network::new(Duration::ZERO);
    let mut slow = Node::new(network.connect().1).await;
    let busy = Node::new(network.connect().1).await;
    slow.backplane.subscribe(&Subject::All);
    for _ in 0..100_000 {
        busy.say(&Subject::All, "more");
    }
    let mut heard = 0;
    while heard < 60_000 {
        assert_eq!(slow.next().await, message("more"));
        heard += 1;
    }
    busy.say(&Subject::All, "end");
    assert!(slow.until("end").await.contains(&Incoming::Missed));
}

#[tokio::test]
async fn nats_servers_that_are_killed_and_come_back_are_found_again() {
    let mut nats = Nats::start();
    let mut one = Node::new(to(&nats).await).await;
    let mut two = Node::new(to(&nats).await).await;
    two.listen(&room("a"), &one).await;
    nats.kill();
    for node in [&mut one, &mut two] {
        assert_eq!(node.next().await, Incoming::Disconnected);
    }
    one.say(&room("a"), "nobody waits for this");
    nats.start_again();
    until_told_of_a_loss(&mut one).await;
    until_told_of_a_loss(&mut two).await;
    // It is subscribed as before.
    one.say(&room("a"), "hello again");
    two.until("hello again").await;
    for node in [one, two] {
        node.backplane.close().await;
    }
}

#[tokio::test]
async fn a_node_that_is_busy_learns_in_the_end_that_it_is_connected_however_much_it_has_missed() {
    let mut nats = Nats::start();
    let mut busy = Node::new(to(&nats).await).await;
    let mut quick = Node::new(to(&nats).await).await;
    let other = Node::new(to(&nats).await).await;
    busy.listen(&room("a"), &other).await;
    quick.listen(&room("b"), &other).await;
    // More than a node that does not read is kept, and than what its client would report.
    for _ in 0..12_000 {
        other.say(&room("a"), "more");
    }
    other.say(&room("b"), "end");
    quick.until("end").await;
    nats.kill();
    assert_eq!(quick.next().await, Incoming::Disconnected);
    nats.start_again();
    until_told_of_a_loss(&mut quick).await;
    in_time("a connection", async {
        while busy.next().await != Incoming::Connected {}
    })
    .await;
    for node in [busy, quick, other] {
        node.backplane.close().await;
    }
}

#[tokio::test]
async fn publishing_waits_for_no_server_and_what_is_too_much_is_dropped_and_counted() {
    let mut nats = Nats::start();
    let node = Node::new(to(&nats).await).await;
    nats.freeze();
    // It returns, although nobody takes anything; were it waiting, the test would end here.
    let text = "x".repeat(100_000);
    for _ in 0..1_000 {
        node.say(&Subject::All, &text);
    }
    assert!(node.backplane.dropped() > 0);
    nats.thaw();
    in_time("the end of the connection", node.backplane.close()).await;
}

#[tokio::test]
async fn a_connection_to_a_server_that_answers_nothing_ends_all_the_same() {
    let mut nats = Nats::start();
    let mut node = Node::new(to(&nats).await).await;
    let other = Node::new(to(&nats).await).await;
    node.listen(&room("a"), &other).await;
    nats.kill();
    assert_eq!(node.next().await, Incoming::Disconnected);
    // More than the client keeps until there is a connection.
    for _ in 0..10_000 {
        node.say(&room("b"), "nobody takes this");
    }
    in_time("the end of the connection", node.backplane.close()).await;
}

#[tokio::test]
async fn a_server_that_is_not_there_yet_is_no_error_and_is_found_when_it_comes() {
    let mut nats = Nats::start();
    nats.kill();
    let connection = in_time("a connection that may come later", to(&nats)).await;
    nats.start_again();
    let node = Node::new(connection).await;
    node.backplane.close().await;
}

#[tokio::test]
async fn a_name_and_a_password_or_a_token_may_stand_in_the_url() {
    for (options, who) in [
        ("--user ada --pass a:b", "ada:a%3Ab@"),
        ("--auth a-token", "a-token@"),
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
