//! Who is typing in one room, on this node and on the others. An indicator ends in four ways: its
//! user says so, it is not refreshed in time, the user posts a comment, or the client leaves the room.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    cluster::{
        NodeId,
        wire::{Author, Name, TypistElsewhere},
    },
    model::{ClientId, User, UserId},
};

/// How long an indicator lives without being refreshed.
pub(crate) const LIFETIME: Duration = Duration::from_secs(6);
/// How many users are shown typing in one room. More start typing unseen.
const MAX_TYPISTS: usize = 64;
/// In how many clients one user types at the same time. One more replaces the one nearest its end.
const MAX_CLIENTS: usize = 8;

/// The users who are typing, those who started first in front.
pub type Typists = Arc<[User]>;

/// Where a user types: a client that named itself, or a request that had none.
#[derive(Debug)]
struct Source {
    client: Option<ClientId>,
    until: Instant,
}

#[derive(Debug)]
struct Typist {
    user: User,
    sources: Vec<Source>,
}

/// Who types on one other node. It says so again while that holds, sooner than this ends by itself.
#[derive(Debug)]
struct Elsewhere {
    typists: Vec<(User, Vec<Option<ClientId>>)>,
    until: Instant,
}

/// The indicators of one room. A user has one, however many clients they type in.
#[derive(Debug, Default)]
pub(crate) struct Typing {
    typists: Vec<Typist>,
    elsewhere: BTreeMap<NodeId, Elsewhere>,
    /// Who is typing, made anew only where that changes.
    users: Typists,
}

impl Typing {
    /// Starts the user's indicator, or refreshes it; true where it, or a client of it, is new here.
    pub(crate) fn start(&mut self, user: &User, client: Option<&ClientId>, now: Instant) -> bool {
        let until = now + LIFETIME;
        let place = match self
            .typists
            .iter()
            .position(|typist| typist.user.id == user.id)
        {
            Some(place) => place,
            None if self.typists.len() == MAX_TYPISTS => return false,
            None => {
                self.typists.push(Typist {
                    user: user.clone(),
                    sources: Vec::with_capacity(1),
                });
                self.list_users();
                self.typists.len() - 1
            }
        };
        let sources = &mut self.typists[place].sources;
        if let Some(source) = sources
            .iter_mut()
            .find(|source| source.client.as_ref() == client)
        {
            source.until = until;
            return false;
        }
        if sources.len() == MAX_CLIENTS {
            let soonest = (0..sources.len()).min_by_key(|&place| sources[place].until);
            sources.swap_remove(soonest.unwrap_or_default());
        }
        sources.push(Source {
            client: client.cloned(),
            until,
        });
        true
    }

    /// The user stopped typing in this client; true where they did on this node.
    pub(crate) fn stop(&mut self, user: &UserId, client: Option<&ClientId>) -> bool {
        self.keep_elsewhere(|typist, source| typist.id != *user || source.as_ref() != client);
        self.keep(|typist, source| typist.id != *user || source.client.as_ref() != client)
    }

    /// The user posted a comment: whatever they were typing, they are done. True where they did on
    /// this node.
    pub(crate) fn posted(&mut self, user: &UserId) -> bool {
        self.keep_elsewhere(|typist, _| typist.id != *user);
        self.keep(|typist, _| typist.id != *user)
    }

    /// The client left the room; true where it typed on this node.
    pub(crate) fn left(&mut self, client: &ClientId) -> bool {
        self.keep(|_, source| source.client.as_ref() != Some(client))
    }

    /// Ends what was not refreshed in time; true where that was on this node.
    pub(crate) fn expire(&mut self, now: Instant) -> bool {
        if self.elsewhere.values().any(|there| there.until <= now) {
            self.elsewhere.retain(|_, there| there.until > now);
            self.list_users();
        }
        self.keep(|_, source| source.until > now)
    }

    /// When [`expire`](Self::expire) has something to end next.
    pub(crate) fn next_expiry(&self) -> Option<Instant> {
        let here = self.typists.iter().flat_map(|typist| &typist.sources);
        let elsewhere = self.elsewhere.values().map(|there| there.until);
        here.map(|source| source.until).chain(elsewhere).min()
    }

