//! Identifiers that are validated when they are deserialized.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use crate::model::{ClientId, PostId, UserId};

/// An identifier. Deserializing one that is not valid is an error.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::cluster) struct ValidId<T>(pub(in crate::cluster) T);

macro_rules! valid_id {
    ($id:ident) => {
        impl Serialize for ValidId<$id> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.0.as_str())
            }
        }

        impl<'de> Deserialize<'de> for ValidId<$id> {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                $id::parse(&text)
                    .map(ValidId)
                    .ok_or_else(|| D::Error::custom(concat!("not a ", stringify!($id))))
            }
        }
    };
}

valid_id!(PostId);
valid_id!(UserId);
valid_id!(ClientId);
