//! A topic that is not about a post: the letters to a user. It shows what a new topic costs.

use std::{
    collections::HashMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use causerie::{
    error::Error,
    feed::{
        Closed, Event, Feed, Joined, Origin, Payload, Place, Progress, Received, Relation, Render,
        RenderError, Request, RoomShare, Sink, Step, StorePage, SubscriberGroup, Subscription,
        Topic,
    },
    memory::{Account, MemoryBudget},
    model::{ClientId, Role, User, UserId},
    rooms::{Hub, Participant, RoomId, SentAway},
    store::Store,
    telemetry::Registry,
};
use futures_util::{FutureExt, future::BoxFuture};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio_util::task::TaskTracker;

use crate::support::{database_url, settings, within};

/// The letters of all users. A user's are a log.
#[derive(Clone, Default)]
struct Mail(Arc<Mutex<HashMap<UserId, watch::Sender<Letters>>>>);

type Letters = Vec<Letter>;

#[derive(Clone, Debug, PartialEq)]
struct Letter(&'static str);

impl Mail {
    fn send(&self, to: &str, letter: &'static str) {
        let mut users = self.0.lock();
        let letters = users.entry(UserId::parse(to).expect("an id")).or_default();
        letters.send_modify(|letters| letters.push(Letter(letter)));
    }
}

/// A request for the letters to the participant's user.
struct LettersRequest {
    mail: Mail,
    after: i64,
}

#[derive(Clone, Debug, PartialEq)]
struct LettersOf(UserId);

impl Request for LettersRequest {
    type Topic = LettersOf;

    async fn join(self, _: &Feed, participant: &Participant) -> Result<Joined<LettersOf>, Error> {
        let user = participant.user.as_ref().ok_or(Error::Unauthenticated)?;
        let mut users = self.mail.0.lock();
        let letters = users.entry(user.id.clone()).or_default();
        Ok(Joined::new(
            LettersOf(user.id.clone()),
            RoomId::new(0),
            letters.subscribe(),
            (),
            at(self.after),
            None,
        ))
    }
}

impl Topic for LettersOf {
    type Event = Letter;
    type State = ();
    type Source = watch::Receiver<Letters>;
    type Receiver = (watch::Receiver<Letters>, usize);
    type Scan = ();

    const IS_LOG: bool = true;

    fn receiver(&self, source: &Self::Source) -> Result<(Self::Receiver, Progress<()>), Error> {
        let mut letters = source.clone();
        let count = letters.borrow_and_update().len();
        Ok(((letters, count), at(count as i64)))
    }

    async fn receive(&self, (letters, count): &mut Self::Receiver) -> Option<Received<Self>> {
        letters.changed().await.ok()?;
        let steps = steps_after(*count, &letters.borrow_and_update());
        *count += steps.len();
        Some(Received::Steps(steps))
    }

    async fn catch_up(
        &self,
        _: &StorePage<'_>,
        source: &Self::Source,
        from: &Progress<()>,
        _: Option<&Origin>,
        _: &mut Option<()>,
    ) -> Result<Vec<Step<Self>>, Error> {
        let known = usize::try_from(from.position).expect("a count");
        Ok(steps_after(known, &source.borrow()))
    }

    fn place(_: &Self::Event) -> Option<Place> {
        None
    }

    fn relation(known: &Progress<()>, update: &Progress<()>) -> Relation {
        if update.position > known.position {
            Relation::New
        } else {
            Relation::Known
        }
    }
}

fn at(position: i64) -> Progress<()> {
    Progress {
        position,
        state: (),
    }
}

fn steps_after(known: usize, letters: &[Letter]) -> Vec<Step<LettersOf>> {
    let new = letters.iter().enumerate().skip(known);
    new.map(|(index, letter)| Step::shown(at(index as i64 + 1), letter.clone()))
        .collect()
}

/// Renders a letter as its text.
struct Texts;

impl Render for Texts {
    fn render(
        &self,
        event: Event,
        _: &Account,
    ) -> BoxFuture<'static, Result<Payload, RenderError>> {
        let Letter(text) = event.get().expect("a letter");
        std::future::ready(Ok(Payload::from(*text))).boxed()
    }

    fn delivered(&self, _: usize) {}

    fn group_ended(&self, _: RoomId) {}
}

/// A renderer that never comes to an end.
#[derive(Default)]
struct Endless {
    started: Notify,
    group_ended: Notify,
}

impl Render for Endless {
    fn render(&self, _: Event, _: &Account) -> BoxFuture<'static, Result<Payload, RenderError>> {
        self.started.notify_one();
        std::future::pending().boxed()
    }

    fn delivered(&self, _: usize) {}

    fn group_ended(&self, _: RoomId) {
        self.group_ended.notify_one();
    }
}