    /// Another node has told who types there: all of them.
    pub(crate) fn hear(&mut self, node: NodeId, typists: &[TypistElsewhere], now: Instant) {
        self.elsewhere.remove(&node);
        if !typists.is_empty() {
            let typists = typists
                .iter()
                .take(MAX_TYPISTS)
                .map(|typist| {
                    let clients = typist.clients.iter().take(MAX_CLIENTS);
                    let clients = clients.map(|client| client.clone().map(|name| name.0));
                    (User::from(&typist.user), clients.collect())
                })
                .collect();
            let until = now + LIFETIME;
            self.elsewhere.insert(node, Elsewhere { typists, until });
        }
        self.list_users();
    }

    /// Forgets what another node has told.
    pub(crate) fn forget(&mut self, node: NodeId) {
        if self.elsewhere.remove(&node).is_some() {
            self.list_users();
        }
    }

    /// Who types on this node, as the others are told.
    pub(crate) fn here(&self) -> Vec<TypistElsewhere> {
        self.typists
            .iter()
            .map(|typist| TypistElsewhere {
                user: Author::from(&typist.user),
                clients: typist
                    .sources
                    .iter()
                    .map(|source| source.client.clone().map(Name))
                    .collect(),
            })
            .collect()
    }

    /// Which users type in this client on other nodes, as far as those have told.
    pub(crate) fn elsewhere_in(&self, client: &ClientId) -> Vec<UserId> {
        self.elsewhere
            .values()
            .flat_map(|there| &there.typists)
            .filter(|(_, clients)| clients.iter().flatten().any(|name| name == client))
            .map(|(user, _)| user.id.clone())
            .collect()
    }

    /// Who is typing now.
    pub(crate) fn users(&self) -> &Typists {
        &self.users
    }

    /// Whether anybody is typing on this node.
    pub(crate) fn is_anybody_here(&self) -> bool {
        !self.typists.is_empty()
    }

    /// Keeps what is wanted of what is on this node; true where that is not all.
    fn keep(&mut self, wanted: impl Fn(&User, &Source) -> bool) -> bool {
        let before = self.typists.len();
        let mut has_ended = false;
        self.typists.retain_mut(|Typist { user, sources }| {
            let before = sources.len();
            sources.retain(|source| wanted(user, source));
            has_ended |= sources.len() < before;
            !sources.is_empty()
        });
        if self.typists.len() < before {
            self.list_users();
        }
        has_ended
    }

    /// Keeps what is wanted of what other nodes have told; they tell themselves what has ended, but
    /// what this node knows already is shown at once.
    fn keep_elsewhere(&mut self, wanted: impl Fn(&User, &Option<ClientId>) -> bool) {
        if self.elsewhere.is_empty() {
            return;
        }
        self.elsewhere.retain(|_, there| {
            there.typists.retain_mut(|(user, clients)| {
                clients.retain(|client| wanted(user, client));
                !clients.is_empty()
            });
            !there.typists.is_empty()
        });
        self.list_users();
    }

