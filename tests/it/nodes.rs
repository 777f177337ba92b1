//! Rooms on many nodes: the nodes of a test are in one process and its network in memory, and time
//! goes as fast as there is nothing to do.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};
use bytes::Bytes;
use causerie::{
    cluster::{
        BackplaneStatus, ClusterNode, ClusterObserver,
        backplane::{
            Backplane, Connection, Incoming, Subject, Topology,
            memory::{self, Network},
        },
    },
    metrics::Metrics,
    model::{
        Change, ChangeKind, ClientId, Comment, CommentId, PostId, Seq, Timestamp, User, UserId,
    },
    rooms::{FeedEvent, Hub, Membership, NodeId, Participant},
};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use tokio::{sync::mpsc, task::JoinHandle, time::Instant};
use tokio_util::sync::CancellationToken;

/// How long a message is under way.
const DELAY: Duration = Duration::from_millis(2);
/// Within what time nodes agree on how many there are.
const AGREEMENT: Duration = Duration::from_secs(1);
/// Within what time the readers of a node that died are gone.
const DEATH: Duration = Duration::from_secs(10);

struct Node {
    hub: Hub,
    link: Arc<memory::Link>,
    observer: ClusterObserver,
    leaving: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

impl Node {
    fn start(network: &Network) -> Self {
        let (link, connection) = network.connect();
        let (hub, cluster) = ClusterNode::new(16, connection, &metrics());
        let observer = cluster.observer();
        let leaving = CancellationToken::new();
        let timers = hub.clone();
        let tasks = vec![
            tokio::spawn(cluster.run(leaving.clone())),
            tokio::spawn(async move { timers.run().await }),
        ];
        Self {
            hub,
            link,
            observer,
            leaving,
            tasks,
        }
    }

    /// Ends like a process that is killed.
    fn kill(&self) {
        self.link.kill();
        for task in &self.tasks {
            task.abort();
        }
    }

    /// Ends in good order.
    async fn leave(mut self) {
        self.leaving.cancel();
        self.tasks.remove(0).await.expect("no panic");
        self.kill();
    }

    fn anonymous(&self, client: &str) -> Membership {
        let visitor = Participant {
            client: client_id(client),
            user: None,
        };
        self.hub.join(&post(), &visitor)
    }

