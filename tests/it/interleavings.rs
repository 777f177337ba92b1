//! Interleavings of writing, publishing, losing, joining, falling behind, reading, cutting and resuming. Each
//! follower receives what it misses once and in order. The oracles are the list of commits, and the page that a
//! follower of all changes would query at the end.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use causerie::{
    config::StoreConfig,
    error::Error,
    feed::{
        Bookmark, ChangeEvent, ChangeFilter, Changes, ChangesRequest, Closed, Event, Feed, Payload,
        Render, RenderError, Request, RoomShare, Sink, SubscriberGroup, Subscription,
    },
    memory::{Account, MemoryBudget},
    model::{
        Change, ChangeKind, ClientId, Comment, CommentId, HoldReason, PostId, Profile, Role, Seq,
        Timestamp, User, UserId,
    },
    rooms::{Hub, Participant, RoomId, RoomStats, SentAway},
    store::{
        Bodies, DeleteComment, EditComment, Levels, ModerateComment, ModerationAction, NewComment,
        NewPost, Order, Screened, Slice, Store, Written,
    },
    telemetry::Registry,
};
use futures_util::{FutureExt, future::BoxFuture};
use parking_lot::Mutex;
use proptest::prelude::*;
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

use crate::support::{database_url, everything, settings};

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
    /// A writer commits an addition, to be published later: a reply, if there is a comment to reply to.
    Add { parent: Option<usize> },
    /// A writer commits a comment that waits for a moderator.
    Submit { parent: Option<usize> },
    /// A moderator approves a comment, whatever its status.
    Approve(usize),
    /// A moderator rejects a comment, whatever its status.
    Reject(usize),
    /// A writer commits an edit of a comment, which is held if its number is even.
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
    /// A follower is cut off.
    Cut(usize),
    /// A follower that was cut off resumes where it was.
    Resume(usize),
}

fn profile() -> Profile {
    Profile::new(
        User {
            id: UserId::parse("u").expect("an id"),
            name: "u".into(),
            avatar: None,
            role: Role::Reader,
        },
        Timestamp(0),
    )
}