    fn list_users(&mut self) {
        let mut users: Vec<User> = Vec::with_capacity(self.typists.len());
        users.extend(self.typists.iter().map(|typist| typist.user.clone()));
        for (user, _) in self.elsewhere.values().flat_map(|there| &there.typists) {
            if users.len() < MAX_TYPISTS && !users.iter().any(|known| known.id == user.id) {
                users.push(user.clone());
            }
        }
        if users[..] != self.users[..] {
            self.users = users.into();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(id: &str) -> User {
        User {
            id: UserId::parse(id).unwrap(),
            name: id.into(),
            avatar: None,
        }
    }

    fn client(id: &str) -> ClientId {
        ClientId::parse(id).unwrap()
    }

    fn names(typing: &Typing) -> Vec<String> {
        typing
            .users()
            .iter()
            .map(|user| user.name.to_string())
            .collect()
    }

    #[test]
    fn an_indicator_ends_when_it_is_not_refreshed_for_six_seconds() {
        let start = Instant::now();
        let mut typing = Typing::default();
        typing.start(&user("ada"), None, start);
        assert_eq!(typing.next_expiry(), Some(start + LIFETIME));
        typing.start(&user("ada"), None, start + Duration::from_secs(3));
        typing.expire(start + LIFETIME);
        assert_eq!(names(&typing), ["ada"]);
        typing.expire(start + Duration::from_secs(9));
        assert!(!typing.is_anybody_here());
        assert_eq!(typing.next_expiry(), None);
    }

    #[test]
    fn it_ends_when_its_user_says_so_or_posts_or_its_client_leaves() {
        let now = Instant::now();
        let (ada, tab) = (user("ada"), client("tab"));
        let mut typing = Typing::default();
        typing.start(&ada, Some(&tab), now);
        typing.stop(&ada.id, Some(&tab));
        assert!(!typing.is_anybody_here());
        typing.start(&ada, Some(&tab), now);
        typing.posted(&ada.id);
        assert!(!typing.is_anybody_here());
        typing.start(&ada, Some(&tab), now);
        typing.left(&tab);
        assert!(!typing.is_anybody_here());
    }

    #[test]
    fn a_user_who_types_in_two_clients_has_one_indicator_until_both_have_ended() {
        let now = Instant::now();
        let ada = user("ada");
        let mut typing = Typing::default();
        typing.start(&ada, Some(&client("one")), now);
        typing.start(&ada, Some(&client("two")), now);
        assert_eq!(names(&typing), ["ada"]);
        typing.stop(&ada.id, Some(&client("one")));
        assert_eq!(names(&typing), ["ada"]);
        typing.left(&client("two"));
        assert!(!typing.is_anybody_here());
    }

    fn there(user: &User, id: &str) -> TypistElsewhere {
        TypistElsewhere {
            user: Author::from(user),
            clients: vec![Some(Name(client(id)))],
        }
    }

    #[test]
    fn a_user_who_types_on_two_nodes_has_one_indicator_until_both_have_ended() {
        let now = Instant::now();
        let (ada, bob, node) = (user("ada"), user("bob"), NodeId::new());
        let mut typing = Typing::default();
        typing.start(&ada, Some(&client("one")), now);
        typing.hear(node, &[there(&ada, "two"), there(&bob, "three")], now);
        assert_eq!(names(&typing), ["ada", "bob"]);
        assert_eq!(
            typing.elsewhere_in(&client("two")),
            std::slice::from_ref(&ada.id)
        );
        assert!(typing.stop(&ada.id, Some(&client("one"))));
        assert_eq!(names(&typing), ["ada", "bob"]);
        assert!(!typing.stop(&ada.id, Some(&client("two"))), "not here");
        assert_eq!(names(&typing), ["bob"]);
        assert!(!typing.posted(&bob.id));
        assert_eq!(names(&typing), [""; 0]);
    }

    #[test]
    fn who_types_on_a_node_that_says_no_more_stops_after_six_seconds_or_with_it() {
        let now = Instant::now();
        let (ada, node) = (user("ada"), NodeId::new());
        let mut typing = Typing::default();
        typing.hear(node, &[there(&ada, "tab")], now);
        assert_eq!(typing.next_expiry(), Some(now + LIFETIME));
        typing.expire(now + LIFETIME);
        assert_eq!(names(&typing), [""; 0]);
        typing.hear(node, &[there(&ada, "tab")], now);
        typing.forget(node);
        assert_eq!(names(&typing), [""; 0]);
        assert_eq!(typing.next_expiry(), None);
    }

    #[test]
    fn users_and_their_clients_are_bounded() {
        let now = Instant::now();
        let mut typing = Typing::default();
        for number in 0..1000 {
            typing.start(&user(&format!("u{number}")), None, now);
            typing.start(&user("u0"), Some(&client(&format!("c{number}"))), now);
        }
        assert_eq!(typing.users().len(), MAX_TYPISTS);
        assert_eq!(typing.typists[0].sources.len(), MAX_CLIENTS);
    }
}
