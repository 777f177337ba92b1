//! Who is typing in one room. An indicator ends in four ways: its user says so, it is not refreshed
//! in time, the user posts a comment, or the client leaves the room.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::model::{ClientId, User, UserId};

/// How long an indicator lives without being refreshed.
pub(super) const LIFETIME: Duration = Duration::from_secs(6);
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

/// The indicators of one room. A user has one, however many clients they type in.
#[derive(Debug, Default)]
pub(super) struct Typing {
    typists: Vec<Typist>,
    /// Who is typing, made anew only where that changes.
    users: Typists,
}

impl Typing {
    /// Starts the user's indicator, or refreshes it.
    pub(super) fn start(&mut self, user: &User, client: Option<&ClientId>, now: Instant) {
        let until = now + LIFETIME;
        let place = match self
            .typists
            .iter()
            .position(|typist| typist.user.id == user.id)
        {
            Some(place) => place,
            None if self.typists.len() == MAX_TYPISTS => return,
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
            return;
        }
        if sources.len() == MAX_CLIENTS {
            let soonest = (0..sources.len()).min_by_key(|&place| sources[place].until);
            sources.swap_remove(soonest.unwrap_or_default());
        }
        sources.push(Source {
            client: client.cloned(),
            until,
        });
    }

    /// The user stopped typing in this client.
    pub(super) fn stop(&mut self, user: &UserId, client: Option<&ClientId>) {
        self.keep(|typist, source| typist.id != *user || source.client.as_ref() != client);
    }

    /// The user posted a comment: whatever they were typing, they are done.
    pub(super) fn posted(&mut self, user: &UserId) {
        self.keep(|typist, _| typist.id != *user);
    }

    /// The client left the room.
    pub(super) fn left(&mut self, client: &ClientId) {
        self.keep(|_, source| source.client.as_ref() != Some(client));
    }

    /// Ends what was not refreshed in time.
    pub(super) fn expire(&mut self, now: Instant) {
        self.keep(|_, source| source.until > now);
    }

    /// When [`expire`](Self::expire) has something to end next.
    pub(super) fn next_expiry(&self) -> Option<Instant> {
        self.typists
            .iter()
            .flat_map(|typist| &typist.sources)
            .map(|source| source.until)
            .min()
    }

    /// Who is typing now.
    pub(super) fn users(&self) -> &Typists {
        &self.users
    }

    /// Whether nobody is typing.
    pub(super) fn is_empty(&self) -> bool {
        self.typists.is_empty()
    }

    fn keep(&mut self, wanted: impl Fn(&User, &Source) -> bool) {
        let before = self.typists.len();
        self.typists.retain_mut(|Typist { user, sources }| {
            sources.retain(|source| wanted(user, source));
            !sources.is_empty()
        });
        if self.typists.len() < before {
            self.list_users();
        }
    }

    fn list_users(&mut self) {
        self.users = self
            .typists
            .iter()
            .map(|typist| typist.user.clone())
            .collect();
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
        assert!(typing.is_empty());
        assert_eq!(typing.next_expiry(), None);
    }

    #[test]
    fn it_ends_when_its_user_says_so_or_posts_or_its_client_leaves() {
        let now = Instant::now();
        let (ada, tab) = (user("ada"), client("tab"));
        let mut typing = Typing::default();
        typing.start(&ada, Some(&tab), now);
        typing.stop(&ada.id, Some(&tab));
        assert!(typing.is_empty());
        typing.start(&ada, Some(&tab), now);
        typing.posted(&ada.id);
        assert!(typing.is_empty());
        typing.start(&ada, Some(&tab), now);
        typing.left(&tab);
        assert!(typing.is_empty());
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
        assert!(typing.is_empty());
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
