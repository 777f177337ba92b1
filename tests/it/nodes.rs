//! Rooms on many nodes. The nodes of a test share one process and an in-memory network, and time is paused,
//! so waiting costs nothing.

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
    model::{
        Change, ChangeKind, ClientId, Comment, CommentId, PostId, Role, Seq, Timestamp, User,
        UserId,
    },
    rooms::{FeedEvent, Hub, Membership, NodeId, Participant, SentAway},
    telemetry::Registry,
};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use testkit::wait::wait_until_within;
use tokio::{sync::mpsc, task::JoinHandle, time::Instant};
use tokio_util::sync::CancellationToken;

/// The delay of a message.
const DELAY: Duration = Duration::from_millis(2);
/// The time within which nodes agree on a count.
const AGREEMENT: Duration = Duration::from_secs(1);
/// The time within which the readers of a dead node are gone.
const DEATH: Duration = Duration::from_secs(10);

/// The time for which the readers of a node that leaves keep their places.
const GRACE: Duration = Duration::from_secs(5);

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
        let (hub, cluster) = ClusterNode::new(16, connection, &Registry::new());
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

    /// Ends like a killed process.
    fn kill(&self) {
        self.link.kill();
        for task in &self.tasks {
            task.abort();
        }
    }

    /// Shuts down in order.
    async fn leave(mut self) {
        self.leaving.cancel();
        self.tasks.remove(0).await.expect("no panic");
        self.kill();
    }

    fn anonymous(&self, client: &str) -> Membership {
        let visitor = Participant {
            client: client_id(client),
            user: None,
            sent_away: SentAway::default(),
        };
        self.hub.join(&post(), &visitor)
    }

    fn signed_in(&self, name: &str, client: &str) -> Membership {
        let visitor = Participant {
            client: client_id(client),
            user: Some(user(name)),
            sent_away: SentAway::default(),
        };
        self.hub.join(&post(), &visitor)
    }
}

/// Starts `N` nodes that know each other.
async fn start_nodes<const N: usize>(network: &Network) -> [Node; N] {
    let nodes = [(); N].map(|()| Node::start(network));
    wait_until_within(AGREEMENT, "the nodes know each other", async || {
        nodes.iter().all(|node| node.observer.nodes() == N - 1)
    })
    .await;
    nodes
}

