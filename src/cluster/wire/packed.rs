//! Lists of 128-bit numbers as base64, 16 bytes each.

use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};
use serde::{Deserialize, Deserializer, Serializer, de::Error};

/// Viewer ids.
pub(super) mod viewers {
    use super::{Deserializer, Serializer, pack, unpack};
    use crate::rooms::ViewerId;

    pub(in super::super) fn serialize<S: Serializer>(
        viewers: &[ViewerId],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        pack(viewers.iter().map(|viewer| viewer.0), serializer)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<ViewerId>, D::Error> {
        unpack(deserializer, ViewerId)
    }
}

/// Pairs of a room and a version, each of which is one half of a number.
pub(super) mod room_versions {
    use super::{Deserializer, Serializer, pack, unpack};
    use crate::rooms::{RoomKey, Version};

    pub(in super::super) fn serialize<S: Serializer>(
        rooms: &[(RoomKey, Version)],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let numbers = rooms
            .iter()
            .map(|(room, version)| u128::from(room.0) << u64::BITS | u128::from(version.0));
        pack(numbers, serializer)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<(RoomKey, Version)>, D::Error> {
        #[allow(clippy::cast_possible_truncation, reason = "each takes its half")]
        let halves = |number: u128| {
            let (room, version) = ((number >> u64::BITS) as u64, number as u64);
            (RoomKey(room), Version(version))
        };
        unpack(deserializer, halves)
    }
}

fn pack<S: Serializer>(
    numbers: impl Iterator<Item = u128>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let bytes: Vec<u8> = numbers.flat_map(u128::to_be_bytes).collect();
    serializer.serialize_str(&BASE64_STANDARD_NO_PAD.encode(bytes))
}

fn unpack<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    convert: impl Fn(u128) -> T,
) -> Result<Vec<T>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let bytes = BASE64_STANDARD_NO_PAD
        .decode(text)
        .map_err(D::Error::custom)?;
    let (numbers, rest) = bytes.as_chunks::<16>();
    if !rest.is_empty() {
        return Err(D::Error::custom("a number has 16 bytes"));
    }
    Ok(numbers
        .iter()
        .map(|bytes| convert(u128::from_be_bytes(*bytes)))
        .collect())
}
