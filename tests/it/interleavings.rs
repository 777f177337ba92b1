//! Interleavings of writing, publishing, losing, joining, falling behind, reading and leaving. Each follower
//! receives each change once and in order. The oracle is a list.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use causerie::{
    config::StoreConfig,
    error::Error,
    feed::{
        ChangeEvent, ChangeFilter, Changes, ChangesRequest, Closed, Event, Feed, Payload, Render,
        RenderError, Request, RoomShare, Sink, SubscriberGroup, Subscription,
    },
    memory::{Account, MemoryBudget},
    model::{
        Change, ChangeKind, ClientId, Comment, CommentId, PostId, Seq, Timestamp, User, UserId,
    },
    rooms::{Hub, Participant, RoomId, RoomStats, SentAway},
    store::{DeleteComment, Deletion, EditComment, NewComment, NewPost, Store},
    telemetry::Registry,
};
use futures_util::{FutureExt, future::BoxFuture};
use parking_lot::Mutex;
use proptest::prelude::*;
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

use crate::support::{database_url, settings};

/// A room buffer so small that followers fall behind all the time.
const ROOM_BUFFER: usize = 3;
/// A sink so small that it is full all the time.
const SINK_CAPACITY: usize = 2;
/// A page so small that edits come between two pages.
const CATCH_UP_PAGE: u64 = 2;
/// Enough memory for all.
const MEMORY: usize = 16 * 1024 * 1024;
/// Timeout for each follower at the end. Only a failing test waits this long.
const TIMEOUT: Duration = Duration::from_secs(60);

#[derive(Clone, Debug)]
enum Step {
    /// A writer commits an addition, to be published later.
    Add,
    /// A writer commits an edit of a comment.
    Edit(usize),
    /// A writer commits a deletion of a comment.
    Delete(usize),
    /// A committed change is published, in any order.
    Publish(usize),
    /// A committed change is lost.
    Lose(usize),
    /// The room is compared with the store.
    Reconcile,
    /// A follower joins, from the start of the feed or from now on.
    Join { from_start: bool },
    /// A follower reads a little.
    Read(usize),
    /// A follower leaves.
    Leave(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => Just(Step::Add),
        2 => any::<usize>().prop_map(Step::Edit),
        1 => any::<usize>().prop_map(Step::Delete),
        5 => any::<usize>().prop_map(Step::Publish),
        1 => any::<usize>().prop_map(Step::Lose),
        1 => Just(Step::Reconcile),
        2 => any::<bool>().prop_map(|from_start| Step::Join { from_start }),
        4 => any::<usize>().prop_map(Step::Read),
        1 => any::<usize>().prop_map(Step::Leave),
    ];
    prop::collection::vec(step, 1..60)
}

/// A renderer that notes each change here. The payload is the number of the note.
#[derive(Default)]
struct Notes(Mutex<Vec<Arc<Change>>>);

impl Render for Notes {
    fn render(
        &self,
        event: Event,
        _: &Account,
    ) -> BoxFuture<'static, Result<Payload, RenderError>> {
        let ChangeEvent(change) = event.get().expect("a change");
        let mut notes = self.0.lock();
        notes.push(Arc::clone(change));
        let number = notes.len() - 1;
        // Other tasks run while this is rendered.
        async move {
            tokio::task::yield_now().await;
            Ok(number.to_string().into())
        }
        .boxed()
    }

    fn delivered(&self, _: usize) {}

    fn group_ended(&self, _: RoomId) {}
}

/// The payloads that a follower has not read yet.
#[derive(Default)]
struct Inbox {
    payloads: Mutex<VecDeque<Payload>>,
    changed: Notify,
}

impl Sink for Inbox {
    fn offer(&self, payloads: &[Payload]) -> Result<usize, Closed> {
        let mut waiting = self.payloads.lock();
        let taken = payloads.len().min(SINK_CAPACITY - waiting.len());
        waiting.extend(payloads[..taken].iter().cloned());
        drop(waiting);
        self.changed.notify_waiters();
        Ok(taken)
    }

