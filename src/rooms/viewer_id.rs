//! A distinct reader, as nodes tell each other of them.

use sha2::{Digest, Sha256};

use crate::model::{ClientId, PostId, User, UserId};

/// Who joins a room: a client, and the user where one is signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visitor {
    /// The page or app instance.
    pub client: ClientId,
    /// Who uses it.
    pub user: Option<User>,
}

impl Visitor {
    pub(crate) fn viewer(&self) -> ViewerId {
        match &self.user {
            Some(user) => ViewerId::of_user(&user.id),
            None => ViewerId::of_client(&self.client),
        }
    }
}

/// A distinct reader: the user where signed in, else the client. It is the first 128 bits of a
/// SHA-256, the same on every node, so that a set of them is small and the union of many is exact:
/// nobody can find two readers that are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ViewerId(pub(crate) u128);

impl ViewerId {
    fn of_user(user: &UserId) -> Self {
        Self(digest("user", user.as_str()))
    }

    fn of_client(client: &ClientId) -> Self {
        Self(digest("client", client.as_str()))
    }
}

/// A room as nodes name it to each other where there are many: the first 64 bits of a SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct RoomKey(pub(crate) u64);

impl RoomKey {
    pub(crate) fn of(post: &PostId) -> Self {
        let upper = digest("post", post.as_str()) >> u64::BITS;
        Self(u64::try_from(upper).unwrap_or_default())
    }
}

fn digest(kind: &str, id: &str) -> u128 {
    let mut hasher = Sha256::new();
    hasher.update(kind);
    hasher.update([0]);
    hasher.update(id);
    hasher
        .finalize()
        .iter()
        .take(16)
        .fold(0, |number, &byte| number << 8 | u128::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_and_a_client_of_the_same_name_are_two_readers() {
        let client = ClientId::parse("ada").unwrap();
        let user = UserId::parse("ada").unwrap();
        assert_ne!(ViewerId::of_client(&client), ViewerId::of_user(&user));
        assert_eq!(ViewerId::of_client(&client), ViewerId::of_client(&client));
    }
}