/// A sink that is full after each payload until it is read.
#[derive(Default)]
struct OneSlot {
    slot: Mutex<Option<Payload>>,
    changed: Notify,
    taken: AtomicUsize,
}

impl OneSlot {
    async fn next(&self) -> Payload {
        loop {
            let changed = self.changed.notified();
            if let Some(payload) = self.slot.lock().take() {
                self.changed.notify_waiters();
                return payload;
            }
            changed.await;
        }
    }
}

impl Sink for OneSlot {
    fn offer(&self, payloads: &[Payload]) -> Result<usize, Closed> {
        let mut slot = self.slot.lock();
        if slot.is_some() || payloads.is_empty() {
            return Ok(0);
        }
        *slot = payloads.first().cloned();
        self.taken.fetch_add(1, Ordering::Relaxed);
        self.changed.notify_waiters();
        Ok(1)
    }

    fn ready(&self) -> BoxFuture<'_, ()> {
        async {
            loop {
                let changed = self.changed.notified();
                if self.slot.lock().is_none() {
                    return;
                }
                changed.await;
            }
        }
        .boxed()
    }

    fn fail(&self, error: Error) {
        panic!("{error:?}");
    }
}

async fn feed(folder: &Path) -> Feed {
    let url = format!("--database-url={}", database_url(folder));
    let store = Store::open(&settings(&[&url]).store, &Registry::new()).await;
    Feed::new(
        Hub::new(4, &Registry::new()),
        store.expect("a store"),
        10,
        &MemoryBudget::new(1024 * 1024),
        &Registry::new(),
    )
}

fn participant(name: &str) -> Participant {
    Participant {
        client: ClientId::new_unnamed(),
        user: Some(User {
            id: UserId::parse(name).expect("an id"),
            name: name.into(),
            avatar: None,
            role: Role::Reader,
        }),
        sent_away: SentAway::default(),
    }
}

/// Subscribes ada to her letters after the first `after`.
async fn subscribe(
    feed: Feed,
    mail: &Mail,
    after: i64,
    render: Arc<dyn Render>,
    sink: Arc<dyn Sink>,
) -> Subscription {
    let mail = mail.clone();
    let request = LettersRequest { mail, after };
    let joined = request.join(&feed, &participant("ada")).await;
    let joined = joined.expect("joined");
    let place = Arc::new(RoomShare::default()).add_group().expect("a place");
    let group = SubscriberGroup::new(feed, &joined, render, place, TaskTracker::new());
    let group = group.expect("a group");
    let memory = Account::separate(1024 * 1024);
    group.subscribe(joined, sink, memory).await
}

#[tokio::test]
async fn topic_of_a_user_resumes_then_follows() {
    let folder = tempfile::tempdir().expect("a folder");
    let feed = feed(folder.path()).await;
    let mail = Mail::default();
    mail.send("ada", "a");
    mail.send("ada", "b");
    mail.send("bob", "for bob");
    let sink = Arc::new(OneSlot::default());
    let sink_of_ada = Arc::<OneSlot>::clone(&sink);
    let subscription = subscribe(feed, &mail, 1, Arc::new(Texts), sink_of_ada).await;
    assert_eq!(&*sink.next().await, "b");
    // The second does not fit, so the subscriber falls behind and catches up.
    for letter in ["c", "d", "e"] {
        mail.send("ada", letter);
    }
    mail.send("bob", "for bob");
    for letter in ["c", "d", "e"] {
        assert_eq!(&*sink.next().await, letter);
    }
    drop(subscription);
    mail.send("ada", "f");
    assert_eq!(sink.taken.load(Ordering::Relaxed), 4);
}

#[tokio::test]
async fn rendering_ends_when_its_last_subscriber_leaves() {
    let folder = tempfile::tempdir().expect("a folder");
    let feed = feed(folder.path()).await;
    let mail = Mail::default();
    let render = Arc::new(Endless::default());
    let sink = Arc::new(OneSlot::default());
    let render_of_group = Arc::<Endless>::clone(&render);
    let subscription = subscribe(feed, &mail, 0, render_of_group, sink).await;
    mail.send("ada", "a");
    within("the rendering starts", render.started.notified()).await;
    drop(subscription);
    within("the group ends", render.group_ended.notified()).await;
}