    fn ready(&self) -> BoxFuture<'_, ()> {
        self.wait_until(|waiting| waiting.len() < SINK_CAPACITY)
            .boxed()
    }

    fn fail(&self, error: Error) {
        panic!("{error:?}");
    }
}

impl Inbox {
    async fn wait_until(&self, is_so: impl Fn(&VecDeque<Payload>) -> bool) {
        loop {
            let changed = self.changed.notified();
            if is_so(&self.payloads.lock()) {
                return;
            }
            changed.await;
        }
    }

    async fn next(&self) -> Payload {
        self.wait_until(|waiting| !waiting.is_empty()).await;
        let payload = self.payloads.lock().pop_front();
        self.changed.notify_waiters();
        payload.expect("one reader")
    }
}

/// A follower of the feed, and the changes that it received.
struct Follower {
    inbox: Arc<Inbox>,
    _subscription: Subscription,
    notes: Arc<Notes>,
    /// The follower's position lies between these: the seqs of the room and of the store.
    joined_between: (Seq, Seq),
    given: Vec<Arc<Change>>,
}

/// The system under test, and the list that it is compared with.
struct World {
    store: Store,
    hub: Hub,
    feed: Feed,
    post: PostId,
    filter: ChangeFilter,
    /// The committed changes, in order.
    log: Vec<Arc<Change>>,
    /// The changes that were committed and neither published nor lost.
    unpublished: Vec<Arc<Change>>,
    followers: Vec<Follower>,
    notes: Arc<Notes>,
    group: std::sync::Weak<SubscriberGroup<Changes>>,
    group_room: Option<RoomId>,
    tasks: TaskTracker,
    _folder: tempfile::TempDir,
}