/// Returns the findings on a text that is held.
fn held() -> Screened {
    Screened {
        reason: Some(HoldReason::Links),
        ..Screened::PASSED
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => any::<Option<usize>>().prop_map(|parent| Step::Add { parent }),
        2 => any::<Option<usize>>().prop_map(|parent| Step::Submit { parent }),
        3 => any::<usize>().prop_map(Step::Approve),
        2 => any::<usize>().prop_map(Step::Reject),
        2 => any::<usize>().prop_map(Step::Edit),
        1 => any::<usize>().prop_map(Step::Delete),
        5 => any::<usize>().prop_map(Step::Publish),
        1 => any::<usize>().prop_map(Step::Lose),
        1 => Just(Step::Reconcile),
        2 => any::<bool>().prop_map(|from_start| Step::Join { from_start }),
        4 => any::<usize>().prop_map(Step::Read),
        1 => any::<usize>().prop_map(Step::Cut),
        1 => any::<usize>().prop_map(Step::Resume),
    ];
    prop::collection::vec(step, 1..80)
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

/// A follower of the feed, and what it received.
struct Follower {
    inbox: Arc<Inbox>,
    _subscription: Subscription,
    notes: Arc<Notes>,
    reader: FeedReader,
}

/// The part of a follower that outlives its connection.
struct FeedReader {
    /// The position to resume after. It lies between these: the seqs of the room and of the store.
    start_between: (Seq, Seq),
    /// The page that it keeps, if it follows all changes.
    page: Option<Page>,
    given: Vec<Arc<Change>>,
}

impl FeedReader {
    fn receive(&mut self, change: Arc<Change>) {
        if let Some(page) = &mut self.page {
            page.receive(&change);
        }
        self.given.push(change);
    }

    /// Returns the position to resume after, if the reader knows it.
    fn position(&self) -> Option<Seq> {
        let (earliest, latest) = self.start_between;
        let start = (earliest == latest).then_some(latest);
        self.given.last().map(|change| change.seq).or(start)
    }
}

/// The comments of a post as a page has them: for each parent its list in the order of publication, and each
/// comment's state.
#[derive(Clone, Debug, Default, PartialEq)]
struct Page {
    lists: HashMap<Option<CommentId>, Vec<(Timestamp, CommentId)>>,
    states: HashMap<CommentId, (String, bool)>,
}

impl Page {
    /// Puts a snapshot into its place by its id, whatever the kind, and removes what is not listed.
    fn receive(&mut self, change: &Change) {
        let comment = &change.comment;
        if comment.is_listed() {
            self.put(comment);
        } else if self.states.remove(&comment.id).is_some() {
            let list = self.lists.get_mut(&comment.parent_id).expect("its list");
            list.retain(|(_, id)| *id != comment.id);
            if list.is_empty() {
                self.lists.remove(&comment.parent_id);
            }
        }
    }

    fn put(&mut self, comment: &Comment) {
        if let Some(parent) = comment.parent_id {
            assert!(
                self.states.contains_key(&parent),
                "a parent comes before its replies"
            );
        }
        let state = (comment.body.clone(), comment.is_deleted);
        if self.states.insert(comment.id, state).is_none() {
            let list = self.lists.entry(comment.parent_id).or_default();
            let published_at = comment.published_at;
            let place = list.partition_point(|(other, _)| *other < published_at);
            list.insert(place, (published_at, comment.id));
        }
    }
}

/// The system under test, and the list that it is compared with.
struct World {
    store: Store,
    hub: Hub,
    feed: Feed,
    post: PostId,
    filter: ChangeFilter,
    /// The comments that were written, whatever became of them.
    written: Vec<CommentId>,
    /// The committed changes, in order.
    log: Vec<Arc<Change>>,
    /// The changes that were committed and neither published nor lost.
    unpublished: Vec<Arc<Change>>,
    followers: Vec<Follower>,
    cut_off: Vec<FeedReader>,
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
            by: None,
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
            written: Vec::new(),
            log: Vec::new(),
            unpublished: Vec::new(),
            followers: Vec::new(),
            cut_off: Vec::new(),
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

    /// Returns the head that the room knows.
    fn known_head(&self) -> Seq {
        let heads = self.hub.heads();
        heads.first().map_or(self.head(), |(_, head)| *head)
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

    /// Returns a time that grows with the feed.
    fn now(&self) -> Timestamp {
        Timestamp(self.head().0 + 1)
    }

    async fn create(&mut self, parent: Option<usize>, screened: Screened) {
        let new = NewComment {
            post_id: self.post.clone(),
            parent_id: parent.and_then(|number| self.some_comment(number)),
            max_depth: 32,
            author: profile(),
            body: format!("number {}", self.log.len()),
            screened,
            at: self.now(),
            origin: None,
            key: None,
        };
        let created = self.store.create_comment(new).await;
        if let Ok(written) = &created {
            self.written.push(written.comment.id);
        }
        self.take_result(created);
    }

    async fn moderate(&mut self, number: usize, action: ModerationAction) {
        if self.written.is_empty() {
            return;
        }
        let mut by = profile();
        by.user.role = Role::Moderator;
        let decision = ModerateComment {
            id: self.written[number % self.written.len()],
            action,
            by,
            at: self.now(),
            origin: None,
        };
        match self.store.moderate_comment(decision).await {
            Ok(moderated) => self.commit_all(moderated.effects.change),
            // It was deleted, or what it replies to is gone.
            Err(Error::Conflict(_)) => {}
            Err(error) => panic!("{error:?}"),
        }
    }

    fn take_result(&mut self, result: Result<Written, Error>) {
        match result {
            Ok(written) => self.commit_all(written.effects.change),
            // What it changes or replies to is gone.
            Err(Error::Conflict(_)) => {}
            Err(error) => panic!("{error:?}"),
        }
    }

    fn commit_all(&mut self, change: Option<Change>) {
        if let Some(change) = change {
            self.commit(change);
        }
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::Add { parent } => self.create(parent, Screened::PASSED).await,
            Step::Submit { parent } => self.create(parent, held()).await,
            Step::Approve(number) => self.moderate(number, ModerationAction::Approve).await,
            Step::Reject(number) => self.moderate(number, ModerationAction::Reject).await,
            Step::Edit(number) => {
                let Some(id) = self.some_comment(number) else {
                    return;
                };
                let edit = EditComment {
                    id,
                    body: format!("edit {}", self.log.len()),
                    screened: if number % 2 == 0 {
                        held()
                    } else {
                        Screened::PASSED
                    },
                    by: profile(),
                    at: self.now(),
                    origin: None,
                };
                let edited = self.store.edit_comment(edit, |_| Ok(())).await;
                self.take_result(edited);
            }
            Step::Delete(number) => {
                let Some(id) = self.some_comment(number) else {
                    return;
                };
                let delete = DeleteComment {
                    id,
                    by: profile(),
                    at: self.now(),
                    origin: None,
                };
                let deleted = self.store.delete_comment(delete, |_| Ok(())).await;
                self.take_result(deleted);
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
            Step::Cut(number) => {
                if !self.followers.is_empty() {
                    let place = number % self.followers.len();
                    let follower = self.followers.swap_remove(place);
                    self.cut_off.push(follower.reader);
                }
            }
            Step::Resume(number) => {
                if !self.cut_off.is_empty() {
                    let place = number % self.cut_off.len();
                    let reader = self.cut_off.swap_remove(place);
                    self.resume(reader).await;
                }
            }
        }
    }

    async fn join(&mut self, from_start: bool) {
        let is_page = self.filter == ChangeFilter::All;
        let (start_between, page) = if from_start {
            ((Seq(0), Seq(0)), is_page.then(Page::default))
        } else if is_page {
            // A page is queried together with the cursor.
            let page = self.query_page().await;
            ((self.head(), self.head()), Some(page))
        } else {
            ((self.known_head(), self.head()), None)
        };
        let reader = FeedReader {
            start_between,
            page,
            given: Vec::new(),
        };
        self.resume(reader).await;
    }

    async fn resume(&mut self, mut reader: FeedReader) {
        if reader.position().is_none() {
            // It received nothing, so it joins as if for the first time.
            reader.start_between = (self.known_head(), self.head());
        }
        let visitor = Participant {
            client: ClientId::new_unnamed(),
            user: None,
            sent_away: SentAway::default(),
        };
        let request = ChangesRequest {
            post: self.post.clone(),
            filter: self.filter,
            after: reader
                .position()
                .map(|seq| Arc::new(seq) as Arc<dyn Bookmark>),
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
            reader,
        });
    }

    /// Queries the page as it is now.
    async fn query_page(&self) -> Page {
        let post = self.store.post(&self.post).await.expect("read");
        let post = post.expect("the post");
        let all = Slice {
            first: 1_000,
            after: None,
        };
        let (oldest, memory) = (Order::OldestFirst(None), everything());
        let top_level =
            self.store
                .comments_of(&post, Levels::Top, oldest, all.first, Bodies::Read, memory);
        let found = top_level.await.expect("read").items;
        let mut found: Vec<Comment> = found.into_iter().map(|listed| listed.comment).collect();
        let mut page = Page::default();
        while !found.is_empty() {
            let parents: Vec<_> = found.iter().map(|comment| comment.id).collect();
            for comment in found {
                page.put(&comment);
            }
            let (as_of, memory) = (Some(post.seq), everything());
            let replies = self
                .store
                .replies(&parents, all, as_of, Bodies::Read, memory);
            let replies = replies.await.expect("read");
            found = replies.into_values().flat_map(|page| page.items).collect();
        }
        page
    }

    /// Asserts that the reader received what it missed, once and in order, up to the end.
    async fn check(&self, reader: &FeedReader) {
        let given: Vec<Seq> = reader.given.iter().map(|change| change.seq).collect();
        assert!(
            given.is_sorted_by(|a, b| a < b),
            "in order, and each once: {given:?}"
        );
        let page = self.query_page().await;
        match &reader.page {
            Some(kept) => assert_eq!(*kept, page),
            None => self.check_additions(reader, &given, &page),
        }
    }

    fn check_additions(&self, reader: &FeedReader, given: &[Seq], page: &Page) {
        let (_, latest) = reader.start_between;
        let mut added = self
            .log
            .iter()
            .filter(|change| change.kind == ChangeKind::Added);
        // A comment that was restored may have been withdrawn when the reader would have received it.
        let restored = self
            .log
            .iter()
            .filter(|change| change.kind == ChangeKind::Restored);
        let restored: HashSet<_> = restored.map(|change| change.comment.id).collect();
        let missed = added.clone().filter(|change| {
            let id = &change.comment.id;
            let is_due = page.states.contains_key(id) && !restored.contains(id);
            change.seq > latest && is_due && !given.contains(&change.seq)
        });
        assert_eq!(
            missed.count(),
            0,
            "additions that are still listed are missing"
        );
        for seq in given {
            assert!(
                added.any(|change| change.seq == *seq),
                "{seq:?} was not added"
            );
        }
    }

    /// Recovers what was lost, lets all followers read to the end, and ends them.
    async fn finish(mut self) {
        while !self.cut_off.is_empty() {
            self.take(Step::Resume(0)).await;
        }
        self.hub.catch_up_to(&self.post, self.head());
        self.take(Step::Add { parent: None }).await;
        self.take(Step::Publish(0)).await;
        while !self.unpublished.is_empty() {
            self.take(Step::Publish(0)).await;
        }
        let end = self.head();
        for mut follower in std::mem::take(&mut self.followers) {
            while follower
                .reader
                .given
                .last()
                .is_none_or(|change| change.seq < end)
            {
                let next = tokio::time::timeout(TIMEOUT, follower.next()).await;
                follower.reader.receive(next.expect("the end is reached"));
            }
            self.check(&follower.reader).await;
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
            change = follower.next() => follower.reader.receive(change),
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
    fn page_of_changes_equals_queried_page_in_any_interleaving(steps in steps()) {
        run(ChangeFilter::All, steps);
    }
}
