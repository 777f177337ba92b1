//! Short hashes that name viewers and rooms. They are the same on every node.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::model::{ClientId, PostId, UserId};

/// A distinct reader: the user if signed in, else the client.
///
/// It is the first 128 bits of a SHA-256. So a set of ids is small, and the union of several nodes'
/// sets is exact because collisions are infeasible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ViewerId(pub(crate) u128);

impl ViewerId {
    pub(super) fn of_user(user: &UserId) -> Self {
        Self(digest("user", user.as_str()))
    }

    pub(super) fn of_client(client: &ClientId) -> Self {
        Self(digest("client", client.as_str()))
    }
}

/// A post's room in messages that list many rooms: the first 64 bits of a SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct RoomKey(pub(crate) u64);

impl RoomKey {
    pub(super) fn of(post: &PostId) -> Self {
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
    fn user_and_client_of_the_same_name_are_two_viewers() {
        let client = ClientId::parse("ada").unwrap();
        let user = UserId::parse("ada").unwrap();
        assert_ne!(ViewerId::of_client(&client), ViewerId::of_user(&user));
        assert_eq!(ViewerId::of_client(&client), ViewerId::of_client(&client));
    }
}
