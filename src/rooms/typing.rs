//! Typing indicators of one room, of this node and the others. An indicator ends when its user says
//! so, when it is not refreshed in time, when the user posts, or when the client leaves the room.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use super::node_id::NodeId;
use crate::model::{ClientId, User, UserId};

/// Lifetime of an indicator that is not refreshed.
const LIFETIME: Duration = Duration::from_secs(6);
/// Maximum number of users shown as typing in one room. Further ones are not shown.
const MAX_TYPISTS: usize = 64;
/// Maximum number of clients in which one user types. A further one replaces the one that would end
/// first.
const MAX_CLIENTS: usize = 8;

/// The users who are typing, in the order in which they started.
pub type Typists = Arc<[User]>;

/// A start or end of a user's typing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypingEvent {
    /// The user.
    pub user: User,
    /// True if the user started, false if they stopped.
    pub is_typing: bool,
}

/// Returns the events that lead from one list to another: first the users who stopped, then those
/// who started.
pub fn differences(before: &Typists, after: &Typists) -> Vec<TypingEvent> {
    let missing = |from: &Typists, to: &Typists, is_typing: bool| {
        from.iter()
            .filter(|user| !to.iter().any(|other| other.id == user.id))
            .map(|user| TypingEvent {
                user: user.clone(),
                is_typing,
            })
            .collect::<Vec<_>>()
    };
    let mut events = missing(before, after, false);
    events.extend(missing(after, before, true));
    events
}

/// A user who types on one node, as the node reports it to others.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NodeTypist {
    pub(crate) user: User,
    /// Clients in which the user types; `None` is a request without a client id.
    pub(crate) clients: Vec<Option<ClientId>>,
}

/// The indicator of a user who types on this node.
#[derive(Debug)]
struct Indicator {
    user: User,
    sources: Vec<Source>,
}

#[derive(Debug)]
struct Source {
    client: Option<ClientId>,
    expires_at: Instant,
}

/// Typists that one other node has reported. It repeats the report before this expires.
#[derive(Debug)]
struct RemoteTypists {
    typists: Vec<NodeTypist>,
    expires_at: Instant,
}

/// The indicators of one room. A user has one, in however many clients they type.
#[derive(Debug, Default)]
pub(super) struct Typing {
    local: Vec<Indicator>,
    remote: BTreeMap<NodeId, RemoteTypists>,
    /// The merged list, reallocated only if it changes.
    users: Typists,
}

impl Typing {
    /// Starts or refreshes an indicator. Returns true if its user or client is new on this node.
    pub(super) fn start(&mut self, user: &User, client: Option<&ClientId>, now: Instant) -> bool {
        let expires_at = now + LIFETIME;
        let index = match self
            .local
            .iter()
            .position(|indicator| indicator.user.id == user.id)
        {
            Some(index) => index,
            None if self.local.len() == MAX_TYPISTS => return false,
            None => {
                self.local.push(Indicator {
                    user: user.clone(),
                    sources: Vec::with_capacity(1),
                });
                self.merge();
                self.local.len() - 1
            }
        };
        let sources = &mut self.local[index].sources;
        if let Some(source) = sources
            .iter_mut()
            .find(|source| source.client.as_ref() == client)
        {
            source.expires_at = expires_at;
            return false;
        }
        if sources.len() == MAX_CLIENTS {
            let soonest = (0..sources.len()).min_by_key(|&index| sources[index].expires_at);
            sources.swap_remove(soonest.unwrap_or_default());
        }
        sources.push(Source {
            client: client.cloned(),
            expires_at,
        });
        true
    }

    /// Ends the user's typing in `client`. Returns true if it was on this node.
    pub(super) fn stop(&mut self, user: &UserId, client: Option<&ClientId>) -> bool {
        self.retain_remote(|typist, source| typist.id != *user || source.as_ref() != client);
        self.retain_local(|typist, source| typist.id != *user || source.client.as_ref() != client)
    }

