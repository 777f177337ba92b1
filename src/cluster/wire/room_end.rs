//! The end of a room in its wire form.

use serde::{Deserialize, Serialize};

use crate::rooms::RoomEnd;

/// A [`RoomEnd`] in its wire form.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::cluster) enum WireRoomEnd {
    Moved,
    Deleted,
}

impl From<RoomEnd> for WireRoomEnd {
    fn from(end: RoomEnd) -> Self {
        match end {
            RoomEnd::Moved => Self::Moved,
            RoomEnd::Deleted => Self::Deleted,
        }
    }
}

impl From<WireRoomEnd> for RoomEnd {
    fn from(end: WireRoomEnd) -> Self {
        match end {
            WireRoomEnd::Moved => Self::Moved,
            WireRoomEnd::Deleted => Self::Deleted,
        }
    }
}
