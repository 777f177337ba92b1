//! Who is in one room: members, and the viewers that they amount to.

use std::collections::{HashMap, hash_map::Entry};

use crate::model::{ClientId, User, UserId};

/// Who joins a room: a client, and the user where one is signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visitor {
    /// The page or app instance.
    pub client: ClientId,
    /// Who uses it.
    pub user: Option<User>,
}

impl Visitor {
    pub(super) fn viewer(&self) -> Viewer {
        match &self.user {
            Some(user) => Viewer::User(user.id.clone()),
            None => Viewer::Client(self.client.clone()),
        }
    }
}

/// A distinct reader: the user where signed in, else the client.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Viewer {
    User(UserId),
    Client(ClientId),
}

/// The members of one room. Any number of streams of one client are one membership.
#[derive(Debug, Default)]
pub(super) struct Presence {
    /// How many streams each client has, for each viewer that it is. That is one viewer, but for
    /// the moment in which a client signs in, or where two clients claim one id.
    members: HashMap<ClientId, Vec<(Viewer, usize)>>,
    /// How many members each viewer has.
    viewers: HashMap<Viewer, usize>,
}

impl Presence {
    /// Counts a stream in.
    pub(super) fn join(&mut self, client: &ClientId, viewer: &Viewer) {
        let streams = self.members.entry(client.clone()).or_default();
        match streams.iter_mut().find(|(known, _)| known == viewer) {
            Some((_, count)) => *count += 1,
            None => {
                streams.push((viewer.clone(), 1));
                *self.viewers.entry(viewer.clone()).or_default() += 1;
            }
        }
    }

    /// Counts a stream out; true where it was the client's last in this room.
    pub(super) fn leave(&mut self, client: &ClientId, viewer: &Viewer) -> bool {
        let Entry::Occupied(mut member) = self.members.entry(client.clone()) else {
            return false;
        };
        let streams = member.get_mut();
        let Some(place) = streams.iter().position(|(known, _)| known == viewer) else {
            return false;
        };
        streams[place].1 -= 1;
        if streams[place].1 > 0 {
            return false;
        }
        streams.swap_remove(place);
        let gone = streams.is_empty();
        if gone {
            member.remove();
        }
        if let Entry::Occupied(mut members) = self.viewers.entry(viewer.clone()) {
            *members.get_mut() -= 1;
            if *members.get() == 0 {
                members.remove();
            }
        }
        gone
    }

    /// How many distinct readers there are.
    pub(super) fn viewers(&self) -> usize {
        self.viewers.len()
    }

    /// How many members there are.
    pub(super) fn members(&self) -> usize {
        self.members.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(id: &str) -> ClientId {
        ClientId::parse(id).unwrap()
    }

    fn user(id: &str) -> Viewer {
        Viewer::User(UserId::parse(id).unwrap())
    }

    #[test]
    fn streams_of_one_client_are_one_member_until_the_last_ends() {
        let mut presence = Presence::default();
        let (a, ada) = (client("a"), user("ada"));
        presence.join(&a, &ada);
        presence.join(&a, &ada);
        assert_eq!((presence.members(), presence.viewers()), (1, 1));
        assert!(!presence.leave(&a, &ada));
        assert_eq!((presence.members(), presence.viewers()), (1, 1));
        assert!(presence.leave(&a, &ada));
        assert_eq!((presence.members(), presence.viewers()), (0, 0));
    }

    #[test]
    fn a_user_counts_once_however_many_clients_and_an_anonymous_reader_once_a_client() {
        let mut presence = Presence::default();
        presence.join(&client("tab1"), &user("ada"));
        presence.join(&client("tab2"), &user("ada"));
        assert_eq!((presence.members(), presence.viewers()), (2, 1));
        for id in ["x", "y"] {
            presence.join(&client(id), &Viewer::Client(client(id)));
        }
        assert_eq!((presence.members(), presence.viewers()), (4, 3));
        presence.leave(&client("tab1"), &user("ada"));
        assert_eq!(presence.viewers(), 3);
        presence.leave(&client("tab2"), &user("ada"));
        assert_eq!(presence.viewers(), 2);
    }

    #[test]
    fn a_client_that_signs_in_is_gone_only_when_both_its_streams_are() {
        let mut presence = Presence::default();
        let a = client("a");
        presence.join(&a, &Viewer::Client(a.clone()));
        presence.join(&a, &user("ada"));
        assert!(!presence.leave(&a, &Viewer::Client(a.clone())));
        assert_eq!((presence.members(), presence.viewers()), (1, 1));
        assert!(presence.leave(&a, &user("ada")));
    }

    #[test]
    fn one_who_never_came_cannot_leave() {
        let mut presence = Presence::default();
        presence.join(&client("a"), &user("ada"));
        assert!(!presence.leave(&client("b"), &user("ada")));
        assert!(!presence.leave(&client("a"), &user("bob")));
        assert_eq!((presence.members(), presence.viewers()), (1, 1));
    }
}
