//! The key of the hashes that stand for what is not to be stored: the addresses of guests.

use std::{fmt, sync::Arc};

use hmac::{Hmac, KeyInit, Mac};
use sea_orm::{DatabaseConnection, DbErr, EntityTrait};
use sha2::Sha256;

use super::entity::hash_key::Entity;
use crate::model::{AddressHash, ClientAddress};

/// The key of a database's hashes. Without it a hash says nothing about what was hashed. Clones share it.
#[derive(Clone)]
pub(super) struct HashKey(Arc<[u8]>);

impl HashKey {
    /// Returns the hash of an address.
    pub(super) fn hash_address(&self, address: ClientAddress) -> AddressHash {
        let mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("any length is a key");
        let mac = mac.chain_update("address:");
        let mac = mac.chain_update(address.to_string()).finalize();
        AddressHash::new(mac.into_bytes().into())
    }
}

impl fmt::Debug for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashKey")
    }
}

/// Reads the key.
pub(super) async fn read(connection: &DatabaseConnection) -> Result<HashKey, DbErr> {
    let rows = Entity::find().all(connection).await?;
    let key = rows.into_iter().next().map(|row| HashKey(row.value.into()));
    key.ok_or_else(|| DbErr::Custom("the table hash_key is empty".to_owned()))
}
