//! A limit on the statements of one address that are under way or wait for a connection, so that one
//! client cannot put many before everyone else's.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
};

use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::model::ClientAddress;

/// Maximum number of statements of one address, or of one execution without an address.
const STATEMENTS: usize = 8;

/// Number of addresses beyond which those that read nothing now are forgotten at once.
const MAX_ADDRESSES: usize = 16_384;

/// The turns of all addresses.
#[derive(Debug, Default)]
pub(super) struct ReadTurns(Mutex<HashMap<ClientAddress, Weak<Semaphore>>>);

impl ReadTurns {
    /// Returns the turns that all executions of `address` share.
    pub(super) fn of_address(&self, address: ClientAddress) -> Arc<Semaphore> {
        let mut turns = self.0.lock();
        if let Some(turns) = turns.get(&address).and_then(Weak::upgrade) {
            return turns;
        }
        if turns.len() >= MAX_ADDRESSES {
            turns.retain(|_, turns| turns.strong_count() > 0);
        }
        let new = of_execution();
        turns.insert(address, Arc::downgrade(&new));
        new
    }

    /// Drops the state of addresses that read nothing now.
    pub(super) fn drop_inactive(&self) {
        self.0.lock().retain(|_, turns| turns.strong_count() > 0);
    }
}

/// Returns the turns of an execution of its own.
pub(super) fn of_execution() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(STATEMENTS))
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    #[test]
    fn executions_of_an_address_share_its_turns() {
        let turns = ReadTurns::default();
        let address = |text: &str| text.parse::<IpAddr>().unwrap().into();
        let one = turns.of_address(address("192.0.2.1"));
        let _held = one
            .try_acquire_many(u32::try_from(STATEMENTS).unwrap())
            .unwrap();
        let other = turns.of_address(address("192.0.2.1"));
        assert!(other.try_acquire().is_err());
        assert!(turns.of_address(address("192.0.2.2")).try_acquire().is_ok());
        turns.drop_inactive();
        assert_eq!(turns.0.lock().len(), 1);
    }
}