    fn signed_in(&self, name: &str, client: &str) -> Membership {
        let visitor = Participant {
            client: client_id(client),
            user: Some(user(name)),
        };
        self.hub.join(&post(), &visitor)
    }
}

/// Nodes that know each other.
async fn nodes<const N: usize>(network: &Network) -> [Node; N] {
    let nodes = [(); N].map(|()| Node::start(network));
    until("the nodes know each other", AGREEMENT, async || {
        nodes.iter().all(|node| node.observer.nodes() == N - 1)
    })
    .await;
    nodes
}

/// Waits until something holds, and fails where that takes longer than it may.
async fn until(what: &str, within: Duration, is_so: impl AsyncFn() -> bool) {
    let end = Instant::now() + within;
    while !is_so().await {
        assert!(Instant::now() < end, "not within {within:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn until_counts(nodes: &[&Node], count: usize, within: Duration) {
    until(&format!("{count} viewers everywhere"), within, async || {
        for node in nodes {
            if node.hub.viewers(&post()).await != count {
                return false;
            }
        }
        true
    })
    .await;
}

fn metrics() -> Metrics {
    Metrics::new().expect("metrics")
}

fn post() -> PostId {
    PostId::parse("a/post.1").expect("an id")
}

fn client_id(id: &str) -> ClientId {
    ClientId::parse(id).expect("an id")
}

fn user(name: &str) -> User {
    User {
        id: UserId::parse(name).expect("an id"),
        name: name.into(),
        avatar: None,
    }
}

fn change(seq: i64) -> Arc<Change> {
    let comment = Comment {
        id: CommentId::new(),
        post_id: post(),
        parent_id: None,
        author: user("ada"),
        body: format!("comment {seq}"),
        created_at: Timestamp(seq),
        edited_at: None,
        is_deleted: false,
        added_seq: Seq(seq),
        changed_seq: Seq(seq),
        reply_count: 0,
    };
    Arc::new(Change {
        kind: ChangeKind::Added,
        seq: Seq(seq),
        origin: Some(client_id("tab")),
        comment: Arc::new(comment),
    })
}

#[tokio::test(start_paused = true)]
async fn every_node_counts_the_readers_of_all_and_each_reader_once() {
    let network = Network::new(DELAY);
    let [a, b, c] = nodes(&network).await;
    let ada = a.signed_in("ada", "tab1");
    let _ada_again = b.signed_in("ada", "tab2");
    let _nobody = b.anonymous("n1");
    let moved = a.anonymous("n2");
    let _moved_to = b.anonymous("n2");
    // Nobody is in the room on the third, and it is right too.
    until_counts(&[&a, &b, &c], 3, AGREEMENT).await;
    drop(ada);
    drop(moved);
    tokio::time::sleep(AGREEMENT).await;
    until_counts(&[&a, &b, &c], 3, Duration::ZERO).await;
    let late = c.signed_in("eve", "tab3");
    until_counts(&[&a, &b, &c], 4, AGREEMENT).await;
    drop(late);
    until_counts(&[&a, &b, &c], 3, AGREEMENT).await;
}

#[tokio::test(start_paused = true)]
async fn what_members_are_told_is_the_count_of_all_nodes() {
    let network = Network::new(DELAY);
    let [a, b] = nodes(&network).await;
    let first = a.anonymous("one");
    let mut counts = first.listener().counts();
    let _second = b.anonymous("two");
    let deadline = Instant::now() + AGREEMENT;
    while counts.current().value != 2 {
        let told = tokio::time::timeout_at(deadline, counts.next()).await;
        told.expect("in time").expect("the room is there");
    }
}

#[tokio::test(start_paused = true)]
async fn the_readers_of_a_node_that_dies_are_gone_within_ten_seconds_and_those_of_one_that_leaves_at_once()
 {
    let network = Network::new(DELAY);
    let [a, b, c] = nodes(&network).await;
    let _here = a.anonymous("here");
    let _there = b.anonymous("there");
    let _third = c.anonymous("third");
    until_counts(&[&a, &b, &c], 3, AGREEMENT).await;
    b.kill();
    until_counts(&[&a, &c], 2, DEATH).await;
    assert_eq!(a.observer.nodes(), 1);
    c.leave().await;
    until_counts(&[&a], 1, AGREEMENT).await;
    assert_eq!(a.observer.nodes(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_late_message_of_a_dead_node_brings_nobody_back_and_a_stranger_that_answers_nothing_counts_nobody()
 {
    let network = Network::new(DELAY);
    let [a] = nodes(&network).await;
    let _here = a.anonymous("here");
    let (ghost, mut connection) = network.connect();
    let me = NodeId::new();
    ghost.subscribe(&Subject::All);
    ghost.subscribe(&Subject::Node(me));
    let say = |subject: &Subject, word: Value| {
        let mut message = json!({"v": 1, "from": me});
        let fields = word.as_object().expect("an object").clone();
        message.as_object_mut().expect("an object").extend(fields);
        ghost.publish(subject, Bytes::from(message.to_string()));
    };
    let readers = BASE64_STANDARD_NO_PAD.encode([7; 32]);
    let presence = |version: u64| json!({"presence": {"post": "a/post.1", "base": null, "version": version, "joined": readers}});
    let beat = |nonce: Value| json!({"beat": {"nonce": nonce, "version": 9, "first": 0, "last": u64::MAX, "rooms": ""}});
    let room = Subject::Room(post());

    // It is a stranger: it may say what it wants.
    say(&room, presence(1));
    say(&Subject::All, beat(Value::Null));
    tokio::time::sleep(AGREEMENT).await;
    until_counts(&[&a], 1, Duration::ZERO).await;

    // It answers the call, and is one of them.
    let nonce = loop {
        let Some(Incoming::Message(bytes)) = connection.incoming.recv().await else {
            continue;
        };
        let message: Value = serde_json::from_slice(&bytes).expect("JSON");
        if let Some(nonce) = message.pointer("/call/nonce") {
            break nonce.clone();
        }
    };
    say(&Subject::All, beat(nonce.clone()));
    say(&room, presence(10));
    until_counts(&[&a], 2, AGREEMENT).await;

    // It dies, and what was under way comes late.
    until_counts(&[&a], 1, DEATH).await;
    say(&room, presence(11));
    say(&Subject::All, beat(nonce));
    tokio::time::sleep(AGREEMENT).await;
    until_counts(&[&a], 1, Duration::ZERO).await;
    assert_eq!(a.observer.nodes(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_was_cut_off_counts_its_own_readers_and_agrees_again_when_it_is_back() {
    let network = Network::new(DELAY);
    let [a, b, c] = nodes(&network).await;
    let _here = a.anonymous("here");
    let there = b.anonymous("there");
    until_counts(&[&a, &b, &c], 2, AGREEMENT).await;
    a.link.cut();
    until("it knows", AGREEMENT, async || {
        a.observer.status() == BackplaneStatus::Disconnected
    })
    .await;
    drop(there);
    let _others = [b.anonymous("o1"), c.anonymous("o2")];
    until_counts(&[&a], 1, DEATH).await;
    until_counts(&[&b, &c], 2, DEATH).await;
    a.link.heal();
    until_counts(&[&a, &b, &c], 3, AGREEMENT).await;
    assert_eq!(a.observer.status(), BackplaneStatus::Connected);
}

#[tokio::test(start_paused = true)]
async fn a_short_cut_in_which_somebody_came_and_somebody_went_is_made_up_for() {
    let network = Network::new(DELAY);
    let [a, b] = nodes(&network).await;
    let _here = a.anonymous("here");
    let there = b.anonymous("there");
    until_counts(&[&a, &b], 2, AGREEMENT).await;
    for cut in [&a, &b] {
        cut.link.cut();
        tokio::time::sleep(Duration::from_millis(500)).await;
        let came = [b.anonymous("c1"), b.anonymous("c2"), a.anonymous("c3")];
        tokio::time::sleep(Duration::from_millis(500)).await;
        cut.link.heal();
        until_counts(&[&a, &b], 5, AGREEMENT).await;
        drop(came);
        until_counts(&[&a, &b], 2, AGREEMENT).await;
    }
    a.link.cut();
    drop(there);
    tokio::time::sleep(Duration::from_millis(500)).await;
    a.link.heal();
    // Nobody is in the room on the second any more: it lists the room no longer.
    until_counts(&[&a, &b], 1, AGREEMENT).await;
}

#[tokio::test(start_paused = true)]
async fn a_change_reaches_the_members_on_every_node_with_all_that_it_is() {
    let network = Network::new(DELAY);
    let [a, b] = nodes(&network).await;
    let member = b.anonymous("there");
    member.establish(Seq(0));
    let mut changes = member.listener().changes().expect("an established feed");
    // The room is known to the other node when that counts its reader.
    until_counts(&[&a], 1, AGREEMENT).await;
    for seq in [1, 2, 3] {
        let published = change(seq);
        a.hub.publish(Arc::clone(&published));
        match changes.next().await {
            Some(FeedEvent::Change(heard)) => assert_eq!(*heard, *published),
            other => panic!("{other:?}"),
        }
    }
    assert!(changes.ready().is_none());
}

#[tokio::test(start_paused = true)]
async fn what_a_message_lost_is_read_from_the_store_as_soon_as_a_later_one_shows_it() {
    let network = Network::new(DELAY);
    let [a, b] = nodes(&network).await;
    let member = b.anonymous("there");
    member.establish(Seq(0));
    let mut changes = member.listener().changes().expect("an established feed");
    until_counts(&[&a], 1, AGREEMENT).await;
    a.hub.publish(change(3));
    let before = Instant::now();
    assert!(matches!(
        changes.next().await,
        Some(FeedEvent::Missed(Seq(2)))
    ));
    assert!(before.elapsed() < AGREEMENT);
    match changes.next().await {
        Some(FeedEvent::Change(heard)) => assert_eq!(heard.seq, Seq(3)),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_from_far_ahead_is_not_believed_but_has_the_store_asked() {
    let network = Network::new(DELAY);
    let [a, b] = nodes(&network).await;
    let member = b.anonymous("there");
    member.establish(Seq(0));
    let mut changes = member.listener().changes().expect("an established feed");
    until_counts(&[&a], 1, AGREEMENT).await;
    assert_eq!(
        b.hub.posts_to_reconcile().await,
        [post()],
        "the room is new"
    );
    for seq in [i64::MAX, 1_000_000, 0, -1] {
        a.hub.publish(change(seq));
    }
    assert_eq!(b.hub.posts_to_reconcile().await, [post()]);
    a.hub.publish(change(1));
    match changes.next().await {
        Some(FeedEvent::Change(heard)) => assert_eq!(heard.seq, Seq(1)),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn rooms_that_may_have_missed_something_are_compared_with_the_store_at_once() {
    let network = Network::new(DELAY);
    let [a, b] = nodes(&network).await;
    let _member = a.anonymous("here");
    // Whether the other nodes knew of the room soon enough cannot be known.
    assert_eq!(a.hub.posts_to_reconcile().await, [post()]);
    a.link.cut();
    a.link.heal();
    assert_eq!(a.hub.posts_to_reconcile().await, [post()]);
    let nothing = tokio::time::timeout(AGREEMENT, a.hub.posts_to_reconcile()).await;
    assert!(nothing.is_err(), "{nothing:?}");
    drop(b);
}

/// A way to other nodes that counts what is said on it.
#[derive(Debug, Default)]
struct Counting(AtomicUsize);

impl Backplane for Counting {
    fn publish(&self, _subject: &Subject, _message: Bytes) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
    fn subscribe(&self, _subject: &Subject) {}
    fn unsubscribe(&self, _subject: &Subject) {}
    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
    fn dropped(&self) -> u64 {
        0
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_misses_ever_more_does_not_ask_all_others_ever_more_often() {
    let said = Arc::new(Counting::default());
    let (sender, incoming) = mpsc::channel(16);
    let connection = Connection {
        backplane: Arc::clone(&said) as Arc<dyn Backplane>,
        incoming,
        topology: Topology::Cluster,
    };
    let (_hub, cluster) = ClusterNode::new(16, connection, &metrics());
    let leaving = CancellationToken::new();
    let running = tokio::spawn(cluster.run(leaving.clone()));
    sender.send(Incoming::Connected).await.expect("it runs");
    tokio::time::sleep(AGREEMENT).await;
    let before = said.0.load(Ordering::Relaxed);
    for _ in 0..1000 {
        sender.send(Incoming::Missed).await.expect("it runs");
    }
    tokio::time::sleep(AGREEMENT).await;
    // It asks, and goes on to say that it lives.
    let asked = said.0.load(Ordering::Relaxed) - before;
    assert!((1..=4).contains(&asked), "{asked} messages");
    leaving.cancel();
    running.await.expect("no panic");
}

#[tokio::test(start_paused = true)]
async fn who_types_is_seen_on_every_node_and_may_stop_on_another() {
    let network = Network::new(DELAY);
    let [a, b] = nodes(&network).await;
    let member = b.anonymous("there");
    let typists = |member: &Membership| -> Vec<String> {
        let typists = member.listener().typists_now().value;
        typists.iter().map(|user| user.name.to_string()).collect()
    };
    let tab = client_id("tab");
    let is = async |names: &[&str], within: Duration| {
        until(&format!("{names:?} type"), within, async || {
            typists(&member) == names
        })
        .await;
    };
    // A request of a client that is in the room on another node, or in none.
    a.hub.start_typing(&post(), &user("ada"), Some(&tab));
    is(&["ada"], AGREEMENT).await;
    b.hub.stop_typing(&post(), &user("ada"), Some(&tab));
    is(&[], Duration::ZERO).await;
    tokio::time::sleep(AGREEMENT).await;
    is(&[], Duration::ZERO).await;

    // What is refreshed goes on for longer than one announcement would hold.
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(15) {
        a.hub.start_typing(&post(), &user("ada"), Some(&tab));
        is(&["ada"], AGREEMENT).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    // Its client leaves the room that it is in on the other node.
    let joined = b.signed_in("ada", "tab");
    is(&["ada"], Duration::ZERO).await;
    drop(joined);
    is(&[], Duration::ZERO).await;
    tokio::time::sleep(AGREEMENT).await;
    is(&[], Duration::ZERO).await;

    // It ends by itself, also where the node that could say so has died.
    a.hub.start_typing(&post(), &user("eve"), None);
    is(&["eve"], AGREEMENT).await;
    a.kill();
    is(&[], Duration::from_secs(7)).await;
}

#[tokio::test(start_paused = true)]
async fn a_room_that_is_over_is_heard_of_for_half_a_minute_and_then_no_more() {
    let network = Network::new(DELAY);
    let [a, b] = nodes(&network).await;
    let member = b.anonymous("there");
    until_counts(&[&a], 1, AGREEMENT).await;
    drop(member);
    until_counts(&[&a], 0, AGREEMENT).await;
    let comes = async || {
        let before = network.traffic().messages;
        a.hub.publish(change(1));
        // Shorter than from one beat to the next, long enough for a message.
        tokio::time::sleep(4 * DELAY).await;
        network.traffic().messages - before
    };
    assert!(comes().await > 0, "it lingers");
    tokio::time::sleep(Duration::from_secs(32)).await;
    assert_eq!(b.hub.stats().rooms, 0);
    assert_eq!(comes().await, 0);
}

#[tokio::test(start_paused = true)]
async fn users_of_whom_something_changed_are_told_to_every_node() {
    let network = Network::new(DELAY);
    let [a] = nodes(&network).await;
    let (_link, connection) = network.connect();
    let (_hub, cluster) = ClusterNode::new(16, connection, &metrics());
    let mut users = cluster.users_changed();
    let leaving = CancellationToken::new();
    let running = tokio::spawn(cluster.run(leaving.clone()));
    until("they know each other", AGREEMENT, async || {
        a.observer.nodes() == 1
    })
    .await;
    a.hub.user_changed(&user("ada").id);
    assert_eq!(users.recv().await, Ok(user("ada").id));
    leaving.cancel();
    running.await.expect("no panic");
}

/// One room of 100,000 readers on 10 nodes, who come within ten seconds. What is sent is what
/// ARCHITECTURE.md reckons.
#[tokio::test(start_paused = true)]
async fn a_hundred_thousand_readers_on_ten_nodes_cost_messages_by_the_window_and_not_by_the_join() {
    const READERS: usize = 100_000;
    const NODES: usize = 10;
    let network = Network::new(DELAY);
    let all: [Node; NODES] = nodes(&network).await;
    let everywhere: Vec<&Node> = all.iter().collect();
    let before = network.traffic();
    let started = Instant::now();
    let mut members = Vec::with_capacity(READERS);
    for number in 0..READERS {
        members.push(all[number % NODES].anonymous(&format!("reader{number}")));
        if number % (READERS / 1000) == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    until_counts(&everywhere, READERS, AGREEMENT).await;
    let windows = started.elapsed().as_secs_f64() / 0.25;
    let traffic = network.traffic();
    let published = traffic.published - before.published;
    let (nodes, beats) = (NODES as f64, started.elapsed().as_secs_f64() / 2.0);
    // Each node: an announcement a window, a beat every two seconds, and what opening the room asks
    // and is answered.
    let expected = nodes * (windows + beats + 2.0) + nodes * nodes;
    let report = format!(
        "{READERS} readers on {NODES} nodes in {windows:.0} windows: {published} messages published \
         ({expected:.0} reckoned), {} came, {} kB",
        traffic.messages - before.messages,
        (traffic.bytes - before.bytes) / 1000,
    );
    assert!((published as f64) < 1.2 * expected, "{report}");
    // 22 bytes of base64 for each join and each other node, and little else.
    let named = 22 * READERS as u64 * (NODES as u64 - 1);
    assert!(traffic.bytes - before.bytes < 2 * named, "{report}");

    // A node that comes later hears of all of them at once.
    let eleventh = Node::start(&network);
    let _reader = eleventh.anonymous("late");
    until_counts(&[&eleventh], READERS + 1, AGREEMENT).await;

    // In calm there are the beats only.
    let calm = network.traffic();
    tokio::time::sleep(Duration::from_secs(20)).await;
    let beats = network.traffic().published - calm.published;
    assert!(beats <= 11 * 11, "{beats} messages in 20 s of calm");

    // One of ten dies, with its ten thousand readers.
    all[0].kill();
    let rest: Vec<&Node> = all[1..].iter().collect();
    until_counts(&rest, READERS - READERS / NODES + 1, DEATH).await;
}