    /// Ends the user's typing in all clients, because the user has posted. Returns true if any was on
    /// this node.
    pub(super) fn posted(&mut self, user: &UserId) -> bool {
        self.retain_remote(|typist, _| typist.id != *user);
        self.retain_local(|typist, _| typist.id != *user)
    }

    /// Ends this node's indicators in `client`, because it has left the room. Returns true if there
    /// were any.
    pub(super) fn client_left(&mut self, client: &ClientId) -> bool {
        self.retain_local(|_, source| source.client.as_ref() != Some(client))
    }

    /// Ends what was not refreshed in time. Returns true if any of it was on this node.
    pub(super) fn expire(&mut self, now: Instant) -> bool {
        if self.remote.values().any(|report| report.expires_at <= now) {
            self.remote.retain(|_, report| report.expires_at > now);
            self.merge();
        }
        self.retain_local(|_, source| source.expires_at > now)
    }

    /// Returns the time of the next expiry.
    pub(super) fn next_expiry(&self) -> Option<Instant> {
        let local = self.local.iter().flat_map(|indicator| &indicator.sources);
        let remote = self.remote.values().map(|report| report.expires_at);
        local.map(|source| source.expires_at).chain(remote).min()
    }

    /// Replaces all typists that `node` has reported.
    pub(super) fn apply(&mut self, node: NodeId, mut typists: Vec<NodeTypist>, now: Instant) {
        typists.truncate(MAX_TYPISTS);
        for typist in &mut typists {
            typist.clients.truncate(MAX_CLIENTS);
        }
        self.remote.remove(&node);
        if !typists.is_empty() {
            let expires_at = now + LIFETIME;
            let report = RemoteTypists {
                typists,
                expires_at,
            };
            self.remote.insert(node, report);
        }
        self.merge();
    }

    /// Removes all that `node` has reported.
    pub(super) fn forget(&mut self, node: NodeId) {
        if self.remote.remove(&node).is_some() {
            self.merge();
        }
    }

    /// Returns the typists of this node.
    pub(super) fn local_typists(&self) -> Vec<NodeTypist> {
        self.local
            .iter()
            .map(|Indicator { user, sources }| NodeTypist {
                user: user.clone(),
                clients: sources.iter().map(|source| source.client.clone()).collect(),
            })
            .collect()
    }

    /// Returns the users who type in `client` on other nodes.
    pub(super) fn remote_users_in(&self, client: &ClientId) -> Vec<UserId> {
        self.remote
            .values()
            .flat_map(|report| &report.typists)
            .filter(|typist| typist.clients.iter().flatten().any(|id| id == client))
            .map(|typist| typist.user.id.clone())
            .collect()
    }

    /// Returns the users who are typing on any node, each once.
    pub(super) fn users(&self) -> &Typists {
        &self.users
    }

    /// Returns true if a user types on this node.
    pub(super) fn is_local(&self) -> bool {
        !self.local.is_empty()
    }

    /// Keeps the local sources that match. Returns true if any was removed.
    fn retain_local(&mut self, keep: impl Fn(&User, &Source) -> bool) -> bool {
        let before = self.local.len();
        let mut has_ended = false;
        self.local.retain_mut(|Indicator { user, sources }| {
            let before = sources.len();
            sources.retain(|source| keep(user, source));
            has_ended |= sources.len() < before;
            !sources.is_empty()
        });
        if self.local.len() < before {
            self.merge();
        }
        has_ended
    }

    /// Keeps the remote clients that match. Their nodes report the end themselves, but what this
    /// node knows already is shown at once.
    fn retain_remote(&mut self, keep: impl Fn(&User, &Option<ClientId>) -> bool) {
        if self.remote.is_empty() {
            return;
        }
        self.remote.retain(|_, report| {
            report.typists.retain_mut(|NodeTypist { user, clients }| {
                clients.retain(|client| keep(user, client));
                !clients.is_empty()
            });
            !report.typists.is_empty()
        });
        self.merge();
    }