impl World {
    async fn new(filter: ChangeFilter) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("--database-url={}", database_url(folder.path()));
        let config: StoreConfig = settings(&[&url]).store;
        let store = Store::open(&config, &Registry::new())
            .await
            .expect("a store");
        let post = PostId::parse("p").expect("an id");
        let new = NewPost {
            id: post.clone(),
            title: "p".to_owned(),
            url: None,
            at: Timestamp(0),
        };
        store.create_post(new).await.expect("a post");
        let hub = Hub::new(ROOM_BUFFER, &Registry::new());
        Self {
            feed: Feed::new(
                hub.clone(),
                store.clone(),
                CATCH_UP_PAGE,
                &MemoryBudget::new(MEMORY),
                &Registry::new(),
            ),
            store,
            hub,
            post,
            filter,
            log: Vec::new(),
            unpublished: Vec::new(),
            followers: Vec::new(),
            notes: Arc::default(),
            group: std::sync::Weak::new(),
            group_room: None,
            tasks: TaskTracker::new(),
            _folder: folder,
        }
    }

    fn head(&self) -> Seq {
        self.log.last().map_or(Seq(0), |change| change.seq)
    }

    fn commit(&mut self, change: Change) {
        assert_eq!(
            change.seq,
            self.head().next(),
            "the store takes places one by one"
        );
        let change = Arc::new(change);
        self.log.push(Arc::clone(&change));
        self.unpublished.push(change);
    }

    fn some_comment(&self, number: usize) -> Option<CommentId> {
        let added: Vec<_> = self
            .log
            .iter()
            .filter(|change| change.kind == ChangeKind::Added)
            .collect();
        (!added.is_empty()).then(|| added[number % added.len()].comment.id)
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::Add => {
                let new = NewComment {
                    post_id: self.post.clone(),
                    parent_id: None,
                    max_depth: 32,
                    author: User {
                        id: UserId::parse("u").expect("an id"),
                        name: "u".into(),
                        avatar: None,
                    },
                    body: format!("number {}", self.log.len()),
                    at: Timestamp(0),
                    origin: None,
                };
                let change = self.store.create_comment(new).await.expect("stored");
                self.commit(change);
            }
            Step::Edit(number) => {
                let Some(id) = self.some_comment(number) else {
                    return;
                };
                let edit = EditComment {
                    id,
                    body: format!("edit {}", self.log.len()),
                    at: Timestamp(0),
                    origin: None,
                };
                match self.store.edit_comment(edit, |_| Ok(())).await {
                    Ok(change) => self.commit(change),
                    Err(Error::Conflict(_)) => {}
                    Err(error) => panic!("{error:?}"),
                }
            }
            Step::Delete(number) => {
                let Some(id) = self.some_comment(number) else {
                    return;
                };
                let delete = DeleteComment {
                    id,
                    at: Timestamp(0),
                    origin: None,
                };
                match self
                    .store
                    .delete_comment(delete, |_| Ok(()))
                    .await
                    .expect("stored")
                {
                    Deletion::Deleted(change) => self.commit(change),
                    Deletion::AlreadyDeleted(_) => {}
                }
            }
            Step::Publish(number) => {
                if !self.unpublished.is_empty() {
                    let place = number % self.unpublished.len();
                    self.hub.publish(self.unpublished.remove(place));
                }
            }
            Step::Lose(number) => {
                if !self.unpublished.is_empty() {
                    let place = number % self.unpublished.len();
                    self.unpublished.remove(place);
                }
            }
            Step::Reconcile => self.hub.catch_up_to(&self.post, self.head()),
            Step::Join { from_start } => self.join(from_start).await,
            Step::Read(number) => {
                if !self.followers.is_empty() {
                    let place = number % self.followers.len();
                    read_a_little(&mut self.followers[place]).await;
                }
            }
            Step::Leave(number) => {
                if !self.followers.is_empty() {
                    let place = number % self.followers.len();
                    let follower = self.followers.swap_remove(place);
                    self.check(&follower, None);
                }
            }
        }
    }

    async fn join(&mut self, from_start: bool) {
        let known = self.hub.heads().first().map(|(_, head)| *head);
        let joined_between = if from_start {
            (Seq(0), Seq(0))
        } else {
            (known.unwrap_or(self.head()), self.head())
        };
        let visitor = Participant {
            client: ClientId::new_unnamed(),
            user: None,
            sent_away: SentAway::default(),
        };
        let after = from_start.then_some(Seq(0));
        let request = ChangesRequest {
            post: self.post.clone(),
            filter: self.filter,
            after,
            include_own: false,
        };
        let joined = request.join(&self.feed, &visitor).await;
        let joined = joined.expect("joined");
        let group = match self.group.upgrade() {
            Some(group) if self.group_room == Some(joined.room()) => group,
            _ => {
                let render = Arc::clone(&self.notes) as Arc<dyn Render>;
                let feed = self.feed.clone();
                let place = Arc::new(RoomShare::default()).add_group();
                let place = place.expect("a place");
                let tasks = self.tasks.clone();
                let group = SubscriberGroup::new(feed, &joined, render, place, tasks);
                group.expect("a group")
            }
        };
        self.group = Arc::downgrade(&group);
        self.group_room = Some(joined.room());
        let inbox = Arc::new(Inbox::default());
        let sink = Arc::clone(&inbox) as Arc<dyn Sink>;
        self.followers.push(Follower {
            _subscription: group
                .subscribe(joined, sink, Account::separate(MEMORY))
                .await,
            inbox,
            notes: Arc::clone(&self.notes),
            joined_between,
            given: Vec::new(),
        });
    }

    /// Asserts that the follower received the list's changes, once and in order, up to `through` if given.
    fn check(&self, follower: &Follower, through: Option<Seq>) {
        let given: Vec<i64> = follower.given.iter().map(|change| change.seq.0).collect();
        assert!(
            given.is_sorted_by(|a, b| a < b),
            "in order, and each once: {given:?}"
        );
        match self.filter {
            ChangeFilter::Additions => self.check_additions(follower, &given, through),
            ChangeFilter::All => self.check_changes(follower, through),
        }
    }

    fn check_additions(&self, follower: &Follower, given: &[i64], through: Option<Seq>) {
        let (earliest, latest) = follower.joined_between;
        let added: Vec<i64> = self
            .log
            .iter()
            .filter(|change| change.kind == ChangeKind::Added && change.seq > earliest)
            .map(|change| change.seq.0)
            .collect();
        // The follower's position is only known to lie between two seqs.
        let first = given.first().copied();
        let from = first.and_then(|first| added.iter().position(|&seq| seq == first));
        let skipped = match (first, from) {
            (None, _) => &added[..],
            (Some(first), None) => panic!("{first} was not added behind {earliest:?}"),
            (Some(_), Some(from)) => {
                assert_eq!(given, &added[from..from + given.len()], "no hole");
                if through.is_some() {
                    assert_eq!(added.last(), given.last(), "to the end");
                }
                &added[..from]
            }
        };
        if first.is_some() || through.is_some() {
            assert!(
                skipped.iter().all(|&seq| seq <= latest.0),
                "{skipped:?} are missing"
            );
        }
    }

    /// Asserts that the changes received lead to the same state as the list.
    fn check_changes(&self, follower: &Follower, through: Option<Seq>) {
        let mut known: HashMap<CommentId, Arc<Comment>> = HashMap::new();
        let from_start = follower.joined_between == (Seq(0), Seq(0));
        for change in &follower.given {
            let before = known.insert(change.comment.id, Arc::clone(&change.comment));
            match change.kind {
                ChangeKind::Added => assert!(before.is_none(), "added once"),
                ChangeKind::Edited if from_start => assert!(before.is_some(), "known before"),
                ChangeKind::Edited | ChangeKind::Deleted => {}
            }
        }
        let Some(through) = through else { return };
        let latest = follower.joined_between.1;
        let mut expected: HashMap<CommentId, Arc<Comment>> = HashMap::new();
        for change in self
            .log
            .iter()
            .filter(|change| change.seq <= through && change.seq > latest)
        {
            expected.insert(change.comment.id, Arc::clone(&change.comment));
        }
        for (id, comment) in expected {
            let given = known.get(&id).expect("given");
            assert_eq!(
                (&given.body, given.is_deleted),
                (&comment.body, comment.is_deleted)
            );
        }
    }

    /// Recovers what was lost, lets all followers read to the end, and ends them.
    async fn finish(mut self) {
        self.hub.catch_up_to(&self.post, self.head());
        self.take(Step::Add).await;
        self.take(Step::Publish(0)).await;
        while !self.unpublished.is_empty() {
            self.take(Step::Publish(0)).await;
        }
        let end = self.head();
        for mut follower in std::mem::take(&mut self.followers) {
            while follower.given.last().is_none_or(|change| change.seq < end) {
                let next = tokio::time::timeout(TIMEOUT, follower.next()).await;
                follower.given.push(next.expect("the end is reached"));
            }
            self.check(&follower, Some(end));
        }
        assert_eq!(self.hub.stats(), RoomStats::default());
        self.tasks.close();
        let ended = tokio::time::timeout(TIMEOUT, self.tasks.wait()).await;
        ended.expect("no task is left");
        self.store.close().await;
    }
}

impl Follower {
    async fn next(&self) -> Arc<Change> {
        let number: usize = self.inbox.next().await.parse().expect("a number");
        Arc::clone(&self.notes.0.lock()[number])
    }
}

/// Gives the follower some turns and records what it receives.
async fn read_a_little(follower: &mut Follower) {
    for _ in 0..20 {
        tokio::select! {
            biased;
            change = follower.next() => follower.given.push(change),
            () = tokio::task::yield_now() => {}
        }
    }
}

fn run(filter: ChangeFilter, steps: Vec<Step>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let mut world = World::new(filter).await;
        for step in steps {
            world.take(step).await;
        }
        world.finish().await;
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn additions_arrive_once_and_in_order_in_any_interleaving(steps in steps()) {
        run(ChangeFilter::Additions, steps);
    }

    #[test]
    fn changes_lead_to_the_stores_state_in_any_interleaving(steps in steps()) {
        run(ChangeFilter::All, steps);
    }
}