async fn wait_for_counts(nodes: &[&Node], count: usize, within: Duration) {
    wait_until_within(within, &format!("{count} viewers everywhere"), async || {
        for node in nodes {
            if node.hub.viewers(&post()).await != count {
                return false;
            }
        }
        true
    })
    .await;
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
        role: Role::Reader,
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
        published_at: Timestamp(seq),
        edited_at: None,
        is_deleted: false,
        added_seq: Seq(seq),
        changed_seq: Seq(seq),
        entered_seq: Some(Seq(seq)),
        depth: 0,
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
async fn each_node_counts_the_readers_of_all_nodes_once() {
    let network = Network::new(DELAY);
    let [a, b, c] = start_nodes(&network).await;
    let ada = a.signed_in("ada", "tab1");
    let _ada_again = b.signed_in("ada", "tab2");
    let _nobody = b.anonymous("n1");
    let moved = a.anonymous("n2");
    let _moved_to = b.anonymous("n2");
    // The third node has no member in the room, and reports the same.
    wait_for_counts(&[&a, &b, &c], 3, AGREEMENT).await;
    drop(ada);
    drop(moved);
    tokio::time::sleep(AGREEMENT).await;
    wait_for_counts(&[&a, &b, &c], 3, Duration::ZERO).await;
    let late = c.signed_in("eve", "tab3");
    wait_for_counts(&[&a, &b, &c], 4, AGREEMENT).await;
    drop(late);
    wait_for_counts(&[&a, &b, &c], 3, AGREEMENT).await;
}

#[tokio::test(start_paused = true)]
async fn members_receive_the_count_of_all_nodes() {
    let network = Network::new(DELAY);
    let [a, b] = start_nodes(&network).await;
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
async fn readers_of_a_dead_node_go_in_10_s_of_a_leaving_one_in_5() {
    let network = Network::new(DELAY);
    let [a, b, c] = start_nodes(&network).await;
    let _here = a.anonymous("here");
    let _there = b.anonymous("there");
    let _third = c.anonymous("third");
    wait_for_counts(&[&a, &b, &c], 3, AGREEMENT).await;
    b.kill();
    wait_for_counts(&[&a, &c], 2, DEATH).await;
    assert_eq!(a.observer.nodes(), 1);
    c.leave().await;
    tokio::time::sleep(GRACE - AGREEMENT).await;
    assert_eq!(a.observer.nodes(), 0);
    wait_for_counts(&[&a], 2, Duration::ZERO).await;
    wait_for_counts(&[&a], 1, 2 * AGREEMENT).await;
}

#[tokio::test(start_paused = true)]
async fn dead_nodes_late_message_and_a_silent_stranger_are_ignored() {
    let network = Network::new(DELAY);
    let [a] = start_nodes(&network).await;
    let _here = a.anonymous("here");
    let (ghost, mut connection) = network.connect();
    let me = NodeId::new();
    ghost.subscribe(&Subject::All);
    ghost.subscribe(&Subject::Node(me));
    let publish = |subject: &Subject, word: Value| {
        let mut message = json!({"v": 1, "from": me});
        let fields = word.as_object().expect("an object").clone();
        message.as_object_mut().expect("an object").extend(fields);
        ghost.publish(subject, Bytes::from(message.to_string()));
    };
    let readers = BASE64_STANDARD_NO_PAD.encode([7; 32]);
    let presence = |version: u64| json!({"presence": {"post": "a/post.1", "base": null, "version": version, "joined": readers}});
    let beat = |nonce: Value| json!({"beat": {"nonce": nonce, "version": 9, "first": 0, "last": u64::MAX, "rooms": ""}});
    let room = Subject::Room(post());

    // It is a stranger, so its messages are ignored.
    publish(&room, presence(1));
    publish(&Subject::All, beat(Value::Null));
    tokio::time::sleep(AGREEMENT).await;
    wait_for_counts(&[&a], 1, Duration::ZERO).await;

    // It answers the probe and becomes a peer.
    let nonce = loop {
        let Some(Incoming::Message(bytes)) = connection.incoming.recv().await else {
            continue;
        };
        let message: Value = serde_json::from_slice(&bytes).expect("JSON");
        if let Some(nonce) = message.pointer("/call/nonce") {
            break nonce.clone();
        }
    };
    publish(&Subject::All, beat(nonce.clone()));
    publish(&room, presence(10));
    wait_for_counts(&[&a], 2, AGREEMENT).await;

    // It dies, and its messages under way arrive late.
    wait_for_counts(&[&a], 1, DEATH).await;
    publish(&room, presence(11));
    publish(&Subject::All, beat(nonce));
    tokio::time::sleep(AGREEMENT).await;
    wait_for_counts(&[&a], 1, Duration::ZERO).await;
    assert_eq!(a.observer.nodes(), 0);
}

#[tokio::test(start_paused = true)]
async fn cut_off_node_counts_its_own_readers_and_agrees_once_back() {
    let network = Network::new(DELAY);
    let [a, b, c] = start_nodes(&network).await;
    let _here = a.anonymous("here");
    let there = b.anonymous("there");
    wait_for_counts(&[&a, &b, &c], 2, AGREEMENT).await;
    a.link.cut();
    wait_until_within(AGREEMENT, "it knows", async || {
        a.observer.status() == BackplaneStatus::Disconnected
    })
    .await;
    drop(there);
    let _others = [b.anonymous("o1"), c.anonymous("o2")];
    wait_for_counts(&[&a], 1, DEATH).await;
    wait_for_counts(&[&b, &c], 2, DEATH).await;
    a.link.heal();
    wait_for_counts(&[&a, &b, &c], 3, AGREEMENT).await;
    assert_eq!(a.observer.status(), BackplaneStatus::Connected);
}

#[tokio::test(start_paused = true)]
async fn joins_and_leaves_during_a_short_cut_are_resynced() {
    let network = Network::new(DELAY);
    let [a, b] = start_nodes(&network).await;
    let _here = a.anonymous("here");
    let there = b.anonymous("there");
    wait_for_counts(&[&a, &b], 2, AGREEMENT).await;
    for cut in [&a, &b] {
        cut.link.cut();
        tokio::time::sleep(Duration::from_millis(500)).await;
        let came = [b.anonymous("c1"), b.anonymous("c2"), a.anonymous("c3")];
        tokio::time::sleep(Duration::from_millis(500)).await;
        cut.link.heal();
        wait_for_counts(&[&a, &b], 5, AGREEMENT).await;
        drop(came);
        wait_for_counts(&[&a, &b], 2, AGREEMENT).await;
    }
    a.link.cut();
    drop(there);
    tokio::time::sleep(Duration::from_millis(500)).await;
    a.link.heal();
    // The second node has no member in the room any more, so it lists the room no longer.
    wait_for_counts(&[&a, &b], 1, AGREEMENT).await;
}

#[tokio::test(start_paused = true)]
async fn change_reaches_members_on_other_nodes_unaltered() {
    let network = Network::new(DELAY);
    let [a, b] = start_nodes(&network).await;
    let member = b.anonymous("there");
    member.establish(Seq(0));
    let mut changes = member.listener().changes().expect("an established feed");
    // The room is known to the other node once that node counts its reader.
    wait_for_counts(&[&a], 1, AGREEMENT).await;
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
async fn lost_change_is_read_from_store_once_a_later_shows_the_gap() {
    let network = Network::new(DELAY);
    let [a, b] = start_nodes(&network).await;
    let member = b.anonymous("there");
    member.establish(Seq(0));
    let mut changes = member.listener().changes().expect("an established feed");
    wait_for_counts(&[&a], 1, AGREEMENT).await;
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
async fn change_far_ahead_is_dropped_and_the_store_is_read() {
    let network = Network::new(DELAY);
    let [a, b] = start_nodes(&network).await;
    let member = b.anonymous("there");
    member.establish(Seq(0));
    let mut changes = member.listener().changes().expect("an established feed");
    wait_for_counts(&[&a], 1, AGREEMENT).await;
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
async fn rooms_that_may_have_missed_changes_reconcile_at_once() {
    let network = Network::new(DELAY);
    let [a, b] = start_nodes(&network).await;
    let _member = a.anonymous("here");
    // The other nodes may have learned of the room too late.
    assert_eq!(a.hub.posts_to_reconcile().await, [post()]);
    a.link.cut();
    a.link.heal();
    assert_eq!(a.hub.posts_to_reconcile().await, [post()]);
    let nothing = tokio::time::timeout(AGREEMENT, a.hub.posts_to_reconcile()).await;
    assert!(nothing.is_err(), "{nothing:?}");
    drop(b);
}

/// A backplane that counts the messages published.
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
async fn resync_is_rate_limited_under_sustained_loss() {
    let said = Arc::new(Counting::default());
    let (sender, incoming) = mpsc::channel(16);
    let connection = Connection {
        backplane: Arc::clone(&said) as Arc<dyn Backplane>,
        incoming,
        topology: Topology::Cluster,
    };
    let (_hub, cluster) = ClusterNode::new(16, connection, &Registry::new());
    let leaving = CancellationToken::new();
    let running = tokio::spawn(cluster.run(leaving.clone()));
    sender.send(Incoming::Connected).await.expect("it runs");
    tokio::time::sleep(AGREEMENT).await;
    let before = said.0.load(Ordering::Relaxed);
    for _ in 0..1000 {
        sender.send(Incoming::Missed).await.expect("it runs");
    }
    tokio::time::sleep(AGREEMENT).await;
    // It sends probes, and its heartbeats go on.
    let asked = said.0.load(Ordering::Relaxed) - before;
    assert!((1..=4).contains(&asked), "{asked} messages");
    leaving.cancel();
    running.await.expect("no panic");
}

#[tokio::test(start_paused = true)]
async fn typing_shows_on_every_node_and_may_stop_on_another() {
    let network = Network::new(DELAY);
    let [a, b] = start_nodes(&network).await;
    let member = b.anonymous("there");
    let typists = |member: &Membership| -> Vec<String> {
        let typists = member.listener().typists_now().value;
        typists.iter().map(|user| user.name.to_string()).collect()
    };
    let tab = client_id("tab");
    let is = async |names: &[&str], within: Duration| {
        wait_until_within(within, &format!("{names:?} type"), async || {
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

    // A refreshed indicator outlives a single announcement.
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

    // It ends by itself, even if the node that could end it has died.
    a.hub.start_typing(&post(), &user("eve"), None);
    is(&["eve"], AGREEMENT).await;
    a.kill();
    is(&[], Duration::from_secs(7)).await;
}

#[tokio::test(start_paused = true)]
async fn closed_room_is_unsubscribed_after_half_a_minute() {
    let network = Network::new(DELAY);
    let [a, b] = start_nodes(&network).await;
    let member = b.anonymous("there");
    wait_for_counts(&[&a], 1, AGREEMENT).await;
    drop(member);
    wait_for_counts(&[&a], 0, AGREEMENT).await;
    let comes = async || {
        let before = network.traffic().messages;
        a.hub.publish(change(1));
        // Shorter than a heartbeat interval, but long enough for a message.
        tokio::time::sleep(4 * DELAY).await;
        network.traffic().messages - before
    };
    assert!(comes().await > 0, "it lingers");
    tokio::time::sleep(Duration::from_secs(32)).await;
    assert_eq!(b.hub.stats().rooms, 0);
    assert_eq!(comes().await, 0);
}

#[tokio::test(start_paused = true)]
async fn changed_users_are_announced_to_every_node() {
    let network = Network::new(DELAY);
    let [a] = start_nodes(&network).await;
    let (_link, connection) = network.connect();
    let (_hub, cluster) = ClusterNode::new(16, connection, &Registry::new());
    let mut users = cluster.users_changed();
    let leaving = CancellationToken::new();
    let running = tokio::spawn(cluster.run(leaving.clone()));
    wait_until_within(AGREEMENT, "they know each other", async || {
        a.observer.nodes() == 1
    })
    .await;
    a.hub.user_changed(&user("ada").id);
    assert_eq!(users.recv().await, Ok(user("ada").id));
    leaving.cancel();
    running.await.expect("no panic");
}

/// A room of 100,000 readers on 10 nodes who arrive within ten seconds. The messages are those that
/// docs/cluster.md calculates.
#[tokio::test(start_paused = true)]
async fn messages_of_100_000_readers_grow_by_window_and_not_by_join() {
    const READERS: usize = 100_000;
    const NODES: usize = 10;
    let network = Network::new(DELAY);
    let all: [Node; NODES] = start_nodes(&network).await;
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
    wait_for_counts(&everywhere, READERS, AGREEMENT).await;
    let windows = started.elapsed().as_secs_f64() / 0.25;
    let traffic = network.traffic();
    let published = traffic.published - before.published;
    let (nodes, beats) = (NODES as f64, started.elapsed().as_secs_f64() / 2.0);
    // For each node: one delta a window, one heartbeat in two seconds, and the query and answers on opening
    // the room.
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

    // A node that starts later learns of all readers at once.
    let eleventh = Node::start(&network);
    let _reader = eleventh.anonymous("late");
    wait_for_counts(&[&eleventh], READERS + 1, AGREEMENT).await;

    // Idle nodes send heartbeats only.
    let calm = network.traffic();
    tokio::time::sleep(Duration::from_secs(20)).await;
    let beats = network.traffic().published - calm.published;
    assert!(beats <= 11 * 11, "{beats} messages in 20 s of calm");

    // One of ten nodes dies, with its ten thousand readers.
    all[0].kill();
    let rest: Vec<&Node> = all[1..].iter().collect();
    wait_for_counts(&rest, READERS - READERS / NODES + 1, DEATH).await;
}