    fn merge(&mut self) {
        let mut users: Vec<User> = Vec::with_capacity(self.local.len());
        users.extend(self.local.iter().map(|indicator| indicator.user.clone()));
        for typist in self.remote.values().flat_map(|report| &report.typists) {
            let user = &typist.user;
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
    use crate::rooms::testing::user;

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

    fn in_client(user: &User, id: &str) -> NodeTypist {
        NodeTypist {
            user: user.clone(),
            clients: vec![Some(client(id))],
        }
    }

    #[test]
    fn indicator_ends_six_seconds_after_its_last_refresh() {
        let start = Instant::now();
        let mut typing = Typing::default();
        typing.start(&user("ada"), None, start);
        assert_eq!(typing.next_expiry(), Some(start + LIFETIME));
        typing.start(&user("ada"), None, start + Duration::from_secs(3));
        typing.expire(start + LIFETIME);
        assert_eq!(names(&typing), ["ada"]);
        typing.expire(start + Duration::from_secs(9));
        assert!(!typing.is_local());
        assert_eq!(typing.next_expiry(), None);
    }

    #[test]
    fn indicator_ends_on_stop_on_post_and_when_its_client_leaves() {
        let now = Instant::now();
        let (ada, tab) = (user("ada"), client("tab"));
        let mut typing = Typing::default();
        typing.start(&ada, Some(&tab), now);
        typing.stop(&ada.id, Some(&tab));
        assert!(!typing.is_local());
        typing.start(&ada, Some(&tab), now);
        typing.posted(&ada.id);
        assert!(!typing.is_local());
        typing.start(&ada, Some(&tab), now);
        typing.client_left(&tab);
        assert!(!typing.is_local());
    }

    #[test]
    fn user_in_two_clients_has_one_indicator_until_both_end() {
        let now = Instant::now();
        let ada = user("ada");
        let mut typing = Typing::default();
        typing.start(&ada, Some(&client("one")), now);
        typing.start(&ada, Some(&client("two")), now);
        assert_eq!(names(&typing), ["ada"]);
        typing.stop(&ada.id, Some(&client("one")));
        assert_eq!(names(&typing), ["ada"]);
        typing.client_left(&client("two"));
        assert!(!typing.is_local());
    }

    #[test]
    fn user_on_two_nodes_has_one_indicator_until_both_end() {
        let now = Instant::now();
        let (ada, bob, node) = (user("ada"), user("bob"), NodeId::new());
        let mut typing = Typing::default();
        typing.start(&ada, Some(&client("one")), now);
        let report = vec![in_client(&ada, "two"), in_client(&bob, "three")];
        typing.apply(node, report, now);
        assert_eq!(names(&typing), ["ada", "bob"]);
        assert_eq!(
            typing.remote_users_in(&client("two")),
            std::slice::from_ref(&ada.id)
        );
        assert!(typing.stop(&ada.id, Some(&client("one"))));
        assert_eq!(names(&typing), ["ada", "bob"]);
        assert!(!typing.stop(&ada.id, Some(&client("two"))), "not local");
        assert_eq!(names(&typing), ["bob"]);
        assert!(!typing.posted(&bob.id));
        assert_eq!(names(&typing), [""; 0]);
    }

    #[test]
    fn remote_typist_ends_after_six_seconds_or_with_its_node() {
        let now = Instant::now();
        let (ada, node) = (user("ada"), NodeId::new());
        let mut typing = Typing::default();
        typing.apply(node, vec![in_client(&ada, "tab")], now);
        assert_eq!(typing.next_expiry(), Some(now + LIFETIME));
        typing.expire(now + LIFETIME);
        assert_eq!(names(&typing), [""; 0]);
        typing.apply(node, vec![in_client(&ada, "tab")], now);
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
        assert_eq!(typing.local[0].sources.len(), MAX_CLIENTS);
    }
}
